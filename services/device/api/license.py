"""Goes out: the license as people see it, and the device's history."""

import re
from datetime import datetime
from time import monotonic
from typing import Annotated, Any

from fastapi import APIRouter, Header, Response
from fastapi.responses import JSONResponse

from services.device.api.doors import Doors
from services.device.api.watch import next_look
from services.device.decider import days_remaining, may_activate_now, status
from services.device.projection import LicenseView
from shared.http import Bearer, EventNumber, PageLimit, as_json, history_entry
from shared.ledger import instant, stream_page
from shared.messages import DeviceId
from shared.problems import Problem

WAIT_SECONDS_MAX = 30.0


def add_reads(router: APIRouter, doors: Doors) -> None:
    """Add the routes."""

    @router.get("/{device_id}/license")
    async def license_of(
        device_id: DeviceId,
        credential: Bearer,
        if_none_match: Annotated[str | None, Header()] = None,
        prefer: Annotated[str | None, Header()] = None,
    ) -> Response:
        """Return the license as people see it. With If-None-Match and `Prefer: wait=N`, wait for a change."""
        await doors.authorize(device_id, credential)
        deadline = monotonic() + _wait_seconds(prefer)
        with doors.watch.on(device_id) as changed:
            while True:
                answer, etag = await _shown(doors, device_id)
                if etag != if_none_match:
                    return JSONResponse(answer, headers={"ETag": etag})
                if monotonic() >= deadline:
                    return Response(status_code=304, headers={"ETag": etag})
                await next_look(changed, seconds_max=deadline - monotonic())

    @router.get("/{device_id}/history")
    async def history(
        device_id: DeviceId,
        credential: Bearer,
        limit: PageLimit,
        after: EventNumber = 0,
    ) -> dict[str, Any]:
        """Return the device's events, oldest first; `next` continues."""
        await doors.authorize(device_id, credential)
        async with doors.pool.acquire() as connection:
            entries = await stream_page(connection, device_id, after_version=after, limit=limit)
        if not entries and not after:
            # every device's story begins with its enrollment
            raise Problem(404, "unknown_device", "no such device is enrolled")
        return {
            "as_of": instant(doors.clock.now()),
            "events": [history_entry(entry) for entry in entries],
            "next": entries[-1].event.version if len(entries) == limit else None,
        }


def _wait_seconds(prefer: str | None) -> float:
    found = re.search(r"\bwait=(\d{1,3})\b", prefer or "")
    return min(float(found[1]), WAIT_SECONDS_MAX) if found else 0.0


async def _shown(doors: Doors, device_id: DeviceId) -> tuple[dict[str, Any], str]:
    """Return the license view with its age: it is of now when it has every event of the device."""
    row = await doors.pool.fetchrow(
        "select d.version as decided, v.version as shown, v.view from device d"
        " left join license_view v using (device_id) where device_id = $1",
        device_id,
    )
    if row is None:
        raise Problem(404, "unknown_device", "no such device is enrolled")
    now = doors.clock.now()
    view = LicenseView.model_validate_json(row["view"]) if row["view"] else LicenseView()
    as_of = now if row["shown"] == row["decided"] or view.changed_at is None else view.changed_at
    answer = shown_license(view, device_id=device_id, now=now, as_of=as_of)
    return answer, f'"{row["shown"] or 0}-{answer["status"]}-{answer.get("days_remaining", 0)}"'


def shown_license(view: LicenseView, *, device_id: DeviceId, now: datetime, as_of: datetime) -> dict[str, Any]:
    """Return what the API says of a device at `now`."""
    device = view.device
    activate = may_activate_now(device, now)
    shown: dict[str, Any] = {
        "device_id": device_id,
        "status": status(device, now),
        "as_of": instant(as_of),
        "may_activate_now": activate.allowed,
        "activate_now_reason": activate.reason,
        "activate_now_available_at": instant(activate.available_at) if activate.available_at else None,
    }
    if device.license:
        shown["license"] = as_json(device.license)
        shown["days_remaining"] = days_remaining(device.license, now)
    if device.reserve:
        shown["reserve"] = as_json(device.reserve)
        shown["reserve"]["takes_over_at"] = instant(device.license.ends_at) if device.license else None
    if device.incoming:
        shown["incoming"] = as_json(device.incoming)
    if view.last_refusal:
        shown["last_refusal"] = as_json(view.last_refusal)
    return shown
