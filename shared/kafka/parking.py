"""Parks messages that cannot be handled, with a reason, so that all others can go on (R-122): a dead letter table.

Parking writes two things in one transaction: a row, for people to list, redrive or discard, and an event in the
ledger, so that a rebuild skips the same records as the live system did.
"""

import json
from collections.abc import Sequence
from datetime import datetime

import asyncpg

from shared.kafka.inbox import Parked, Record
from shared.ledger.database import Connection
from shared.ledger.events import NewEvent
from shared.ledger.outbox import Cause, Outbox
from shared.messages import MessageDiscarded, MessageParked, MessageRedriven

VALUE_BYTES_MAX = 1_048_576
DETAIL_CHARACTERS_MAX = 300


def stream_of(consumer: str, topic: str, partition: int, offset: int, ordinal: int = 1) -> str:
    """Return the stream of one parked record: the `ordinal`th that was parked from this offset."""
    # no device or code can have this name: an id may not contain a slash, even where a tool chooses it
    return f"parked/{consumer}/{topic}/{partition}/{offset}" + (f"/{ordinal}" if ordinal > 1 else "")


async def park(
    connection: Connection, consumer: str, parked: Sequence[Parked], *, outbox: Outbox, cause: Cause
) -> list[NewEvent]:
    """Write the rows of `parked` and return the events for the caller to append.

    A record that is parked already stays as it is. A different record at the same offset, in a topic that was deleted
    and created again, is parked beside it. Values over 1 MiB are truncated; the topic still has them in full.
    """
    if not parked:
        return []
    # an event must be on disk before the relay can see it, even if the rest of the transaction need not be
    await connection.execute("set local synchronous_commit to on")
    rows = [_row(consumer, entry, cause.recorded_at) for entry in parked]
    fresh = await connection.fetch(PARK, *zip(*rows, strict=True))
    return [
        outbox.pack(
            MessageParked(**{name: value for name, value in row.items() if name != "ordinal"}),
            stream_id=stream_of(consumer, row["topic"], row["partition"], row["offset"], row["ordinal"]),
            version=1,
            cause=cause,
        )
        for row in fresh
    ]


def _row(consumer: str, entry: Parked, parked_at: datetime) -> tuple[object, ...]:
    record = entry.record
    return (
        consumer,
        record.topic,
        record.partition,
        record.offset,
        record.key,
        _headers_json(record),
        (record.value or b"")[:VALUE_BYTES_MAX],
        entry.reason,
        _plain(entry.detail)[:DETAIL_CHARACTERS_MAX],
        parked_at,
    )


def _plain(text: str) -> str:
    """Return the text without what PostgreSQL cannot hold."""
    return text.encode("utf-8", "replace").decode().replace("\x00", "\ufffd")


def _headers_json(record: Record) -> str:
    """Return the headers as JSON pairs, decoded as Latin-1 so that no byte is lost."""
    pairs = [(name, (value or b"").decode("latin-1")) for name, value in record.headers]
    # PostgreSQL's jsonb cannot hold a NUL
    return json.dumps(pairs).replace("\\u0000", "\\ufffd")


def headers_of(row: asyncpg.Record) -> list[tuple[str, bytes]]:
    """Return the headers in a row of table `parked`, as they came."""
    return [(name, value.encode("latin-1", "replace")) for name, value in json.loads(row["headers"])]


async def mark_redriven(
    connection: Connection, consumer: str, record: Record, ordinal: int, *, outbox: Outbox, cause: Cause
) -> NewEvent:
    """Mark a parked record as handled after all, and return the event for the caller to append."""
    parked = (record.topic, record.partition, record.offset, ordinal)
    await connection.execute(REDRIVEN, consumer, *parked, cause.recorded_at)
    event = MessageRedriven(topic=record.topic, partition=record.partition, offset=record.offset)
    return outbox.pack(event, stream_id=stream_of(consumer, *parked), version=2, cause=cause)


async def mark_discarded(
    connection: Connection, consumer: str, event: MessageDiscarded, ordinal: int, *, outbox: Outbox, cause: Cause
) -> NewEvent:
    """Mark a parked record as given up, and return the event for the caller to append. The row stays."""
    parked = (event.topic, event.partition, event.offset, ordinal)
    await connection.execute(DISCARDED, consumer, *parked, cause.recorded_at, event.note)
    return outbox.pack(event, stream_id=stream_of(consumer, *parked), version=2, cause=cause)


PARK = """
with given as (
    select distinct on (topic, partition, "offset", key, headers, value) *
    from unnest($1::text[], $2::text[], $3::int[], $4::bigint[], $5::bytea[], $6::jsonb[], $7::bytea[],
                $8::text[], $9::text[], $10::timestamptz[])
        as record(consumer, topic, partition, "offset", key, headers, value, reason, detail, parked_at)
), fresh as (
    select * from given where not exists (
        select from parked here
        where (here.consumer, here.topic, here.partition) = (given.consumer, given.topic, given.partition)
            and here."offset" = given."offset" and here.key is not distinct from given.key
            and here.headers = given.headers and here.value = given.value
    )
)
insert into parked
    (consumer, topic, partition, "offset", key, headers, value, reason, detail, parked_at, ordinal)
select fresh.*, row_number() over (partition by topic, partition, "offset") + (
    select count(*) from parked here
    where (here.consumer, here.topic, here.partition) = (fresh.consumer, fresh.topic, fresh.partition)
        and here."offset" = fresh."offset"
) from fresh
returning topic, partition, "offset", reason, detail, ordinal
"""

REDRIVEN = """
update parked set redriven_at = $6
where consumer = $1 and topic = $2 and partition = $3 and "offset" = $4 and ordinal = $5
"""

DISCARDED = """
update parked set discarded_at = $6, discard_note = $7
where consumer = $1 and topic = $2 and partition = $3 and "offset" = $4 and ordinal = $5
"""
