"""The events that the live consumer parked and skipped: a rebuild skips them too, or folds them after all.

Parking is recorded, so both skip the same events. A later release may know an event that was unknown when it came: a
rebuild that accepts differences folds it in its place and records that it was redriven.
"""

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import asyncpg
from aiokafka import ConsumerRecord

from shared.kafka.cloudevents import header_texts, read_envelope, read_event
from shared.kafka.inbox import Record
from shared.kafka.parking import mark_redriven
from shared.ledger.database import Connection
from shared.ledger.events import append
from shared.ledger.outbox import Cause, Outbox
from shared.messages import UnknownEvent, UnreadableEvent
from shared.projector.ledger_log import Places
from shared.projector.projection import Projection

SKIPPED_FOR = ("unknown_event", "unreadable_event")
"""Reasons for which a record is parked while its slice continues: only these records are missing from the fold."""


@dataclass(frozen=True, slots=True)
class Acceptance:
    """The order to replace a live table even if it differs: how its events are recorded in the ledger."""

    outbox: Outbox
    cause: Cause


@dataclass(frozen=True, slots=True)
class ParkedEvent:
    """A parked event of the log, and whether it is readable by now and was not discarded."""

    record: Record
    ordinal: int
    slice_number: int
    position: int
    readable: bool


async def parked_events(connection: Connection, projection: Projection[Any]) -> list[ParkedEvent]:
    """Return the events that the live consumer of a projection skipped and that were not redriven since."""
    return [_parked(row) for row in await connection.fetch(PARKED, projection.name, SKIPPED_FOR)]


def places_of(events: Iterable[ParkedEvent]) -> Places:
    """Return slice and position of each event."""
    return frozenset((event.slice_number, event.position) for event in events)


async def record_redriven(
    connection: Connection, projection: Projection[Any], events: Sequence[ParkedEvent], acceptance: Acceptance
) -> None:
    """Record that parked events were folded after all, in the caller's transaction."""
    marks = [
        await mark_redriven(
            connection,
            projection.name,
            event.record,
            event.ordinal,
            outbox=acceptance.outbox,
            cause=acceptance.cause,
        )
        for event in events
    ]
    await append(connection, marks)


def _parked(row: asyncpg.Record) -> ParkedEvent:
    headers = [(name, value.encode("latin-1")) for name, value in json.loads(row["headers"])]
    record: Record = ConsumerRecord(
        topic=row["topic"],
        partition=row["partition"],
        offset=row["offset"],
        timestamp=0,
        timestamp_type=0,
        key=row["key"],
        value=row["value"],
        checksum=None,
        serialized_key_size=len(row["key"] or b""),
        serialized_value_size=len(row["value"]),
        headers=headers,
    )
    texts = header_texts(headers)
    readable = not row["discarded"] and _is_readable(record)
    return ParkedEvent(record, row["ordinal"], int(texts["slice"]), int(texts["position"]), readable)


def _is_readable(record: Record) -> bool:
    try:
        read_event(read_envelope(header_texts(record.headers)), record.value or b"")
    except (UnknownEvent, UnreadableEvent):
        return False
    return True


PARKED = """
select topic, partition, "offset", key, headers, value, ordinal, discarded_at is not null as discarded from parked
where consumer = $1 and reason = any($2::text[]) and redriven_at is null order by partition, "offset", ordinal
"""
