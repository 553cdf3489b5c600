"""Translates the device service's events into commands about codes. No rule may come in here."""

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
    VerificationRepeated,
)


def commands_for(  # noqa: PLR0911 - one line per event
    event: Event, recorded_at: datetime
) -> list[Command]:
    """Return the commands that a device's event asks for, in order, dated by its recorded time (R-76)."""
    match event:
        case CodeAdded(purpose="reserve") | VerificationRepeated():
            return [Verify(**_question(event, recorded_at), **_code_and_license(event))]
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


def _question(event: Attempt, recorded_at: datetime) -> dict[str, Any]:
    """Return what every request says about its device and the user's choices."""
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
        "trials_before": event.trials_before,
    }


def _code_and_license(event: ActivationRequest) -> dict[str, Any]:
    return {"code_ref": event.code_ref, "current_ref": event.current_ref, "current_ends_at": event.current_ends_at}


def _activate(event: ActivationRequest, recorded_at: datetime, trigger: Trigger, **more: Any) -> Activate:
    return Activate(trigger=trigger, **_question(event, recorded_at), **_code_and_license(event), **more)


def _take_over(event: LicenseExpired, recorded_at: datetime) -> list[Command]:
    if event.reserve_ref is None:
        return []  # nothing is in reserve: a code that is added later is tried at once
    return [
        Activate(
            trigger="automatic",
            code_ref=event.reserve_ref,
            current_ref=event.code_ref,
            current_ends_at=event.ended_at,
            **_question(event, recorded_at),
        )
    ]


def _give_back(event: LicenseRemoved, recorded_at: datetime) -> list[Command]:
    """Release the seat before the reserve is tried: then no running license can prevent that (R-25, R-84)."""
    returned = ReturnSeat(code_ref=event.code_ref, device_id=event.device_id, at=recorded_at)
    if event.reserve_ref is None:
        return [returned]
    # a discounted renewal follows the license that was just given back, unless another one was named
    question = {**_question(event, recorded_at), "prior_ref": event.prior_ref or event.code_ref}
    return [returned, Activate(trigger="removal", code_ref=event.reserve_ref, **question)]
