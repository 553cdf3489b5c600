"""How a device's facts become its state. Nothing is refused here: every fact has already happened."""

from typing import assert_never

from services.device.decider.state import Device, License, Reserve, ReserveStatus
from shared.messages import (
    ActivateNow,
    ActivationDelayed,
    ActivationRefused,
    ActivationRetried,
    CodeAdded,
    CodeRef,
    CodeRejected,
    CodeRemoved,
    CodeVerified,
    DeviceEnrolled,
    DeviceEvent,
    LicenseActivated,
    LicenseExpired,
    LicenseRenewed,
    RemovalRefused,
    SeatReleased,
)

LICENSE_WAS_RENEWED = ("stale", "not_expired")
"""Reasons that say nothing against the code: the license it should replace runs longer than the device knew."""


def evolve(device: Device, event: DeviceEvent) -> Device:  # noqa: PLR0911, PLR0912 - one line per event of the log
    """Return the device after `event`."""
    match event:
        case DeviceEnrolled():
            return Device(device_id=event.device_id, product=event.product, region=event.region)
        case CodeAdded():
            return _added(device, event)
        case CodeRemoved():
            return without(device, event.code_ref)
        case LicenseExpired():
            return _expired(device, event)
        case ActivateNow() | ActivationRetried():
            return _attempted(device, event)
        case CodeVerified():
            return _verified(device, event)
        case CodeRejected():
            slot = slot_of(device, event)
            return device if slot is None else without(device, slot.code_ref)
        case LicenseActivated():
            return _activated(device, event)
        case ActivationRefused():
            return _refused(device, event)
        case ActivationDelayed():
            return _delayed(device, event)
        case LicenseRenewed():
            return _renewed(device, event)
        case SeatReleased():
            return device.but(license=None)
        case RemovalRefused():
            return device
        case _:
            assert_never(event)


def slot_of(device: Device, verdict: CodeVerified | CodeRejected) -> Reserve | None:
    """Return the slot whose Add the verdict answers, if it is still there (R-17)."""
    for slot in (device.reserve, device.incoming):
        if slot is not None and (slot.code_ref, slot.added_request_id) == (verdict.code_ref, verdict.request_id):
            return slot
    return None


def attempt_of(device: Device, verdict: ActivationRefused | ActivationDelayed) -> Reserve | None:
    """Return the reserve whose running attempt the verdict answers, if there is one (R-54b)."""
    reserve = device.reserve
    if reserve is None or reserve.status != "activating":
        return None
    matches = (reserve.code_ref, reserve.attempt_request_id) == (verdict.code_ref, verdict.request_id)
    return reserve if matches else None


def without(device: Device, code_ref: CodeRef) -> Device:
    """Return the device without the code in its slots; an incoming code takes an empty slot."""
    left = [slot for slot in (device.reserve, device.incoming) if slot is not None and slot.code_ref != code_ref]
    reserve, incoming, *_ = [*left, None, None]
    return device.but(reserve=reserve, incoming=incoming)


def _added(device: Device, event: CodeAdded) -> Device:
    immediate = event.purpose == "immediate"
    slot = Reserve(
        code_ref=event.code_ref,
        last_group=event.last_group,
        purpose=event.purpose,
        status="activating" if immediate else "verifying",
        added_request_id=event.request_id,
        attempt_request_id=event.request_id if immediate else None,
    )
    # the old reserve stays until the new code is known to be good
    return device.but(reserve=slot) if device.reserve is None else device.but(incoming=slot)


def _expired(device: Device, event: LicenseExpired) -> Device:
    license_ = None if device.license is None else device.license.but(expired=True)
    reserve = device.reserve
    if reserve is not None and reserve.code_ref == event.reserve_ref:
        reserve = _with_status(reserve, "activating", attempt_request_id=event.request_id)
    return device.but(license=license_, reserve=reserve)


def _attempted(device: Device, event: ActivateNow | ActivationRetried) -> Device:
    if device.reserve is None:
        return device
    reserve = _with_status(device.reserve, "activating", attempt_request_id=event.request_id)
    return device.but(reserve=reserve)


def _verified(device: Device, event: CodeVerified) -> Device:
    slot = slot_of(device, event)
    if slot is None:
        return device
    known = slot.but(
        status="ready" if slot.status == "verifying" else slot.status,
        predicted_ends_at=event.predicted_ends_at,
        started_at=event.started_at,
        term=event.term,
        notices=event.notices,
    )
    return device.but(reserve=known) if slot is device.reserve else device.but(incoming=known)


def _activated(device: Device, event: LicenseActivated) -> Device:
    license_ = License(
        code_ref=event.code_ref,
        last_group=event.last_group,
        started_at=event.started_at,
        ends_at=event.ends_at,
        trigger=event.trigger,
        generation=device.generation + 1,
    )
    return without(device, event.code_ref).but(license=license_, generation=license_.generation)


def _refused(device: Device, event: ActivationRefused) -> Device:
    reserve = attempt_of(device, event)
    if reserve is None:
        return device
    if event.reason in LICENSE_WAS_RENEWED:
        return device.but(reserve=_resting(reserve))
    return device.but(reserve=_with_status(reserve, "refused", reason=event.reason))


def _delayed(device: Device, event: ActivationDelayed) -> Device:
    reserve = attempt_of(device, event)
    if reserve is None:
        return device
    return device.but(reserve=_with_status(reserve, "retrying", retry_at=event.retry_at))


def _renewed(device: Device, event: LicenseRenewed) -> Device:
    if device.license is None:
        return device
    generation = device.generation + 1
    license_ = device.license.but(ends_at=event.ends_at, generation=generation, expired=False)
    reserve = device.reserve
    # an attempt on the renewed code itself goes on: its answer is still to come and ends it
    if reserve is not None and reserve.code_ref != event.code_ref and reserve.status in ("activating", "retrying"):
        reserve = _resting(reserve)
    return device.but(license=license_, reserve=reserve, generation=generation)


def _resting(reserve: Reserve) -> Reserve:
    """Return the reserve as it waits for the next expiry; an unanswered Add is not shown as verified (R-16)."""
    unanswered = reserve.purpose == "reserve" and reserve.term is None
    return _with_status(reserve, "verifying" if unanswered else "ready")


def _with_status(reserve: Reserve, status: ReserveStatus, **changes: object) -> Reserve:
    """Return the reserve in another status, without what belonged to the last one."""
    return reserve.but(**{"status": status, "reason": None, "retry_at": None, **changes})
