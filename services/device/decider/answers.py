"""What can be read off a device at a given time. Pages, timers and decisions ask the same functions.

Validity is always `now < ends_at`: a late timer is a late notice, never a wrong answer (R-40, R-62).
"""

from datetime import datetime, timedelta
from typing import Literal, NamedTuple

from services.device.decider.state import Device, License, Reserve
from shared.messages import CodeRef, Reason

LicenseStatus = Literal["unlicensed", "active", "expired"]


class ActivateNowAnswer(NamedTuple):
    """Whether Activate now is available; if not, why, and from when on it will be."""

    allowed: bool
    reason: Reason | None = None
    available_at: datetime | None = None


def in_force(device: Device, now: datetime) -> bool:
    """Return whether the device has a license at `now` (R-40)."""
    return device.license is not None and not device.license.expired and now < device.license.ends_at


def status(device: Device, now: datetime) -> LicenseStatus:
    """Return the state of the device's license at `now`."""
    if device.license is None:
        return "unlicensed"
    return "active" if in_force(device, now) else "expired"


def days_remaining(license: License, now: datetime) -> int:  # noqa: A002 - the house's one word for it
    """Return the whole 24-hour periods left at `now`; 0 is "less than 1 day", also when it is over (R-12)."""
    return max((license.ends_at - now) // timedelta(days=1), 0)


def may_activate_now(device: Device, now: datetime, shown: CodeRef | None = None) -> ActivateNowAnswer:
    """Return whether Activate now is available at `now` to a page that showed the code `shown` (R-55)."""
    if device.license is not None and in_force(device, now):
        return _before_expiry(device.license, device.reserve, shown)
    if device.reserve is None:
        return ActivateNowAnswer(allowed=False, reason="no_reserve")
    if shown not in (None, device.reserve.code_ref):
        # the page is older than the slot: never spend a code that the user did not see
        return ActivateNowAnswer(allowed=False, reason="stale")
    if device.reserve.status == "activating":
        return ActivateNowAnswer(allowed=False, reason="activation_running")
    return ActivateNowAnswer(allowed=True)


def _before_expiry(current: License, reserve: Reserve | None, shown: CodeRef | None) -> ActivateNowAnswer:
    switched = reserve is None and current.trigger != "immediate"
    if shown == current.code_ref or switched:
        return ActivateNowAnswer(allowed=False, reason="already_activated")
    if reserve is None:
        return ActivateNowAnswer(allowed=False, reason="no_reserve")
    return ActivateNowAnswer(allowed=False, reason="not_expired", available_at=current.ends_at)


def expires_at(device: Device) -> datetime | None:
    """Return when the expiry timer has to look at the device."""
    if device.license is None or device.license.expired:
        return None
    return device.license.ends_at


def retry_at(device: Device) -> datetime | None:
    """Return when the retry timer has to look at the device."""
    return device.reserve.retry_at if device.reserve is not None else None
