"""What support can do to a code: which order each action is, and for which codes it is offered. No rule here."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from services.activation.console.preview import Action
from services.activation.decider import BlockCode, Code, RecordRefund, ReleaseSeat, UnblockCode
from shared.pages import Form


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind:
    """One kind of action: what it is called, what it says when it is done, and which order it is."""

    path: str
    title: str
    button: str
    done: str
    order: Callable[[Form, dict[str, Any]], Action]
    offered: Callable[[Code], bool] = lambda _: False
    asks: tuple[str, ...] = ()
    """Further fields of its form that say what it is about."""


KINDS = (
    Kind(
        path="block",
        title="Block the code",
        button="Block it",
        done="The code is blocked.",
        order=lambda _, said: BlockCode(**said),
        offered=lambda code: not code.blocked,
    ),
    Kind(
        path="unblock",
        title="Unblock the code",
        button="Unblock it",
        done="The code is unblocked.",
        order=lambda _, said: UnblockCode(**said),
        offered=lambda code: code.blocked,
    ),
    Kind(
        path="release",
        title="Take the seat away",
        button="Take it away",
        done="The seat is free.",
        order=lambda form, said: ReleaseSeat(
            **said, device_id=form.get("device_id", ""), keep_reserve=form.get("keep_reserve") == "yes"
        ),
        asks=("device_id", "keep_reserve"),
    ),
    Kind(
        path="refund",
        title="Refund the order",
        button="Refund it",
        done="The refund is recorded.",
        order=lambda form, said: RecordRefund(**said, order_id=form.get("order_id", "")),
        asks=("order_id",),
    ),
)


def actions_for(code: Code) -> tuple[Kind, ...]:
    """Return what is offered for the code as a whole; a seat and an order have their own."""
    return tuple(kind for kind in KINDS if kind.offered(code))
