"""HTTP out: the license as people see it, and the device's history."""

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
from shared.doors.preconditions import is_known
from shared.doors.preferences import wait_seconds
from shared.doors.problems import Problem
from shared.messages import DeviceId

WAIT_SECONDS_MAX = 30


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

        It waits for 30 seconds at most, and Preference-Applied says for how long. With `at`, return what was true, or
        what was known, at that time (R-125).
        """
        await doors.authorize(device_id, credential)
        if as_of is not None:
            return JSONResponse(await license_as_of(doors, device_id, as_of))
        wait = None if if_none_match is None else wait_seconds(prefer, seconds_max=WAIT_SECONDS_MAX)
        applied = {} if wait is None else {"Preference-Applied": f"wait={wait}"}
        deadline = monotonic() + (wait or 0)
        with doors.watch.on(device_id) as changed:
            while True:
                current = await representation_of(doors, device_id)
                headers = {"ETag": current.etag, **applied}
                if not is_known(current.etag, if_none_match):
                    return JSONResponse(current.answer, headers=headers)
                if monotonic() >= deadline:
                    return Response(status_code=304, headers=headers)
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
