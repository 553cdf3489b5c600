"""HTTP out: the license as people see it, and the device's history."""

import re
from time import monotonic
from typing import Annotated, Any

from fastapi import APIRouter, Header, Response
from fastapi.responses import JSONResponse

from services.device.api.as_of import license_as_of
from services.device.api.doors import Doors
from services.device.api.representation import representation_of
from services.device.api.watch import wait_for_change
from shared.doors.credentials import Bearer
from shared.doors.fields import EventNumber, PageLimit
from shared.doors.history import AskedAsOf, history_page
from shared.doors.problems import Problem
from shared.messages import DeviceId

WAIT_SECONDS_MAX = 30.0


def add_reads(router: APIRouter, doors: Doors) -> None:
    """Add the routes."""

    @router.get("/{device_id}/license")
    async def license_of(
        device_id: DeviceId,
        credential: Bearer,
        as_of: AskedAsOf,
        if_none_match: Annotated[str | None, Header()] = None,
        prefer: Annotated[str | None, Header()] = None,
    ) -> Response:
        """Return the license as people see it. With If-None-Match and `Prefer: wait=N`, wait for a change.

        With `at`, return what was true, or what was known, at that time (R-125).
        """
        await doors.authorize(device_id, credential)
        if as_of is not None:
            return JSONResponse(await license_as_of(doors, device_id, as_of))
        deadline = monotonic() + _wait_seconds(prefer)
        with doors.watch.on(device_id) as changed:
            while True:
                current = await representation_of(doors, device_id)
                if current.etag != if_none_match:
                    return JSONResponse(current.answer, headers={"ETag": current.etag})
                if monotonic() >= deadline:
                    return Response(status_code=304, headers={"ETag": current.etag})
                await wait_for_change(changed, seconds_max=deadline - monotonic())

    @router.get("/{device_id}/history")
    async def history(
        device_id: DeviceId,
        credential: Bearer,
        limit: PageLimit,
        as_of: AskedAsOf,
        after: EventNumber = 0,
    ) -> dict[str, Any]:
        """Return the device's events, oldest first, up to `at`; `next` continues."""
        await doors.authorize(device_id, credential)
        async with doors.pool.acquire() as connection:
            page = await history_page(connection, device_id, as_of, now=doors.clock.now(), after=after, limit=limit)
        if not page["events"] and not after:
            # every device's stream begins with its enrollment
            raise Problem(404, "unknown_device", "no such device is enrolled")
        return page


def _wait_seconds(prefer: str | None) -> float:
    found = re.search(r"\bwait=(\d{1,3})\b", prefer or "")
    return min(float(found[1]), WAIT_SECONDS_MAX) if found else 0.0
