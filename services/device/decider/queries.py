"""What can be read off a device at a given time. Pages, timers and decisions ask the same functions.

Validity is always `now < over_at`: a late timer is a late notice, never a wrong answer (R-40, R-62).
"""

from datetime import datetime, timedelta
from typing import Literal

from services.device.decider.state import Device, License

LicenseStatus = Literal["unlicensed", "active", "grace", "expired", "blocked"]


def in_force(device: Device, now: datetime) -> bool:
    """Return whether the device has a license at `now` (R-40)."""
    return device.license is not None and not device.license.expired and now < device.license.over_at


def status(device: Device, now: datetime) -> LicenseStatus:
    """Return the state of the device's license at `now`. In grace the product goes on, though the license is over."""
    current, until = device.license, works_until(device)
    if current is None or until is None:
        return "unlicensed"
    if in_force(device, now):
        return "active"
    if current.stops_at is not None and now >= current.stops_at:
        return "blocked"
    return "grace" if now < until else "expired"


def works_until(device: Device) -> datetime | None:
    """Return when the product stops working: grace and an announced purchase included, a block too (R-65, R-98, R-105).

    None without a license.
    """
    current = device.license
    if current is None:
        return None
    holds = [purchase.hold_until for purchase in current.announced]
    until = max(current.ends_at + timedelta(days=current.grace_days), *holds, current.ends_at)
    return until if current.stops_at is None else min(until, current.stops_at)


def renewal_announced(device: Device, now: datetime) -> datetime | None:
    """Return until when a renewal that is bought but not settled is waited for; None if there is none (R-103)."""
    announced = () if device.license is None else device.license.announced
    return max((purchase.hold_until for purchase in announced if now < purchase.hold_until), default=None)


def stops_at(device: Device) -> datetime | None:
    """Return when a block stops the license, or did; None if it is not blocked (R-105)."""
    return None if device.license is None else device.license.stops_at


def takes_over_at(device: Device) -> datetime | None:
    """Return when the reserve will be tried; None if nothing waits, or no license is there to wait for (R-10)."""
    if device.license is None or device.license.expired or device.reserve is None:
        return None
    return device.license.over_at


def days_remaining(license: License, now: datetime) -> int:  # noqa: A002 - the house's one word for it
    """Return the whole 24-hour periods left at `now`; 0 is "less than 1 day", also when it is over (R-12)."""
    return max((license.over_at - now) // timedelta(days=1), 0)


def expires_at(device: Device) -> datetime | None:
    """Return when the expiry timer has to look at the device."""
    if device.license is None or device.license.expired:
        return None
    return device.license.over_at


def retry_at(device: Device) -> datetime | None:
    """Return when the retry timer has to look: an answer is overdue, or a delayed attempt is due (R-49)."""
    if device.reserve is None:
        return None
    return device.reserve.answer_by if device.reserve.status == "activating" else device.reserve.retry_at
