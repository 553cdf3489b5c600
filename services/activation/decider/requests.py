"""What the events of the device service ask of the codes. No rule may come in here: it only translates."""

from datetime import datetime
from typing import Any

from services.activation.decider.commands import Activate, Command, ReturnSeat, Verify
from shared.messages import (
    ActivateNow,
    ActivationRequest,
    ActivationRetried,
    Attempt,
    CodeAdded,
    Event,
    LicenseExpired,
    LicenseRemoved,
    OfflineActivationReported,
    Trigger,
)


def commands_for(  # noqa: PLR0911 - one line per event
    event: Event, recorded_at: datetime
) -> list[Command]:
    """Return what a device's event asks for, at the time at which it was recorded (R-76), in the order to do it in."""
    match event:
        case CodeAdded(purpose="reserve"):
            return [Verify(**_told(event, recorded_at), **_license_before(event))]
        case CodeAdded():
            return [_activate(event, recorded_at, "immediate", ends_trial=event.ends_trial)]
        case ActivateNow():
            return [_activate(event, recorded_at, "manual")]
        case ActivationRetried():
            return [_activate(event, recorded_at, "retry", ends_trial=event.ends_trial)]
        case OfflineActivationReported():
            return [_activate(event, recorded_at, "offline", activated_at=event.activated_at)]
        case LicenseExpired():
            return _take_over(event, recorded_at)
        case LicenseRemoved():
            return _give_back(event, recorded_at)
        case _:
            return []


def _told(event: Attempt, recorded_at: datetime) -> dict[str, Any]:
    """What every request tells of its device and of the user's wishes."""
    return {
        "at": recorded_at,
        "device_id": event.device_id,
        "request_id": event.request_id,
        "product": event.product,
        "region": event.region,
        "product_version": event.product_version,
        "vendor": event.vendor,
        "prior_ref": event.prior_ref,
        "accepts_short_term": event.accepts_short_term,
    }


def _license_before(event: ActivationRequest) -> dict[str, Any]:
    return {"code_ref": event.code_ref, "current_ref": event.current_ref, "current_ends_at": event.current_ends_at}


def _activate(event: ActivationRequest, recorded_at: datetime, trigger: Trigger, **more: Any) -> Activate:
    return Activate(trigger=trigger, **_told(event, recorded_at), **_license_before(event), **more)


def _take_over(event: LicenseExpired, recorded_at: datetime) -> list[Command]:
    if event.reserve_ref is None:
        return []  # nothing waits: the device is expired, and a code added later is tried at once
    return [
        Activate(
            trigger="automatic",
            code_ref=event.reserve_ref,
            current_ref=event.code_ref,
            current_ends_at=event.ended_at,
            **_told(event, recorded_at),
        )
    ]


def _give_back(event: LicenseRemoved, recorded_at: datetime) -> list[Command]:
    """The seat is free before the reserve is tried: no license runs then that could stand against it (R-25, R-84)."""
    returned = ReturnSeat(code_ref=event.code_ref, device_id=event.device_id, at=recorded_at)
    if event.reserve_ref is None:
        return [returned]
    # what was just given back is the license that a discounted renewal follows, unless another was named
    told = {**_told(event, recorded_at), "prior_ref": event.prior_ref or event.code_ref}
    return [returned, Activate(trigger="removal", code_ref=event.reserve_ref, **told)]
