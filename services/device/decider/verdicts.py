"""Which of the activation service's verdicts belong to the device, and what follows from them.

A verdict that answers no open request is not the device's any more and leaves no fact (R-36).
"""

from typing import assert_never

from services.device.decider.activating import retried
from services.device.decider.adding import removed
from services.device.decider.evolve import LICENSE_WAS_RENEWED, attempt_of, evolve, slot_of
from services.device.decider.state import Device
from shared.messages import (
    ActivationDelayed,
    ActivationRefused,
    CodeBlocked,
    CodeEvent,
    CodeIssued,
    CodeRejected,
    CodeUnblocked,
    CodeVerified,
    DeviceEvent,
    DeviceId,
    LicenseActivated,
    LicenseRenewed,
    PurchaseAnnounced,
    PurchaseRefused,
    SeatReleased,
)


def record(device: Device, verdict: CodeEvent) -> list[DeviceEvent]:
    """Return the verdict if it concerns the device, then what it sets going."""
    if device.device_id is None:
        return []
    fact = _fact(device.device_id, device, verdict)
    if fact is None:
        return []
    after = evolve(device, fact)
    replaced = _replaced(device.device_id, after)
    for event in replaced:
        after = evolve(after, event)
    return [fact, *replaced, *_tried(device.device_id, after, fact)]


def _fact(  # noqa: PLR0911 - one answer per verdict
    device_id: DeviceId, device: Device, verdict: CodeEvent
) -> DeviceEvent | None:
    match verdict:
        case CodeVerified():
            slot = slot_of(device, verdict)
            return verdict if slot is not None and slot.term is None else None
        case CodeRejected():
            return verdict if slot_of(device, verdict) is not None else None
        case LicenseActivated():
            return None if _is_there(device, verdict) else verdict
        case ActivationRefused() | ActivationDelayed():
            return verdict if attempt_of(device, verdict) is not None else None
        case LicenseRenewed():
            named = verdict.model_copy(update={"device_id": device_id})
            return named if _prolongs(device, verdict) else None
        case SeatReleased():
            return verdict if _takes_license(device, verdict) else None
        case CodeIssued() | CodeBlocked() | CodeUnblocked() | PurchaseAnnounced() | PurchaseRefused():
            return None
        case _:
            assert_never(verdict)


def _is_there(device: Device, verdict: LicenseActivated) -> bool:
    current = device.license
    if current is None or current.expired:
        return False
    if device.reserve is not None and device.reserve.code_ref == verdict.code_ref:
        return False  # the attempt in the slot is still to be ended
    return (current.code_ref, current.started_at, current.ends_at) == (
        verdict.code_ref,
        verdict.started_at,
        verdict.ends_at,
    )


def _prolongs(device: Device, verdict: LicenseRenewed) -> bool:
    """A purchase for another code changes nothing here (R-94)."""
    current = device.license
    return current is not None and current.code_ref == verdict.code_ref and current.ends_at < verdict.ends_at


def _takes_license(device: Device, verdict: SeatReleased) -> bool:
    """A seat that a switch left behind is not the license any more (R-87)."""
    current = device.license
    return verdict.cause == "operator" and current is not None and current.code_ref == verdict.code_ref


def _replaced(device_id: DeviceId, device: Device) -> list[DeviceEvent]:
    """Return the old reserve given back, once the code that replaces it is good and no attempt runs (R-15, R-20)."""
    reserve, incoming = device.reserve, device.incoming
    if reserve is None or incoming is None or reserve.status == "activating" or incoming.status != "ready":
        return []
    return [removed(device_id, reserve, "replaced")]


def _tried(device_id: DeviceId, device: Device, fact: DeviceEvent) -> list[DeviceEvent]:
    """Return the attempt of a ready reserve on a device whose license is over: it waits for nothing (R-25, R-31).

    Only a license that was renewed meanwhile is waited for: its `LicenseRenewed` is on the way.
    """
    if device.reserve is None or device.reserve.status != "ready" or _has_license_ahead(device, fact):
        return []
    return [retried(device_id, device, device.reserve)]


def _has_license_ahead(device: Device, fact: DeviceEvent) -> bool:
    if device.license is None:
        return False  # also when another's renewal was the reason: it is not this device's any more
    was_renewed = isinstance(fact, ActivationRefused) and fact.reason in LICENSE_WAS_RENEWED
    return was_renewed or not device.license.expired
