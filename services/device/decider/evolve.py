"""How a device's events become its state. Nothing is refused here: every event has already happened."""

from typing import assert_never

from services.device.decider import licenses, slots
from services.device.decider.state import Device
from shared.messages import (
    ActivateNow,
    ActivationDelayed,
    ActivationRefused,
    ActivationRetried,
    AutoRenewalChanged,
    CloneSuspected,
    CloneSuspicionEnded,
    CodeAdded,
    CodeBlocked,
    CodeRejected,
    CodeRemoved,
    CodeUnblocked,
    CodeVerified,
    DeviceClockObserved,
    DeviceEnrolled,
    DeviceEvent,
    GuessesThrottled,
    InstallationChanged,
    LicenseActivated,
    LicenseExpired,
    LicenseRemoved,
    LicenseRenewed,
    LicenseShortened,
    OfflineActivationReported,
    PredictionChanged,
    PurchaseAnnounced,
    PurchaseCancelled,
    RegionCorrected,
    RemovalRefused,
    SeatReleased,
    VerificationRepeated,
)

GUESSES_KEPT = 120
"""More than the free guesses and the delays of any policy."""


def evolve(device: Device, event: DeviceEvent) -> Device:  # noqa: PLR0911, PLR0912 - one line per event of the log
    """Return the device after `event`."""
    # the cases are tried from the top for every event of a replay: frequent ones come first
    match event:
        case DeviceEnrolled():
            return _enrolled(event)
        case CodeAdded():
            return slots.added(device, event)
        case LicenseActivated():
            return licenses.activated(device, event)
        case LicenseExpired():
            return licenses.expired(device, event)
        case CodeVerified():
            return slots.verified(device, event)
        case ActivationRefused():
            return slots.refused(device, event)
        case LicenseRenewed() | LicenseShortened() | CodeBlocked() | CodeUnblocked():
            return licenses.end_changed(device, event)
        case InstallationChanged():
            return device.but(product=event.product, product_version=event.product_version)
        case RegionCorrected():
            return device.but(region=event.region)
        case VerificationRepeated():
            return slots.asked_again(device, event)
        case CodeRemoved():
            return slots.without(device, event.code_ref)
        case ActivateNow():
            return slots.attempted(device, event, event.code_ref, "manual")
        case ActivationRetried():
            return slots.attempted(device, event, event.code_ref, "retry")
        case OfflineActivationReported():
            return slots.reported(device, event)
        case CodeRejected():
            return _guessed(slots.rejected(device, event), event)
        case PredictionChanged():
            return slots.prediction_changed(device, event)
        case ActivationDelayed():
            return slots.delayed(device, event)
        case LicenseRemoved():
            return licenses.removed(device, event)
        case SeatReleased():
            return licenses.released(device, event)
        case PurchaseAnnounced() | PurchaseCancelled():
            return licenses.purchase_changed(device, event)
        case AutoRenewalChanged():
            return licenses.auto_renewal_changed(device, event)
        case GuessesThrottled():
            return device.but(throttled_until=event.until)
        case CloneSuspected():
            return device.but(clone_expected=event.expected)
        case CloneSuspicionEnded():
            return device.but(clone_expected=None)
        case DeviceClockObserved():
            return device.but(clock_deviates=event.deviates, clock_offset_seconds=event.offset_seconds)
        case RemovalRefused():
            return device
        case _:
            assert_never(event)


def _enrolled(event: DeviceEnrolled) -> Device:
    return Device(
        device_id=event.device_id,
        part_of=event.part_of,
        product=event.product,
        product_version=event.product_version,
        region=event.region,
        vendor=event.vendor,
    )


def _guessed(device: Device, event: CodeRejected) -> Device:
    if event.reason != "unknown_code" or event.asked_at is None:
        return device
    return device.but(guesses=(*device.guesses, event.asked_at)[-GUESSES_KEPT:])
