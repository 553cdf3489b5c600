"""Reads one stream as of a time, bitemporally: what was true then, or what was known then (R-125).

`true` (valid time) takes the events that had occurred by then, even if they were recorded later; `known` (transaction
time) takes those that had been recorded by then. Both keep the order of the stream, where a late event stands where it
arrived (R-124). Every read uses the index of the stream, so a long log makes no answer slower. No rule may come in
here.
"""

import json
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any, Literal

from fastapi import Depends, Query

from shared.calendar import instant
from shared.doors.problems import Problem
from shared.ledger.database import Connection
from shared.ledger.events import RecordedEvent, from_row, stream_page
from shared.messages import Event, ToldMoment, UnknownEvent, decode

Sense = Literal["true", "known"]
CHUNK_EVENTS = 1_000


@dataclass(frozen=True, slots=True, kw_only=True)
class AsOf:
    """A time, and the sense of a question about it."""

    at: datetime
    sense: Sense = "true"


async def asked_as_of(
    at: Annotated[ToldMoment | None, Query(description="As of this time, instead of now.")] = None,
    sense: Annotated[Sense, Query(description="What was true then, or what was known then.")] = "true",
) -> AsOf | None:
    """Return the time that the request asks about; None means now."""
    return None if at is None else AsOf(at=at, sense=sense)


AskedAsOf = Annotated[AsOf | None, Depends(asked_as_of)]


async def require_within_history(connection: Connection, stream_id: str, as_of: AsOf, *, now: datetime) -> None:
    """Raise `Problem`: `in_the_future`, or `before_first_event` with the earliest time that can be asked about.

    A stream without events is left to the caller, who knows what it should contain.
    """
    if as_of.at > now:
        raise Problem(422, "in_the_future", f"at is in the future; it is {instant(now)} now", now=instant(now))
    row = await connection.fetchrow(FIRST, stream_id)
    began_at = row and (row["recorded_at"] if as_of.sense == "known" else row["occurred_at"])
    if began_at and as_of.at < began_at:
        detail = f"nothing is {as_of.sense} before the first event, at {instant(began_at)}"
        raise Problem(422, "before_first_event", detail, began_at=instant(began_at))


async def _page(
    connection: Connection, stream_id: str, as_of: AsOf | None, *, after_version: int, limit: int
) -> list[RecordedEvent]:
    """Return up to `limit` events of the stream as of a time (None: all), after `after_version`."""
    if as_of is None:
        return await stream_page(connection, stream_id, after_version=after_version, limit=limit)
    rows = await connection.fetch(PAGE[as_of.sense], stream_id, after_version, as_of.at, limit)
    return [from_row(row) for row in rows]


async def events_as_of(connection: Connection, stream_id: str, as_of: AsOf | None) -> AsyncIterator[RecordedEvent]:
    """Yield the events of the stream as of a time (None: all), oldest first. They are read in chunks."""
    version, full = 0, True
    while full:
        page = await _page(connection, stream_id, as_of, after_version=version, limit=CHUNK_EVENTS)
        for entry in page:
            yield entry
            version = entry.event.version
        full = len(page) == CHUNK_EVENTS


def history_entry(entry: RecordedEvent) -> dict[str, Any]:
    """Return a recorded event as the API shows it: what happened, when, why, and its position."""
    event = entry.event
    return {
        "version": event.version,
        "type": event.type_name,
        "event_id": str(event.event_id),
        "occurred_at": instant(event.occurred_at),
        "recorded_at": instant(event.recorded_at),
        "correlation_id": str(event.correlation_id),
        "causation_id": str(event.causation_id) if event.causation_id else None,
        "slice": event.slice_number,
        "position": entry.position,
        "data": json.loads(event.data),
    }


async def history_page(
    connection: Connection, stream_id: str, as_of: AsOf | None, *, now: datetime, after: int, limit: int
) -> dict[str, Any]:
    """Return a page of a stream's history as the API shows it; `next` continues. Raises `Problem`."""
    if as_of is not None:
        await require_within_history(connection, stream_id, as_of, now=now)
    entries = await _page(connection, stream_id, as_of, after_version=after, limit=limit)
    return {
        "as_of": instant(as_of.at if as_of else now),
        **({"sense": as_of.sense} if as_of else {}),
        "events": [history_entry(entry) for entry in entries],
        "next": entries[-1].event.version if len(entries) == limit else None,
    }


def decoded(entry: RecordedEvent) -> Event:
    """Return the decoded event. Raises the `Problem` `newer_log` if only a newer release can read it."""
    event = entry.event
    try:
        return decode(event.type_name, event.schema_version, event.data)
    except UnknownEvent as unknown:
        raise Problem(503, "newer_log", f"{unknown}; a newer release wrote it") from None


FIRST = "select occurred_at, recorded_at from event where stream_id = $1 and version = 1"

PAGE = {
    "true": """
        select * from event where stream_id = $1 and version > $2 and occurred_at <= $3 order by version limit $4
    """,
    "known": """
        select * from event where stream_id = $1 and version > $2 and recorded_at <= $3 order by version limit $4
    """,
}
