"""Decides which of the activation service's verdicts concern a device: answers to it, and changes to its license.

A verdict that answers no open request no longer concerns the device and is not recorded (R-36).
"""

from typing import assert_never

from services.device.decider.slots import attempt_of, is_asked_again, slot_of
from services.device.decider.state import Device, License
from shared.messages import (
    ActivationDelayed,
    ActivationRefused,
    AutoRenewalChanged,
    CodeBlocked,
    CodeEvent,
    CodeIssued,
    CodeRejected,
    CodeUnblocked,
    CodeVerified,
    CustomerErased,
    DeviceEvent,
    DeviceId,
    EarlierActivationReported,
    HoldersEvent,
    LicenseActivated,
    LicenseRenewed,
    LicenseShortened,
    PriorLicenseUsed,
    PurchaseAnnounced,
    PurchaseCancelled,
    PurchaseRefused,
    SeatReleased,
)


def fact_of(  # noqa: PLR0911 - one answer per verdict
    device_id: DeviceId, device: Device, verdict: CodeEvent
) -> DeviceEvent | None:
    """Return the verdict as an event of the device, or None if it does not concern it."""
    match verdict:
        case CodeVerified():
            slot = slot_of(device, verdict)
            return verdict if slot is not None and (slot.term is None or is_asked_again(slot)) else None
        case CodeRejected():
            slot = slot_of(device, verdict)
            return verdict if slot is not None and slot.rejected is None else None
        case LicenseActivated():
            return None if verdict.device_id != device_id or _is_there(device, verdict) else verdict
        case ActivationRefused() | ActivationDelayed():
            return verdict if attempt_of(device, verdict) is not None else None
        case SeatReleased():
            return verdict if verdict.cause == "operator" and _license_of(device, verdict) is not None else None
        case (
            LicenseRenewed()
            | LicenseShortened()
            | CodeBlocked()
            | CodeUnblocked()
            | PurchaseAnnounced()
            | PurchaseCancelled()
            | AutoRenewalChanged()
        ):
            named = verdict.but(device_id=device_id)
            current = _license_of(device, verdict)
            return named if current is not None and _is_news(current, verdict) else None
        case CodeIssued() | PurchaseRefused() | PriorLicenseUsed() | EarlierActivationReported() | CustomerErased():
            return None
        case _:
            assert_never(verdict)


def _license_of(device: Device, verdict: HoldersEvent | SeatReleased) -> License | None:
    """Return the license if it is the code's. Changes to a license that was replaced do not matter (R-94)."""
    current = device.license
    return current if current is not None and current.code_ref == verdict.code_ref else None


def _is_there(device: Device, verdict: LicenseActivated) -> bool:
    current = device.license
    if current is None or current.expired:
        return False
    if device.reserve is not None and device.reserve.code_ref == verdict.code_ref:
        return False  # the attempt in the slot has yet to end
    return (current.code_ref, current.started_at, current.ends_at) == (
        verdict.code_ref,
        verdict.started_at,
        verdict.ends_at,
    )


def _is_news(  # noqa: PLR0911 - one answer per verdict
    current: License, verdict: HoldersEvent
) -> bool:
    """Tell whether the verdict changes anything: the same one twice counts once (R-95, R-116)."""
    match verdict:
        case LicenseRenewed():
            return current.ends_at < verdict.ends_at
        case LicenseShortened():
            return verdict.ends_at < current.ends_at
        case CodeBlocked():
            return current.stops_at is None and verdict.stops_at is not None
        case CodeUnblocked():
            return current.stops_at is not None
        case PurchaseAnnounced():
            known = {(purchase.order_id, purchase.hold_until) for purchase in current.announced}
            return (verdict.order_id, verdict.hold_until) not in known
        case PurchaseCancelled():
            return any(purchase.order_id == verdict.order_id for purchase in current.announced)
        case AutoRenewalChanged():
            return current.auto_renews != verdict.auto_renews
        case _:
            assert_never(verdict)
