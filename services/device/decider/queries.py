"""Queries on a device's state at a given time. Pages, timers and decisions use the same functions.

A license is valid while `now < over_at`, so a late timer is a late notice, never a wrong answer (R-40, R-62).
"""

from datetime import datetime, timedelta
from typing import Literal

from services.device.decider.state import Device, License
from shared.rules.policy import POLICY, Policy

LicenseStatus = Literal["unlicensed", "active", "grace", "expired", "blocked"]


def in_force(device: Device, now: datetime) -> bool:
    """Tell whether the device has a license at `now` (R-40)."""
    return device.license is not None and not device.license.expired and now < device.license.over_at


def status(device: Device, now: datetime, policy: Policy = POLICY) -> LicenseStatus:
    """Return the status of the device's license at `now`. In grace, the product works although the license is over."""
    current, until = device.license, works_until(device, policy)
    if current is None or until is None:
        return "unlicensed"
    if in_force(device, now):
        return "active"
    if current.stops_at is not None and now >= current.stops_at:
        return "blocked"
    return "grace" if now < until else "expired"


def works_until(device: Device, policy: Policy = POLICY) -> datetime | None:
    """Return when the product stops working, considering grace, renewals that are awaited, and blocks.

    None without a license (R-65, R-98, R-105, R-135).
    """
    current = device.license
    if current is None:
        return None
    holds = [purchase.hold_until for purchase in current.announced]
    if _renews_itself(current):
        holds.append(current.ends_at + policy.auto_renewal_hold)
    until = max(current.ends_at + timedelta(days=current.grace_days), *holds, current.ends_at)
    return until if current.stops_at is None else min(until, current.stops_at)


def renewal_due(device: Device, now: datetime, policy: Policy = POLICY) -> datetime | None:
    """Return until when the renewal of a subscription that renews itself is awaited; None unless one is due (R-135)."""
    current = device.license
    if current is None or current.stops_at is not None or not _renews_itself(current):
        return None
    until = current.ends_at + policy.auto_renewal_hold
    return until if current.ends_at <= now < until else None


def _renews_itself(current: License) -> bool:
    return current.kind == "subscription" and current.auto_renews


def renewal_announced(device: Device, now: datetime) -> datetime | None:
    """Return until when an announced renewal may still be settled; None if there is none (R-103)."""
    announced = () if device.license is None else device.license.announced
    return max((purchase.hold_until for purchase in announced if now < purchase.hold_until), default=None)


def stops_at(device: Device) -> datetime | None:
    """Return when a block stops or stopped the license; None if it is not blocked (R-105)."""
    return None if device.license is None else device.license.stops_at


def takes_over_at(device: Device) -> datetime | None:
    """Return when the reserve will be tried; None without a reserve, or without a license to wait for (R-10)."""
    if device.license is None or device.license.expired or device.reserve is None:
        return None
    return device.license.over_at


def days_remaining(license: License, now: datetime) -> int:  # noqa: A002 - the one word for it in this project
    """Return the whole 24-hour periods left at `now`; 0 means less than a day, or that the license is over (R-12)."""
    return max((license.over_at - now) // timedelta(days=1), 0)


def expires_at(device: Device) -> datetime | None:
    """Return when the license's expiry is due; None if there is none or it is recorded."""
    if device.license is None or device.license.expired:
        return None
    return device.license.over_at


def retry_at(device: Device) -> datetime | None:
    """Return when the retry timer is due, for an overdue answer or a delayed attempt; None if nothing is (R-49)."""
    if device.reserve is None:
        return None
    return device.reserve.answer_by if device.reserve.status == "activating" else device.reserve.retry_at
