"""How events change the waiting codes of a device: added, verified, tried, answered, removed."""

from uuid import UUID

from services.device.decider.predictions import follows
from services.device.decider.state import Device, Reserve, ReserveStatus
from shared.messages import (
    ActivateNow,
    ActivationDelayed,
    ActivationRefused,
    ActivationRetried,
    CodeAdded,
    CodeRef,
    CodeRejected,
    CodeVerified,
    LicenseExpired,
    LicenseRemoved,
    OfflineActivationReported,
    PredictionChanged,
    Trigger,
    VerificationRepeated,
)

LICENSE_RUNS_ON = ("stale", "not_expired")
"""Reasons that do not speak against the code: the license that it should replace runs longer than the device knew."""

type Requesting = (
    CodeAdded | LicenseExpired | LicenseRemoved | ActivateNow | ActivationRetried | OfflineActivationReported
)


def slot_of(device: Device, verdict: CodeVerified | CodeRejected) -> Reserve | None:
    """Return the slot whose Add the verdict answers, if it still exists (R-17)."""
    for slot in device.slots:
        if (slot.code_ref, slot.added_request_id) == (verdict.code_ref, verdict.request_id):
            return slot
    return None


def attempt_of(device: Device, verdict: ActivationRefused | ActivationDelayed | CodeRejected) -> Reserve | None:
    """Return the reserve whose last attempt the verdict answers, if it awaits an answer (R-49, R-54b)."""
    reserve = device.reserve
    if reserve is None or not reserve.awaits:
        return None
    matches = (reserve.code_ref, reserve.attempt_request_id) == (verdict.code_ref, verdict.request_id)
    return reserve if matches else None


def without(device: Device, code_ref: CodeRef) -> Device:
    """Return the device without this code in its slots. An incoming code moves up into the reserve slot."""
    others = [slot for slot in device.slots if slot.code_ref != code_ref]
    reserve, incoming, *_ = [*others, None, None]
    return device.but(reserve=reserve, incoming=incoming)


def with_slot(device: Device, slot: Reserve) -> Device:
    """Return the device with the slot of this code replaced."""
    is_reserve = device.reserve is not None and device.reserve.code_ref == slot.code_ref
    return device.but(reserve=slot) if is_reserve else device.but(incoming=slot)


def added(device: Device, event: CodeAdded) -> Device:
    """Return the device with one more code."""
    slot = Reserve(
        code_ref=event.code_ref,
        last_group=event.last_group,
        purpose=event.purpose,
        status="verifying",
        added_request_id=event.request_id,
        ends_trial=event.ends_trial,
        prior_ref=event.prior_ref,
        accepts_short_term=event.accepts_short_term,
    )
    if event.purpose == "immediate":
        slot = _attempting(slot, event, "immediate")
    # the old reserve stays until the new code is verified
    return device.but(reserve=slot) if device.reserve is None else device.but(incoming=slot)


def reported(device: Device, event: OfflineActivationReported) -> Device:
    """Return the device with its offline activation being judged, before the reserve gets its turn (R-77)."""
    reserve = device.reserve
    if reserve is not None and reserve.code_ref == event.code_ref:
        return device.but(reserve=_attempting(reserve, event, "offline", activated_at=event.activated_at))
    slot = Reserve(
        code_ref=event.code_ref,
        last_group=event.last_group,
        purpose="offline",
        status="verifying",
        added_request_id=event.request_id,
    )
    attempting = _attempting(slot, event, "offline", activated_at=event.activated_at)
    return device.but(reserve=attempting, incoming=reserve or device.incoming)


def attempted(device: Device, event: Requesting, code_ref: CodeRef | None, trigger: Trigger) -> Device:
    """Return the device with its reserve being tried, if it is the reserve of this code."""
    reserve = device.reserve
    if reserve is None or reserve.code_ref != code_ref:
        return device
    attempting = _attempting(reserve, event, trigger)
    if isinstance(event, ActivateNow):
        attempting = attempting.but(manual_attempts=reserve.manual_attempts + 1, again_at=event.again_at)
    return device.but(reserve=attempting)


def verified(device: Device, event: CodeVerified) -> Device:
    """Return the device with the code verified. Its end is predicted again: the current license's may have changed."""
    slot = slot_of(device, event)
    if slot is None:
        return device
    known = slot.but(
        status="ready" if slot.status == "verifying" else slot.status,
        predicted_ends_at=event.predicted_ends_at,
        started_at=event.started_at,
        term=event.term,
        notices=event.notices,
        devices_left_out=event.devices_left_out,
        kind=event.kind,
        edition=event.edition,
        features=event.features,
    )
    current = device.license
    runs = current is not None and not current.expired
    return with_slot(device, follows(known, current) if current is not None and runs else known)


def asked_again(device: Device, event: VerificationRepeated) -> Device:
    """Return the device with the code to be verified again: what answers the question before no longer counts."""
    slot = next((slot for slot in device.slots if slot.code_ref == event.code_ref), None)
    if slot is None:
        return device
    return with_slot(device, with_status(slot, "verifying", added_request_id=event.request_id, rejected=None))


def is_asked_again(slot: Reserve) -> bool:
    """Tell whether the code, which was good once, is being verified again (R-137)."""
    return slot.term is not None and slot.status == "verifying"


def rejected(device: Device, event: CodeRejected) -> Device:
    """Return the device without the code, unless it was good or an attempt may make it the license (R-18, R-46)."""
    slot = slot_of(device, event)
    if slot is None:
        return device
    if is_asked_again(slot):
        return with_slot(device, with_status(slot, "refused", reason=event.reason))
    if slot.awaits and slot.attempt_request_id != event.request_id:
        return with_slot(device, slot.but(rejected=event.reason))
    return without(device, slot.code_ref)


def prediction_changed(device: Device, event: PredictionChanged) -> Device:
    """Return the device with the new predicted end of the code."""
    changes = {"started_at": event.started_at, "predicted_ends_at": event.predicted_ends_at, "notices": event.notices}
    slots = [slot.but(**changes) if slot.code_ref == event.code_ref else slot for slot in device.slots]
    reserve, incoming, *_ = [*slots, None, None]
    return device.but(reserve=reserve, incoming=incoming)


def refused(device: Device, event: ActivationRefused) -> Device:
    """Return the device with its attempt refused. The reserve is kept and marked if it was ever good (R-46)."""
    reserve = attempt_of(device, event)
    if reserve is None:
        return device
    if reserve.rejected is not None or reserve.purpose == "offline":
        return without(device, reserve.code_ref)
    answered = reserve.but(awaits=False, unanswered=0)
    if event.reason in LICENSE_RUNS_ON:
        return device.but(reserve=resting(answered))
    return device.but(reserve=with_status(answered, "refused", reason=event.reason))


def delayed(device: Device, event: ActivationDelayed) -> Device:
    """Return the device with its attempt put off until later (R-49, R-70)."""
    reserve = attempt_of(device, event)
    if reserve is None:
        return device
    if event.cause == "no_answer":
        waits = with_status(reserve, "retrying", retry_at=event.retry_at, delay=event.cause)
        return device.but(reserve=waits.but(unanswered=reserve.unanswered + 1))
    if reserve.rejected is not None:
        return without(device, reserve.code_ref)
    answered = reserve.but(awaits=False, unanswered=0)
    if device.license is not None and not device.license.expired and not reserve.ends_trial:
        return device.but(reserve=resting(answered))  # the license was renewed in the meantime
    return device.but(reserve=with_status(answered, "retrying", retry_at=event.retry_at, delay=event.cause))


def resting(reserve: Reserve) -> Reserve:
    """Return the reserve, waiting for the next expiry. If its Add is unanswered, it is not shown as verified (R-16)."""
    unanswered = reserve.purpose == "reserve" and reserve.term is None and reserve.rejected is None
    return with_status(reserve, "verifying" if unanswered else "ready")


def with_status(reserve: Reserve, status: ReserveStatus, **changes: object) -> Reserve:
    """Return the reserve in another status, without the fields of the previous one."""
    cleared = {"reason": None, "retry_at": None, "delay": None, "answer_by": None}
    return reserve.but(**{"status": status, **cleared, **changes})


def _attempting(slot: Reserve, event: Requesting, trigger: Trigger, **more: object) -> Reserve:
    request_id: UUID = event.request_id
    return with_status(
        slot,
        "activating",
        **{
            "attempt_request_id": request_id,
            "attempt_trigger": trigger,
            "awaits": True,
            "answer_by": event.answer_by,
            "held": False,
            "activated_at": None,
            **more,
        },
    )
