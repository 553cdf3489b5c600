"""Short forms of the commands from doors and timers to device `D`."""

from datetime import datetime, timedelta
from typing import Any

from services.device.decider import (
    Activate,
    AddCode,
    Expire,
    RecordContact,
    RecordNewToken,
    RecordVerdict,
    RemoveLicense,
    ReportInstallation,
    ReportOfflineActivation,
    RetryActivation,
)
from shared.messages import CodeEvent
from tests.scenarios import LATER, NOON, ORDER, A, D, adding, last_group


def add(code: str, *, at: datetime = NOON, **more: Any) -> AddCode:
    """A person adds the code."""
    return AddCode(device_id=D, at=at, request_id=adding(code), code_ref=code, last_group=last_group(code), **more)


def take_away(*, at: datetime = NOON, code: str | None = None, removed: datetime | None = None) -> RemoveLicense:
    """The license is given back."""
    return RemoveLicense(device_id=D, at=at, request_id=ORDER, code_ref=code, removed_at=removed)


def click(at: datetime, shown: str | None = None) -> Activate:
    """Somebody clicks Activate now."""
    return Activate(device_id=D, at=at, request_id=ORDER, code_ref=shown)


def tell(code: str = A, *, activated: datetime, at: datetime = LATER) -> ReportOfflineActivation:
    """The device reports what it did offline."""
    return ReportOfflineActivation(
        device_id=D, at=at, request_id=ORDER, code_ref=code, last_group=last_group(code), activated_at=activated
    )


def install(version: str | None, product: str = "security") -> ReportInstallation:
    """Another product or version is installed."""
    return ReportInstallation(device_id=D, at=NOON, request_id=ORDER, product=product, product_version=version)


def contact(sequence: int = 8, *, last: int | None = 7, off: timedelta | None = None, **before: int) -> RecordContact:
    """The device makes contact at noon; its clock is `off` by this much. `before` is what the door read besides."""
    told = None if off is None else NOON + off
    return RecordContact(
        device_id=D, at=NOON, request_id=ORDER, sequence=sequence, last_sequence=last, device_time=told, **before
    )


def new_token() -> RecordNewToken:
    """The device gets a new token."""
    return RecordNewToken(device_id=D, at=NOON, request_id=ORDER)


def expiry_timer(at: datetime) -> Expire:
    """The timer fires for the license's end."""
    return Expire(device_id=D, at=at)


def retry_timer(at: datetime) -> RetryActivation:
    """The timer fires for the attempt."""
    return RetryActivation(device_id=D, at=at)


def says(event: CodeEvent, *, at: datetime = LATER) -> RecordVerdict:
    """The activation service gives a verdict."""
    return RecordVerdict(device_id=D, verdict=event, at=at)
