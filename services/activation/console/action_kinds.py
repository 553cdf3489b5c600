"""The actions that support can take on a code: the command of each, and when to offer it. No rule here."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from services.activation.console.preview import Action
from services.activation.decider import BlockCode, Code, RecordRefund, ReleaseSeat, UnblockCode
from shared.pages import Form


@dataclass(frozen=True, slots=True, kw_only=True)
class ActionKind:
    """A kind of action: its texts and its command."""

    path: str
    title: str
    button: str
    done: str
    command: Callable[[Form, dict[str, Any]], Action]
    offered: Callable[[Code], bool] = lambda _: False
    fields: tuple[str, ...] = ()
    """Form fields that name what the action is about."""


KINDS = (
    ActionKind(
        path="block",
        title="Block the code",
        button="Block it",
        done="The code is blocked.",
        command=lambda _, common: BlockCode(**common),
        offered=lambda code: not code.blocked,
    ),
    ActionKind(
        path="unblock",
        title="Unblock the code",
        button="Unblock it",
        done="The code is unblocked.",
        command=lambda _, common: UnblockCode(**common),
        offered=lambda code: code.blocked,
    ),
    ActionKind(
        path="release",
        title="Release the seat",
        button="Release it",
        done="The seat is free.",
        command=lambda form, common: ReleaseSeat(
            **common, device_id=form.get("device_id", ""), keep_reserve=form.get("keep_reserve") == "yes"
        ),
        fields=("device_id", "keep_reserve"),
    ),
    ActionKind(
        path="refund",
        title="Refund the order",
        button="Refund it",
        done="The refund is recorded.",
        command=lambda form, common: RecordRefund(**common, order_id=form.get("order_id", "")),
        fields=("order_id",),
    ),
)


def actions_for(code: Code) -> tuple[ActionKind, ...]:
    """Return the actions on the code as a whole; seats and orders have their own."""
    return tuple(kind for kind in KINDS if kind.offered(code))
