"""HTTP out: the license as of another time, and the explanation of a device's state. Translates, decides nothing."""

from typing import Any

from fastapi import APIRouter

from services.device.api.doors import Doors
from services.device.api.representation import license_representation
from services.device.explanation import Explanation, Further, Life, Told, explain, life_of
from services.device.projection import LicenseView, project
from shared.calendar import instant
from shared.doors.credentials import Bearer
from shared.doors.fields import as_json
from shared.doors.history import AskedAsOf, AsOf, decoded, events_as_of, require_within_history
from shared.doors.problems import Problem
from shared.ledger.events import RecordedEvent
from shared.messages import DeviceId


def add_why(router: APIRouter, doors: Doors) -> None:
    """Add the route."""

    @router.get("/{device_id}/why")
    async def why(device_id: DeviceId, credential: Bearer, as_of: AskedAsOf) -> dict[str, Any]:
        """Explain the device's state: each rule, its evidence, and what would have changed the verdict."""
        await doors.authorize(device_id, credential)
        moment = as_of or AsOf(at=doors.clock.now(), sense="known")
        events = [_explained_event(entry) for entry in await _events(doors, device_id, as_of)]
        return {
            "device_id": device_id,
            "as_of": instant(moment.at),
            "sense": moment.sense,
            **_with_paths(explain(events, moment.at, doors.policy)),
        }


async def lived(doors: Doors, device_id: DeviceId) -> Life:
    """Return the device's life in short. Raises a 404 `Problem` if there is no such device."""
    return life_of([_explained_event(entry) for entry in await _events(doors, device_id, None)])


async def license_as_of(doors: Doors, device_id: DeviceId, as_of: AsOf) -> dict[str, Any]:
    """Return the license as it was, or was known, at a time. Raises `Problem`."""
    view, version = LicenseView(), 0
    for entry in await _events(doors, device_id, as_of):
        event: Any = decoded(entry)
        times = {"occurred_at": entry.event.occurred_at, "recorded_at": entry.event.recorded_at}
        view, version = project(view, event, **times), entry.event.version
    representation = license_representation(
        view, device_id=device_id, now=as_of.at, as_of=as_of.at, policy=doors.policy
    )
    return {**representation, "sense": as_of.sense, "version": version}


async def _events(doors: Doors, device_id: DeviceId, as_of: AsOf | None) -> list[RecordedEvent]:
    """Return the device's events up to a time (None: all). Raises `Problem`."""
    async with doors.pool.acquire() as connection:
        if as_of is not None:
            await require_within_history(connection, device_id, as_of, now=doors.clock.now())
        entries = [entry async for entry in events_as_of(connection, device_id, as_of)]
    if not entries:
        # every device's stream begins with its enrollment
        raise Problem(404, "unknown_device", "no such device is enrolled")
    return entries


def _explained_event(entry: RecordedEvent) -> Told:
    event = entry.event
    return Told(
        event=decoded(entry),
        event_id=event.event_id,
        causation_id=event.causation_id,
        version=event.version,
        slice=event.slice_number,
        position=entry.position,
        occurred_at=event.occurred_at,
    )


def _with_paths(explanation: Explanation) -> dict[str, Any]:
    """Return the explanation as JSON, with the paths to follow at the activation service's API."""
    body: dict[str, Any] = as_json(explanation)
    for shown, answer in zip(body["answers"], explanation.answers, strict=True):
        shown["further"] = [{**as_json(further), "path": _path(further)} for further in answer.further]
    return body


def _path(further: Further) -> str:
    path = f"/v1/codes/{further.code_ref}/why"
    return path if further.event_id is None else f"{path}?event_id={further.event_id}"
