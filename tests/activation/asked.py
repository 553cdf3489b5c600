"""What devices ask beyond the article's journey: with wishes told at the Add, and of what they did offline."""

from datetime import datetime
from typing import Any

from services.activation.decider import Activate, Verify
from shared.messages import CodeAdded, OfflineActivationReported
from tests.scenarios import LATER, NOON, A, B, D, added, added_at_once, on, reported


def add(code: str = B, *, at: datetime = NOON, over: str | None = A, device: str = D, **wishes: Any) -> Verify:
    """Return what an Add on top of the current license asks; `wishes` are what else the user or the device told."""
    command = on(_wishing(added(code, over=over, device=device), wishes), at)
    assert isinstance(command, Verify)
    return command


def add_at_once(
    code: str = B, *, at: datetime = LATER, over: str | None = A, device: str = D, **wishes: Any
) -> Activate:
    """Return what an Add without a license in force asks, or one in place of a trial."""
    command = on(_wishing(added_at_once(code, over=over, device=device), wishes), at)
    assert isinstance(command, Activate)
    return command


def _wishing(event: CodeAdded, wishes: dict[str, Any]) -> CodeAdded:
    return CodeAdded.model_validate({**event.model_dump(), **wishes})


def done_offline(
    code: str = B, *, activated: datetime = LATER, over: str | None = A, device: str = D, **wishes: Any
) -> OfflineActivationReported:
    """The device activated the code by itself and tells it now."""
    event = reported(code, activated=activated, over=over)
    return event.model_copy(update={"device_id": device, **wishes})
