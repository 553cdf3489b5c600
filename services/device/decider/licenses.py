"""How events change the license on a device: activated, renewed, shortened, blocked, expired, removed.

Whenever its end changes, so do the predicted ends of the codes that wait for it (R-93).
"""

from services.device.decider.predictions import predicted
from services.device.decider.slots import attempted, resting, without
from services.device.decider.state import AnnouncedPurchase, Device, License, Reserve, Trial
from shared.messages import (
    AutoRenewalChanged,
    CodeBlocked,
    CodeUnblocked,
    LicenseActivated,
    LicenseExpired,
    LicenseRemoved,
    LicenseRenewed,
    LicenseShortened,
    PurchaseAnnounced,
    PurchaseCancelled,
    SeatReleased,
)


def activated(device: Device, event: LicenseActivated) -> Device:
    """Return the device with the license. Waiting codes now wait for its end (R-38)."""
    before = device.license
    same = before is not None and before.code_ref == event.code_ref
    license_ = License(
        code_ref=event.code_ref,
        last_group=event.last_group,
        activated_at=event.activated_at,
        started_at=event.started_at,
        ends_at=event.ends_at,
        trigger=event.trigger,
        generation=device.generation + 1,
        kind=event.kind,
        edition=event.edition,
        features=event.features,
        grace_days=event.grace_days,
        auto_renews=event.auto_renews,
        announced=before.announced if before is not None and same else (),
    )
    others = without(device, event.code_ref)
    return predicted(
        others.but(
            license=license_,
            generation=license_.generation,
            reserve=_waiting(others.reserve),
            trials=_trials(device, event),
        )
    )


def _trials(device: Device, event: LicenseActivated) -> tuple[Trial, ...]:
    if event.kind != "trial" or any(trial.code_ref == event.code_ref for trial in device.trials):
        return device.trials
    return (*device.trials, Trial(product=device.product, code_ref=event.code_ref))


def end_changed(device: Device, event: LicenseRenewed | LicenseShortened | CodeBlocked | CodeUnblocked) -> Device:
    """Return the device with the new end of its license. An expired license may run again (R-90, R-106)."""
    before = device.license
    if before is None:
        return device
    match event:
        case LicenseRenewed():
            announced = tuple(purchase for purchase in before.announced if purchase.order_id != event.order_id)
            after = before.but(ends_at=event.ends_at, announced=announced)
        case LicenseShortened():
            after = before.but(ends_at=event.ends_at)
        case CodeBlocked():
            after = before.but(stops_at=event.stops_at)
        case CodeUnblocked():
            after = before.but(stops_at=None)
    generation = device.generation + 1
    runs_again = before.expired and after.over_at > before.over_at
    license_ = after.but(generation=generation, expired=before.expired and not runs_again)
    changed = device.but(license=license_, generation=generation)
    return predicted(changed.but(reserve=_after(changed, license_) if runs_again else device.reserve))


def expired(device: Device, event: LicenseExpired) -> Device:
    """Return the device with its license expired and its reserve being tried (R-31)."""
    license_ = None if device.license is None else device.license.but(expired=True)
    return attempted(device.but(license=license_), event, event.reserve_ref, "automatic")


def removed(device: Device, event: LicenseRemoved) -> Device:
    """Return the device without its license and with its reserve being tried (R-25)."""
    return attempted(_unlicensed(device), event, event.reserve_ref, "removal")


def released(device: Device, event: SeatReleased) -> Device:
    """Return the device without its license; with `keeps_reserve`, nothing is tried automatically (R-25, R-84)."""
    unlicensed = _unlicensed(device)
    if not event.keeps_reserve:
        return unlicensed
    reserve, incoming = (slot and slot.but(held=True) for slot in (unlicensed.reserve, unlicensed.incoming))
    return unlicensed.but(reserve=_waiting(reserve), incoming=incoming)


def purchase_changed(device: Device, event: PurchaseAnnounced | PurchaseCancelled) -> Device:
    """Return the device with an announced purchase added or removed (R-98, R-103)."""
    if device.license is None:
        return device
    announced = tuple(purchase for purchase in device.license.announced if purchase.order_id != event.order_id)
    if isinstance(event, PurchaseAnnounced):
        announced = (*announced, AnnouncedPurchase(order_id=event.order_id, hold_until=event.hold_until))
    return device.but(license=device.license.but(announced=announced))


def auto_renewal_changed(device: Device, event: AutoRenewalChanged) -> Device:
    """Return the device with the new setting of its subscription (R-27)."""
    return device if device.license is None else device.but(license=device.license.but(auto_renews=event.auto_renews))


def _after(device: Device, current: License) -> Reserve | None:
    """Return the reserve, waiting again. An attempt with the license's own code, or one that ends a trial, goes on."""
    reserve = device.reserve
    goes_on = reserve is not None and (reserve.code_ref == current.code_ref or reserve.ends_trial)
    return reserve if goes_on else _waiting(reserve)


def _waiting(reserve: Reserve | None) -> Reserve | None:
    """Return the reserve without its attempt, because a license is in force. An outstanding answer may change that."""
    if reserve is None or reserve.status not in ("activating", "retrying"):
        return reserve
    return resting(reserve)


def _unlicensed(device: Device) -> Device:
    """Return the device without its license, which remains the prior license of a waiting renewal code (R-30)."""
    before = device.license
    if before is None:
        return device
    reserve, incoming = (
        slot and slot.but(prior_ref=slot.prior_ref or before.code_ref) for slot in (device.reserve, device.incoming)
    )
    return device.but(license=None, reserve=reserve, incoming=incoming)
