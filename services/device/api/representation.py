"""Goes out: what a device's license looks like to people and programs at a given time. Words only, no rule."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import asyncpg

from services.device.api.doors import Doors
from services.device.decider import (
    Device,
    days_remaining,
    may_activate_now,
    renewal_announced,
    status,
    stops_at,
    takes_over_at,
    works_until,
)
from services.device.projection import LicenseView
from shared.doors.problems import Problem
from shared.ledger.events import instant
from shared.messages import DeviceId

STALE_AFTER = timedelta(hours=24)
"""A status of another day may be wrong by now, and says so (R-99, R-100)."""


@dataclass(frozen=True, slots=True)
class Shown:
    """What is shown of a device, and its tag. `current`: it has every fact that is recorded of the device."""

    view: LicenseView
    answer: Mapping[str, Any]
    etag: str
    current: bool


async def shown_of(doors: Doors, device_id: DeviceId) -> Shown:
    """Return what is shown of the device now. Raises a 404 `Problem` if nobody enrolled it.

    It is of now when the view has every event of the device, else of the time at which the view changed last; where
    there is no view yet, of the time at which the device was enrolled: until then the nothing that is shown was right.
    """
    rows = await doors.pool.fetch(SHOWN, device_id)
    if not rows:
        raise Problem(404, "unknown_device", "no such device is enrolled")
    (row, *add_ons), now = rows, doors.clock.now()
    view = _view(row)
    current = row["shown"] == row["decided"]
    as_of = now if current else view.changed_at or row["enrolled_at"]
    answer = shown_license(view, device_id=device_id, now=now, as_of=as_of)
    answer["add_ons"] = [_add_on(each, now) for each in add_ons]
    return Shown(view, answer, _etag(row["shown"] or 0, answer), current)


def _view(row: asyncpg.Record) -> LicenseView:
    return LicenseView.from_json(row["view"]) if row["view"] else LicenseView()


def _add_on(row: asyncpg.Record, now: datetime) -> dict[str, Any]:
    """Return a further product on the device, which has a license of its own (R-42)."""
    device = _view(row).device
    return {
        "device_id": row["device_id"],
        "version": row["decided"],
        "product": device.product,
        "status": status(device, now),
        "works_until": _told(works_until(device)),
    }


def _etag(version: int, answer: Mapping[str, Any]) -> str:
    """Return what changes with whatever is shown, but its age. It begins with the version, for If-Match."""
    told = json.dumps({name: value for name, value in answer.items() if name != "as_of"}, sort_keys=True)
    return f'"{version}-{hashlib.sha256(told.encode()).hexdigest()[:16]}"'


def shown_license(view: LicenseView, *, device_id: DeviceId, now: datetime, as_of: datetime) -> dict[str, Any]:
    """Return what the API says of a device at `now`."""
    device = view.device
    return {
        "device_id": device_id,
        "status": status(device, now),
        "as_of": instant(as_of),
        "stale": now - as_of > STALE_AFTER,
        **_button(device, now),
        **_license(view, now),
        **_slots(device),
        **_noticed(device, now),
        **({"last_refusal": view.last_refusal.shown()} if view.last_refusal else {}),
    }


def _button(device: Device, now: datetime) -> dict[str, Any]:
    """Return whether Activate now is offered, and why not (R-55, R-62)."""
    answer = may_activate_now(device, now)
    return {
        "may_activate_now": answer.allowed,
        "activate_now_reason": answer.reason,
        "activate_now_available_at": _told(answer.available_at),
    }


def _license(view: LicenseView, now: datetime) -> dict[str, Any]:
    """Return the license, how long the product works by it, and what is known of its renewal (R-98, R-103, R-105)."""
    device, announced = view.device, renewal_announced(view.device, now)
    if device.license is None:
        return {}
    return {
        "license": device.license.shown(),
        "days_remaining": days_remaining(device.license, now),
        "works_until": _told(works_until(device)),
        "stops_at": _told(stops_at(device)),
        "renewal_announced": announced is not None,
        "renewal_expected_by": _told(announced),
        "renewal_seconds": view.renewal_seconds,
    }


def _slots(device: Device) -> dict[str, Any]:
    """Return the codes that wait, each with its predicted end and its warnings (R-10, R-78)."""
    shown: dict[str, Any] = {}
    if device.reserve:
        shown["reserve"] = {**device.reserve.shown(), "takes_over_at": _told(takes_over_at(device))}
    if device.incoming:
        shown["incoming"] = device.incoming.shown()
    return shown


def _noticed(device: Device, now: datetime) -> dict[str, Any]:
    """Return what is unusual about the device: its clock, a copy of it, too many guesses (R-88, R-107, R-111)."""
    throttled = device.throttled_until is not None and now < device.throttled_until
    return {
        "clock_deviates": device.clock_deviates,
        "clock_offset_seconds": device.clock_offset_seconds if device.clock_deviates else None,
        "clone_suspected": device.clone_expected is not None,
        "adding_available_at": _told(device.throttled_until) if throttled else None,
    }


def _told(moment: datetime | None) -> str | None:
    return None if moment is None else instant(moment)


# the device itself, then what is part of it
SHOWN = """
select device_id, d.version as decided, v.version as shown, v.view, case when d.version is distinct from v.version
    then (select recorded_at from event where stream_id = d.device_id and event.version = 1) end as enrolled_at
from device d left join license_view v using (device_id) where device_id = $1
union all
(select device_id, d.version, v.version, v.view, null
 from device d left join license_view v using (device_id)
 where d.state ->> 'part_of' = $1 and d.state ->> 'part_of' is not null and exists (
     select 1 from device where device_id = $1)
 order by device_id)
"""
