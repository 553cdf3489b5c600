"""HTTP out: a code as of another time, and the explanation of a verdict. Translates, decides nothing."""

import json
from collections.abc import Mapping
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Query, Request

from services.activation.api.doors import Doors
from services.activation.decider import Code, CodeEvent, evolve
from services.activation.explanation import HOLDERS_MAX, LAST_MAX, Evidence, Explanation, Need, Told, explain, needs
from shared.calendar import instant
from shared.doors.fields import as_json
from shared.doors.history import AsOf, decoded, events_as_of, require_within_history
from shared.doors.problems import Problem
from shared.ledger.database import Connection
from shared.ledger.events import RecordedEvent, from_row
from shared.messages import CodeRef, MessageDiscarded, MessageParked, MessageRedriven

SEATS_READ_MAX = 2_000
"""How many of the latest activations and releases are searched for the holders of seats."""


async def code_as_of(doors: Doors, code_ref: CodeRef, as_of: AsOf) -> dict[str, Any]:
    """Return the code as it was, or was known, at a time. Raises `Problem`."""
    code, version = Code(), 0
    async with doors.pool.acquire() as connection:
        await require_within_history(connection, code_ref, as_of, now=doors.clock.now())
        async for entry in events_as_of(connection, code_ref, as_of):
            code, version = evolve(code, _event(entry)), entry.event.version
    if code.code_ref is None:
        raise Problem(404, "unknown_code", "no such code was issued")
    return {"as_of": instant(as_of.at), "sense": as_of.sense, "version": version, **code.to_dict()}


def add_code_why(router: APIRouter, doors: Doors) -> None:
    """Add the route."""

    @router.get("/codes/{code_ref}/why", tags=["codes"])
    async def why(
        request: Request,
        code_ref: CodeRef,
        event_id: Annotated[UUID | None, Query(description="The verdict to explain; else the code as it is.")] = None,
    ) -> dict[str, Any]:
        """Explain a verdict on a code: the rules that were checked, and the events they rest on."""
        await doors.require(request, code_ref)
        return {
            "as_of": instant(doors.clock.now()),
            "event_id": str(event_id) if event_id else None,
            **as_json(await explained(doors, code_ref, event_id)),
        }


async def explained(doors: Doors, code_ref: CodeRef, event_id: UUID | None = None) -> Explanation:
    """Return the explanation of a verdict on a code; without an event, that of the code's current state."""
    async with doors.pool.acquire() as connection:
        entry = None if event_id is None else await _entry(connection, code_ref, event_id)
        before = 2**31 - 1 if entry is None else entry.event.version
        verdict = None if entry is None else _event(entry)
        evidence = [await _evidence(connection, code_ref, need, before) for need in needs(verdict)]
    return explain(code_ref, verdict, evidence)


async def _entry(connection: Connection, code_ref: CodeRef, event_id: UUID) -> RecordedEvent:
    row = await connection.fetchrow("select * from event where event_id = $1 and stream_id = $2", event_id, code_ref)
    if row is None:
        raise Problem(404, "no_such_event", "the code has no such event")
    return from_row(row)


async def _evidence(connection: Connection, code_ref: CodeRef, need: Need, before: int) -> Evidence:
    """Read the evidence from the code's stream before a version, by index."""
    match need.which:
        case "first":
            rows = await connection.fetch(FIRST, code_ref, before, need.types)
        case "last":
            rows = await connection.fetch(LATEST, code_ref, before, need.types, 1)
        case "all":
            rows = await connection.fetch(LATEST, code_ref, before, need.types, LAST_MAX + 1)
        case "holders":
            return await _holders(connection, code_ref, need, before)
    events = [_explained_event(from_row(row)) for row in reversed(rows)]
    return Evidence(what=need.what, events=tuple(events[-LAST_MAX:]), more=len(events) > LAST_MAX)


async def _holders(connection: Connection, code_ref: CodeRef, need: Need, before: int) -> Evidence:
    """Return the activations of the devices that held a seat then, by the latest event of each device."""
    rows = await connection.fetch(LATEST, code_ref, before, need.types, SEATS_READ_MAX)
    latest: dict[str, Told] = {}
    for row in rows:
        event = _explained_event(from_row(row))
        latest.setdefault(event.data["device_id"], event)
    holding = [event for event in latest.values() if event.type == "LicenseActivated"]
    kept = sorted(holding[:HOLDERS_MAX], key=lambda event: event.version)
    more = len(holding) > HOLDERS_MAX or len(rows) == SEATS_READ_MAX
    return Evidence(what=need.what, events=tuple(kept), more=more)


def _explained_event(entry: RecordedEvent) -> Told:
    event = entry.event
    data: Mapping[str, Any] = json.loads(event.data)
    return Told(
        type=event.type_name,
        event_id=event.event_id,
        version=event.version,
        slice=event.slice_number,
        position=entry.position,
        occurred_at=event.occurred_at,
        data=data,
    )


def _event(entry: RecordedEvent) -> CodeEvent:
    event = decoded(entry)
    if isinstance(event, MessageParked | MessageRedriven | MessageDiscarded):
        raise TypeError("a code's stream has only the code's events")
    return event  # type: ignore[return-value] # the activation service's ledger has its own events


FIRST = """
select * from event where stream_id = $1 and version <= $2 and type = any($3::text[]) order by version limit 1
"""

LATEST = """
select * from event where stream_id = $1 and version <= $2 and type = any($3::text[]) order by version desc limit $4
"""
