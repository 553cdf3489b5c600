"""What the events of the device service ask of the codes. No rule may come in here: it only translates."""

from datetime import datetime

from services.activation.decider.commands import Activate, Command, Verify
from shared.messages import (
    ActivateNow,
    ActivationRequest,
    ActivationRetried,
    CodeAdded,
    Event,
    LicenseExpired,
    Trigger,
)


def commands_for(event: Event, recorded_at: datetime) -> list[Command]:
    """Return what a device's event asks for, at the time at which it was recorded (R-76): one command or none."""
    match event:
        case CodeAdded(purpose="reserve"):
            return [_verify(event, recorded_at)]
        case CodeAdded():
            return [_activate(event, recorded_at, "immediate")]
        case ActivateNow():
            return [_activate(event, recorded_at, "manual")]
        case ActivationRetried():
            return [_activate(event, recorded_at, "retry")]
        case LicenseExpired():
            return _take_over(event, recorded_at)
        case _:
            return []


def _verify(event: CodeAdded, recorded_at: datetime) -> Verify:
    return Verify(
        at=recorded_at,
        code_ref=event.code_ref,
        device_id=event.device_id,
        request_id=event.request_id,
        product=event.product,
        region=event.region,
        current_ref=event.current_ref,
        current_ends_at=event.current_ends_at,
    )


def _activate(event: ActivationRequest, recorded_at: datetime, trigger: Trigger) -> Activate:
    return Activate(
        at=recorded_at,
        trigger=trigger,
        code_ref=event.code_ref,
        device_id=event.device_id,
        request_id=event.request_id,
        product=event.product,
        region=event.region,
        current_ref=event.current_ref,
        current_ends_at=event.current_ends_at,
    )


def _take_over(event: LicenseExpired, recorded_at: datetime) -> list[Command]:
    if event.reserve_ref is None:
        return []  # nothing waits: the device is expired, and a code added later is tried at once
    return [
        Activate(
            at=recorded_at,
            trigger="automatic",
            code_ref=event.reserve_ref,
            device_id=event.device_id,
            request_id=event.request_id,
            product=event.product,
            region=event.region,
            current_ref=event.code_ref,
            current_ends_at=event.ended_at,
        )
    ]
