"""Decides when the device service requests an activation attempt: at expiry, on Activate now, after a delay.

The id of an attempt without a user's request is derived from its cause, so that a timer or a record that is handled
twice gives the same event (R-32, R-116).
"""

from datetime import datetime
from typing import Any
from uuid import NAMESPACE_URL, UUID, uuid5

from services.device.decider.activate_now_checks import ACTIVATE_NOW, Click
from services.device.decider.case import Case
from services.device.decider.checks import CLAIM_EXPIRY
from services.device.decider.commands import Activate, ReportExpiry, RetryActivation
from services.device.decider.state import Device, Reserve
from shared.messages import (
    ActivateNow,
    ActivationDelayed,
    ActivationRefused,
    ActivationRetried,
    CodeRef,
    DeviceEvent,
    DeviceId,
    LicenseExpired,
    OfflineActivationReported,
)
from shared.rules.checks import findings_of, first_broken
from shared.rules.policy import Policy, delay_after

ATTEMPTS = uuid5(NAMESPACE_URL, "urn:perennial:activation-attempts")


def expiry_due(device: Device, at: datetime, policy: Policy) -> list[DeviceEvent]:
    """Return the expiry if it is due at `at` and not recorded yet: once, dated by the true end (R-40, R-43)."""
    current, reserve = device.license, device.reserve
    if device.device_id is None or current is None or current.expired or at < current.over_at:
        return []
    # a running attempt is not started twice
    successor = None if reserve is None or reserve.status == "activating" else reserve
    return [
        LicenseExpired(
            device_id=device.device_id,
            code_ref=current.code_ref,
            ended_at=current.over_at,
            generation=current.generation,
            request_id=uuid5(ATTEMPTS, f"{device.device_id}/expiry/{current.generation}"),
            reserve_ref=None if successor is None else successor.code_ref,
            cause="blocked" if current.over_at < current.ends_at else "term_over",
            **installed(device),
            **renewal_choices(successor),
            **trials_before(device, None if successor is None else successor.code_ref),
            **_answer_by(successor, at, policy),
        )
    ]


def report_expiry(device: Device, command: ReportExpiry, policy: Policy) -> list[DeviceEvent]:
    """Return the expiry if the claim is correct by server time, else the reason why it is not (R-33, R-34)."""
    current, case = device.license, Case(device=device, asked=command)
    if current is None or current.expired:
        return []
    if (broken := first_broken(CLAIM_EXPIRY, case)) is None:
        return expiry_due(device, command.at, policy)
    return [
        ActivationRefused(
            device_id=command.device_id,
            reason=broken.reason,
            trigger="automatic",
            request_id=command.request_id,
            code_ref=None if device.reserve is None else device.reserve.code_ref,
            available_at=broken.passes_at,
            findings=findings_of(CLAIM_EXPIRY, case),
        )
    ]


def activate_now(device: Device, command: Activate, policy: Policy) -> list[DeviceEvent]:
    """Return the user's attempt, or why there is none. While an attempt runs, nothing is added (R-55, R-60, R-64)."""
    reserve, case = device.reserve, Case(device=device, asked=Click(at=command.at, code_ref=command.code_ref))
    broken = first_broken(ACTIVATE_NOW, case)
    if broken is not None and broken.reason == "activation_running":
        return []
    if broken is None and reserve is not None:
        again_at = command.at + delay_after(reserve.manual_attempts + 1, policy.manual_delays)
        return [ActivateNow(**_asked(device, reserve, command.request_id, command.at, policy), again_at=again_at)]
    return [
        ActivationRefused(
            device_id=command.device_id,
            reason="no_reserve" if broken is None else broken.reason,
            trigger="manual",
            request_id=command.request_id,
            code_ref=command.code_ref if reserve is None else reserve.code_ref,
            available_at=None if broken is None else broken.passes_at,
            findings=findings_of(ACTIVATE_NOW, case),
        )
    ]


def retry(device: Device, timer: RetryActivation, policy: Policy) -> list[DeviceEvent]:
    """Return the delay of an unanswered attempt, or the next attempt of a delayed activation, if due (R-49)."""
    reserve = device.reserve
    if reserve is None:
        return []
    if reserve.status == "activating":
        return _unanswered(timer.device_id, reserve, timer.at, policy)
    if reserve.retry_at is None or timer.at < reserve.retry_at:
        return []
    return [next_attempt(device, reserve, timer.at, policy)]


def next_attempt(
    device: Device, reserve: Reserve, at: datetime, policy: Policy
) -> ActivationRetried | OfflineActivationReported:
    """Return the next automatic attempt of the reserve. Its id is derived from the last one's."""
    last = reserve.attempt_request_id or reserve.added_request_id
    asked = _asked(device, reserve, uuid5(ATTEMPTS, f"{device.device_id}/retry/{last}"), at, policy)
    if reserve.activated_at is not None:
        # an offline activation keeps its date
        return OfflineActivationReported(**asked, last_group=reserve.last_group, activated_at=reserve.activated_at)
    return ActivationRetried(**asked, ends_trial=reserve.ends_trial)


def _unanswered(device_id: DeviceId, reserve: Reserve, at: datetime, policy: Policy) -> list[DeviceEvent]:
    if reserve.answer_by is None or reserve.attempt_request_id is None or at < reserve.answer_by:
        return []
    return [
        ActivationDelayed(
            device_id=device_id,
            code_ref=reserve.code_ref,
            request_id=reserve.attempt_request_id,
            trigger=reserve.attempt_trigger or "retry",
            retry_at=at + delay_after(reserve.unanswered + 1, policy.retry_delays),
            cause="no_answer",
        )
    ]


def installed(device: Device) -> dict[str, Any]:
    """Return what every check of a code needs to know about the device (R-45)."""
    return {
        "product": device.product,
        "product_version": device.product_version,
        "region": device.region,
        "vendor": device.vendor,
    }


def trials_before(device: Device, code_ref: CodeRef | None) -> dict[str, Any]:
    """Return how many trials of its product the device has had, other than with this code (R-136)."""
    others = [trial for trial in device.trials if trial.product == device.product and trial.code_ref != code_ref]
    return {"trials_before": len(others)}


def current_license(device: Device) -> dict[str, Any]:
    """Return the license that a code would follow, as the device knows it."""
    current = device.license
    if current is None:
        return {}
    return {"current_ref": current.code_ref, "current_ends_at": current.over_at}


def renewal_choices(reserve: Reserve | None) -> dict[str, Any]:
    """Return the user's choices about a discounted renewal code (R-30)."""
    if reserve is None:
        return {}
    return {"prior_ref": reserve.prior_ref, "accepts_short_term": reserve.accepts_short_term}


def _answer_by(reserve: Reserve | None, at: datetime, policy: Policy) -> dict[str, Any]:
    return {} if reserve is None else {"answer_by": at + policy.answer_patience}


def _asked(device: Device, reserve: Reserve, request_id: UUID, at: datetime, policy: Policy) -> dict[str, Any]:
    """Return the request for an attempt of the reserve, with everything that the recheck needs."""
    return {
        "device_id": device.device_id,
        "code_ref": reserve.code_ref,
        "request_id": request_id,
        "answer_by": at + policy.answer_patience,
        **installed(device),
        **current_license(device),
        **renewal_choices(reserve),
        **trials_before(device, reserve.code_ref),
    }
