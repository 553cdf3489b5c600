"""Devices' questions beyond the article's journey: with choices made at the Add, and about offline activations."""

from datetime import datetime
from typing import Any

from services.activation.decider import Activate, Verify
from shared.messages import CodeAdded, OfflineActivationReported
from tests.scenarios import LATER, NOON, A, B, D, added, added_at_once, on, reported


def add(code: str = B, *, at: datetime = NOON, over: str | None = A, device: str = D, **wishes: Any) -> Verify:
    """Return the question of an Add during a license; `wishes` are further choices and facts."""
    command = on(_wishing(added(code, over=over, device=device), wishes), at)
    assert isinstance(command, Verify)
    return command


def add_at_once(
    code: str = B, *, at: datetime = LATER, over: str | None = A, device: str = D, **wishes: Any
) -> Activate:
    """Return the question of an Add without a license in force, or of one that replaces a trial."""
    command = on(_wishing(added_at_once(code, over=over, device=device), wishes), at)
    assert isinstance(command, Activate)
    return command


def _wishing(event: CodeAdded, wishes: dict[str, Any]) -> CodeAdded:
    return event.but(**wishes)


def done_offline(
    code: str = B, *, activated: datetime = LATER, over: str | None = A, device: str = D, **wishes: Any
) -> OfflineActivationReported:
    """The device activated the code offline and reports it now."""
    event = reported(code, activated=activated, over=over)
    return event.but(device_id=device, **wishes)
