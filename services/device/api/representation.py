"""HTTP out: how a device's license is represented to people and programs at a given time. No rule may come in here."""

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
    renewal_due,
    status,
    stops_at,
    takes_over_at,
    works_until,
)
from services.device.projection import LicenseView
from shared.calendar import instant
from shared.doors.problems import Problem
from shared.messages import DeviceId
from shared.rules.policy import POLICY, Policy

STALE_AFTER = timedelta(hours=24)
"""An older status may be out of date, and is marked so (R-99, R-100)."""


@dataclass(frozen=True, slots=True)
class Representation:
    """A device's license as shown, and its ETag. `current`: it includes every event recorded for the device."""

    view: LicenseView
    answer: Mapping[str, Any]
    etag: str
    current: bool


async def representation_of(doors: Doors, device_id: DeviceId) -> Representation:
    """Return the device's license as shown now. Raises a 404 `Problem` if the device is not enrolled.

    It is as of the time up to which the activation service was heard, if the view has every event of the device, else
    as of the view's last change. If there is no view yet, it is as of the enrollment: until then, showing nothing was
    right.
    """
    rows = await doors.pool.fetch(VIEWS, device_id)
    if not rows:
        raise Problem(404, "unknown_device", "no such device is enrolled")
    (row, *add_ons), now = rows, doors.clock.now()
    view = _view(row)
    current = row["view_version"] == row["version"]
    known_at = view.changed_at or row["enrolled_at"]
    as_of = doors.heard_until() or known_at if current else known_at
    answer = license_representation(view, device_id=device_id, now=now, as_of=as_of, policy=doors.policy)
    answer["add_ons"] = [_add_on(each, now, doors.policy) for each in add_ons]
    return Representation(view, answer, _etag(row["view_version"] or 0, answer), current)


def _view(row: asyncpg.Record) -> LicenseView:
    return LicenseView.from_json(row["view"]) if row["view"] else LicenseView()


def _add_on(row: asyncpg.Record, now: datetime, policy: Policy) -> dict[str, Any]:
    """Return an add-on product on the device, which has a license of its own (R-42)."""
    device = _view(row).device
    return {
        "device_id": row["device_id"],
        "version": row["version"],
        "product": device.product,
        "status": status(device, now, policy),
        "works_until": _instant(works_until(device, policy)),
    }


def _etag(version: int, answer: Mapping[str, Any]) -> str:
    """Return a tag that changes with everything shown except `as_of`. It begins with the version, for If-Match."""
    content = json.dumps({name: value for name, value in answer.items() if name != "as_of"}, sort_keys=True)
    return f'"{version}-{hashlib.sha256(content.encode()).hexdigest()[:16]}"'


def license_representation(
    view: LicenseView, *, device_id: DeviceId, now: datetime, as_of: datetime, policy: Policy = POLICY
) -> dict[str, Any]:
    """Return the license as the API shows it at `now`."""
    device = view.device
    return {
        "device_id": device_id,
        "status": status(device, now, policy),
        "as_of": instant(as_of),
        "stale": now - as_of > STALE_AFTER,
        **_activate_now(device, now),
        **_license(view, now, policy),
        **_slots(device),
        **_noticed(device, now),
        **({"last_refusal": view.last_refusal.to_dict()} if view.last_refusal else {}),
    }


def _activate_now(device: Device, now: datetime) -> dict[str, Any]:
    """Return whether Activate now is available, and if not, why (R-55, R-62)."""
    answer = may_activate_now(device, now)
    return {
        "may_activate_now": answer.allowed,
        "activate_now_reason": answer.reason,
        "activate_now_available_at": _instant(answer.available_at),
    }


def _license(view: LicenseView, now: datetime, policy: Policy) -> dict[str, Any]:
    """Return the license, until when the product works, and any renewal that is awaited (R-98, R-103, R-105, R-135)."""
    device, announced = view.device, renewal_announced(view.device, now)
    if device.license is None:
        return {}
    return {
        "license": device.license.to_dict(),
        "days_remaining": days_remaining(device.license, now),
        "works_until": _instant(works_until(device, policy)),
        "stops_at": _instant(stops_at(device)),
        "renewal_announced": announced is not None,
        "renewal_expected_by": _instant(announced),
        "renewal_due_until": _instant(renewal_due(device, now, policy)),
        "renewal_seconds": view.renewal_seconds,
    }


def _slots(device: Device) -> dict[str, Any]:
    """Return the waiting codes, each with its predicted end and its warnings (R-10, R-78)."""
    slots: dict[str, Any] = {}
    if device.reserve:
        slots["reserve"] = {**device.reserve.to_dict(), "takes_over_at": _instant(takes_over_at(device))}
    if device.incoming:
        slots["incoming"] = device.incoming.to_dict()
    return slots


def _noticed(device: Device, now: datetime) -> dict[str, Any]:
    """Return what is unusual about the device: its clock, a clone, too many guesses (R-88, R-107, R-111)."""
    throttled = device.throttled_until is not None and now < device.throttled_until
    return {
        "clock_deviates": device.clock_deviates,
        "clock_offset_seconds": device.clock_offset_seconds if device.clock_deviates else None,
        "clone_suspected": device.clone_expected is not None,
        "adding_available_at": _instant(device.throttled_until) if throttled else None,
    }


def _instant(moment: datetime | None) -> str | None:
    return None if moment is None else instant(moment)


# the device itself, then its add-on products
VIEWS = """
select device_id, d.version, v.version as view_version, v.view, case when v.version is null
    then (select recorded_at from event where stream_id = d.device_id and event.version = 1) end as enrolled_at
from device d left join license_view v using (device_id) where device_id = $1
union all
(select device_id, d.version, v.version, v.view, null
 from device d left join license_view v using (device_id)
 where d.state ->> 'part_of' = $1 and d.state ->> 'part_of' is not null and exists (
     select 1 from device where device_id = $1)
 order by device_id)
"""
