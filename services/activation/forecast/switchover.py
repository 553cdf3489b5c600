"""What the activation service must know about a device to forecast its switch: a fold of the device's own events.

Pure. A row only has the codes, the end of the license and what is installed; the terms of a code are in the code
itself.
"""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, Literal, Self
from uuid import UUID

from shared.messages import (
    ActivateNow,
    ActivationDelayed,
    ActivationRefused,
    ActivationRetried,
    CodeAdded,
    CodeBlocked,
    CodeRef,
    CodeRejected,
    CodeRemoved,
    CodeUnblocked,
    DeviceEnrolled,
    DeviceEvent,
    DeviceId,
    InstallationChanged,
    LastGroup,
    LicenseActivated,
    LicenseExpired,
    LicenseRemoved,
    LicenseRenewed,
    LicenseShortened,
    OfflineActivationReported,
    Product,
    ProductVersion,
    Region,
    RegionCorrected,
    SeatReleased,
    Vendor,
    VerificationRepeated,
)
from shared.projector.projection import view_of
from shared.rules.decider import StateStruct, always

TOPIC = "device.events.v1"
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
RUNS_ON = ("stale", "not_expired")
"""Reasons that are not the code's fault: the license before it is still in force."""


class Waiting(StateStruct, frozen=True):
    """A code that waits on the device. If `tried`, an answer is awaited; if `delayed`, the next attempt is known.

    `was_good`: it is being verified again, and stays on the device whatever the answer is (R-137).
    """

    code_ref: CodeRef
    last_group: LastGroup
    added_id: UUID
    status: Literal["waits", "tried", "delayed", "refused"] = always("waits")
    attempt_id: UUID | None = None
    retry_at: datetime | None = None
    rejected: bool = False
    offline: bool = False
    was_good: bool = False
    prior_ref: CodeRef | None = None
    accepts_short_term: bool = False
    trials_before: int = 0


class Current(StateStruct, frozen=True):
    """The license on the device. `expired` if its end was recorded."""

    code_ref: CodeRef
    ends_at: datetime
    stops_at: datetime | None = None
    expired: bool = False

    @property
    def over_at(self) -> datetime:
        """When it is over: at its end, or earlier if a block stops it (R-105)."""
        return self.ends_at if self.stops_at is None else min(self.ends_at, self.stops_at)


class Switchover(StateStruct, frozen=True):
    """One device. `switch_ms` is `switch_at` in milliseconds since 1970, for an index."""

    device_id: DeviceId | None = None
    product: Product = always("")
    region: Region = always("")
    product_version: ProductVersion | None = None
    vendor: Vendor = always("default")
    license: Current | None = None
    reserve: Waiting | None = None
    incoming: Waiting | None = None
    switch_ms: int | None = None

    @property
    def switch_at(self) -> datetime | None:
        """When the reserve will be tried automatically; None if it will not, or the time is not known."""
        current, reserve = self.license, self.reserve
        if reserve is None or reserve.status == "tried":
            return None
        if reserve.status == "delayed":
            return reserve.retry_at
        return current.over_at if current is not None and not current.expired else None

    def timed(self) -> Self:
        """Return the row with `switch_ms` updated."""
        at = self.switch_at
        return self.but(switch_ms=None if at is None else (at - EPOCH) // timedelta(milliseconds=1))


def evolve(row: Switchover, event: DeviceEvent) -> Switchover:
    """Return the row after a device's event. Events that do not affect a switch leave it unchanged."""
    return _evolved(row, event).timed()


def _evolved(  # noqa: PLR0911, PLR0912 - one line per event
    row: Switchover, event: DeviceEvent
) -> Switchover:
    match event:
        case DeviceEnrolled():
            return Switchover(device_id=event.device_id, region=event.region, vendor=event.vendor, **_installed(event))
        case InstallationChanged():
            return row.but(**_installed(event))
        case RegionCorrected():
            return row.but(region=event.region)
        case VerificationRepeated():
            return _asked_again(row, event)
        case CodeAdded():
            return _added(row, event)
        case OfflineActivationReported():
            return _reported(row, event)
        case CodeRemoved():
            return _without(row, event.code_ref)
        case CodeRejected():
            return _rejected(row, event)
        case ActivateNow() | ActivationRetried():
            return _tried(row, event.code_ref, event.request_id)
        case LicenseExpired():
            over = row.but(license=row.license and row.license.but(expired=True))
            return _tried(over, event.reserve_ref, event.request_id)
        case LicenseRemoved():
            return _tried(row.but(license=None), event.reserve_ref, event.request_id)
        case SeatReleased():
            return row.but(license=None, reserve=row.reserve and _at_rest(row.reserve))
        case ActivationRefused() | ActivationDelayed():
            return _answered(row, event)
        case LicenseActivated():
            return _activated(row, event)
        case LicenseRenewed() | LicenseShortened() | CodeBlocked() | CodeUnblocked():
            return _moved(row, event)
        case _:
            return row


def _installed(event: DeviceEnrolled | InstallationChanged) -> Mapping[str, Any]:
    return {"product": event.product, "product_version": event.product_version}


def _added(row: Switchover, event: CodeAdded) -> Switchover:
    slot = Waiting(
        code_ref=event.code_ref,
        last_group=event.last_group,
        added_id=event.request_id,
        prior_ref=event.prior_ref,
        accepts_short_term=event.accepts_short_term,
        trials_before=event.trials_before,
    )
    if event.purpose == "immediate":
        slot = slot.but(status="tried", attempt_id=event.request_id)
    return row.but(reserve=slot) if row.reserve is None else row.but(incoming=slot)


def _reported(row: Switchover, event: OfflineActivationReported) -> Switchover:
    if row.reserve is not None and row.reserve.code_ref == event.code_ref:
        return _tried(row, event.code_ref, event.request_id)
    slot = Waiting(
        code_ref=event.code_ref,
        last_group=event.last_group,
        added_id=event.request_id,
        status="tried",
        attempt_id=event.request_id,
        offline=True,
    )
    return row.but(reserve=slot, incoming=row.reserve or row.incoming)


def _without(row: Switchover, code_ref: CodeRef) -> Switchover:
    left = [slot for slot in (row.reserve, row.incoming) if slot is not None and slot.code_ref != code_ref]
    reserve, incoming, *_ = [*left, None, None]
    return row.but(reserve=reserve, incoming=incoming)


def _asked_again(row: Switchover, event: VerificationRepeated) -> Switchover:
    for name in ("reserve", "incoming"):
        slot: Waiting | None = getattr(row, name)
        if slot is not None and slot.code_ref == event.code_ref:
            again = slot.but(status="waits", added_id=event.request_id, was_good=event.verified_before, rejected=False)
            return row.but(**{name: again})
    return row


def _rejected(row: Switchover, event: CodeRejected) -> Switchover:
    asked = (event.code_ref, event.request_id)
    for name in ("reserve", "incoming"):
        slot: Waiting | None = getattr(row, name)
        if slot is None or (slot.code_ref, slot.added_id) != asked:
            continue
        if slot.status == "tried" and slot.attempt_id != event.request_id:
            return row.but(**{name: slot.but(rejected=True)})  # the running attempt gets its own answer
        if slot.was_good:
            return row.but(**{name: slot.but(status="refused")})
        return _without(row, slot.code_ref)
    return row


def _tried(row: Switchover, code_ref: CodeRef | None, attempt_id: UUID) -> Switchover:
    if row.reserve is None or row.reserve.code_ref != code_ref:
        return row
    return row.but(reserve=row.reserve.but(status="tried", attempt_id=attempt_id, retry_at=None))


def _answered(row: Switchover, event: ActivationRefused | ActivationDelayed) -> Switchover:
    reserve = row.reserve
    if reserve is None or (reserve.code_ref, reserve.attempt_id) != (event.code_ref, event.request_id):
        return row
    if isinstance(event, ActivationDelayed):
        if reserve.rejected and event.cause != "no_answer":
            return _without(row, reserve.code_ref)
        return row.but(reserve=reserve.but(status="delayed", retry_at=event.retry_at))
    if reserve.rejected or reserve.offline:
        return _without(row, reserve.code_ref)
    return row.but(reserve=reserve.but(status="waits" if event.reason in RUNS_ON else "refused", retry_at=None))


def _activated(row: Switchover, event: LicenseActivated) -> Switchover:
    left = _without(row, event.code_ref)
    current = Current(code_ref=event.code_ref, ends_at=event.ends_at)
    return left.but(license=current, reserve=left.reserve and _at_rest(left.reserve))


def _moved(row: Switchover, event: LicenseRenewed | LicenseShortened | CodeBlocked | CodeUnblocked) -> Switchover:
    before = row.license
    if before is None:
        return row
    match event:
        case LicenseRenewed() | LicenseShortened():
            after = before.but(ends_at=event.ends_at)
        case CodeBlocked():
            after = before.but(stops_at=event.stops_at)
        case CodeUnblocked():
            after = before.but(stops_at=None)
    runs_again = before.expired and after.over_at > before.over_at
    reserve = row.reserve and _at_rest(row.reserve) if runs_again else row.reserve
    return row.but(license=after.but(expired=before.expired and not runs_again), reserve=reserve)


def _at_rest(slot: Waiting) -> Waiting:
    """Return the slot waiting for the end of a license in force."""
    return slot.but(status="waits", retry_at=None) if slot.status in ("tried", "delayed") else slot


def _fold(row: Switchover, event: Any, /, *, occurred_at: datetime, recorded_at: datetime) -> Switchover:
    del occurred_at, recorded_at  # a forecast depends on what the events say, not on when they came
    return evolve(row, event)


FORECAST = view_of(name="switchover_forecast", topic=TOPIC, key="device_id", initial=Switchover(), fold=_fold)
"""The projection: one row per device, from the device service's log."""
