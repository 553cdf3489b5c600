"""The ledger: the events of one service, in 256 slices whose positions count up without gaps.

`append` writes the events of one decision or of hundreds in the caller's transaction. It locks the heads of the slices
last and in slice order, so position order is commit order and a rollback leaves no gap. Each slice is a hash chain. No
rule may come in here.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple, Protocol
from uuid import UUID

import asyncpg

from shared.calendar import instant
from shared.ledger.database import Connection
from shared.ledger.hash_chain import chained_hash
from shared.ledger.slices import SLICE_COUNT


class NewEvent(NamedTuple):
    """An event that has been decided and has no position yet. `data` holds the bytes as they are sent."""

    slice_number: int
    stream_id: str
    version: int
    type_name: str
    schema_version: int
    event_id: UUID
    occurred_at: datetime
    recorded_at: datetime
    correlation_id: UUID
    causation_id: UUID | None
    traceparent: str | None
    data: bytes


class RecordedEvent(NamedTuple):
    """An event of the ledger, with its position in the slice and its link in the hash chain."""

    event: NewEvent
    position: int
    prev_hash: bytes
    hash: bytes


HEADS = "select slice, position, hash from slice_head where slice = any($1::smallint[]) order by slice for update"

INSERT_EVENTS = """
insert into event (slice, position, stream_id, version, type, schema_version, event_id, occurred_at,
                   recorded_at, correlation_id, causation_id, traceparent, data, prev_hash, hash)
select * from unnest($1::smallint[], $2::bigint[], $3::text[], $4::int[], $5::text[], $6::smallint[], $7::uuid[],
                     $8::timestamptz[], $9::timestamptz[], $10::uuid[], $11::uuid[], $12::text[], $13::bytea[],
                     $14::bytea[], $15::bytea[])
"""

MOVE_HEADS = """
update slice_head h set position = head.position, hash = head.hash
from unnest($16::smallint[], $17::bigint[], $18::bytea[]) as head(slice, position, hash)
where h.slice = head.slice
"""

APPEND = f"with appended as ({INSERT_EVENTS}) {MOVE_HEADS}"


type Heads = dict[int, tuple[int, bytes]]
"""Of each slice the position and the hash of its last event."""


class Append(Protocol):
    """Appends events in the caller's transaction, like `append`."""

    async def __call__(
        self, connection: Connection, events: Sequence[NewEvent], *, heads: Heads | None = None
    ) -> list[RecordedEvent]:
        """Append `events` and return them with their positions."""
        ...


def heads_from(rows: Sequence[asyncpg.Record]) -> Heads:
    """Return the heads in rows of table `slice_head`."""
    return {row["slice"]: (row["position"], row["hash"]) for row in rows}


async def append(
    connection: Connection, events: Sequence[NewEvent], *, heads: Heads | None = None
) -> list[RecordedEvent]:
    """Append `events` in their order, inside the caller's transaction, and return them with their positions.

    `heads` are those of the events' slices if the caller has locked them already. Raises
    `asyncpg.UniqueViolationError` if a stream has changed since its state was read, or an event id exists.
    """
    if not events:
        return []
    slices = sorted({event.slice_number for event in events})
    heads = heads or heads_from(await connection.fetch(HEADS, slices))
    recorded = chain(events, heads)
    await connection.execute(APPEND, *append_columns(recorded, heads))
    return recorded


def chain(events: Sequence[NewEvent], heads: Heads) -> list[RecordedEvent]:
    """Assign positions and hashes to the events, and advance `heads` to the last of each slice."""
    recorded = []
    for event in events:
        position, prev_hash = heads[event.slice_number]
        this_hash = chained_hash(
            prev_hash,
            event_id=str(event.event_id),
            type_name=event.type_name,
            stream_id=event.stream_id,
            occurred_at=instant(event.occurred_at),
            data=event.data,
        )
        heads[event.slice_number] = (position + 1, this_hash)
        recorded.append(RecordedEvent(event, position + 1, prev_hash, this_hash))
    return recorded


def _row(entry: RecordedEvent) -> tuple[object, ...]:
    event = entry.event
    return (
        event.slice_number,
        entry.position,
        event.stream_id,
        event.version,
        event.type_name,
        event.schema_version,
        event.event_id,
        event.occurred_at,
        event.recorded_at,
        event.correlation_id,
        event.causation_id,
        event.traceparent,
        event.data,
        entry.prev_hash,
        entry.hash,
    )


def append_columns(recorded: Sequence[RecordedEvent], heads: Heads) -> tuple[Sequence[object], ...]:
    """Return the parameters of `INSERT_EVENTS` and `MOVE_HEADS`: the events, and the heads behind the last of them."""
    rows = zip(*(_row(entry) for entry in recorded), strict=True)
    slices = sorted({entry.event.slice_number for entry in recorded})
    return *rows, slices, [heads[number][0] for number in slices], [heads[number][1] for number in slices]


def from_row(row: asyncpg.Record) -> RecordedEvent:
    """Return the event in a row of table `event`."""
    event = NewEvent(
        slice_number=row["slice"],
        stream_id=row["stream_id"],
        version=row["version"],
        type_name=row["type"],
        schema_version=row["schema_version"],
        event_id=row["event_id"],
        occurred_at=row["occurred_at"],
        recorded_at=row["recorded_at"],
        correlation_id=row["correlation_id"],
        causation_id=row["causation_id"],
        traceparent=row["traceparent"],
        data=row["data"],
    )
    return RecordedEvent(event, row["position"], row["prev_hash"], row["hash"])


async def stream_page(connection: Connection, stream_id: str, *, after_version: int, limit: int) -> list[RecordedEvent]:
    """Return up to `limit` events of a stream after `after_version` (0: from the start), oldest first."""
    rows = await connection.fetch(
        "select * from event where stream_id = $1 and version > $2 order by version limit $3",
        stream_id,
        after_version,
        limit,
    )
    return [from_row(row) for row in rows]


class WrongLedger(Exception):
    """This database is not the ledger that the service was started for. The message says what to do."""


async def check_ledger(connection: Connection, *, service: str, mode: str) -> None:
    """Raise `WrongLedger` unless the database is `service`'s ledger and was made for `mode` (design §9)."""
    try:
        row = await connection.fetchrow("select service, mode, (select count(*) from slice_head) as slices from ledger")
    except asyncpg.UndefinedTableError:
        raise WrongLedger("this database has no ledger yet; run `perennial migrate`") from None
    if row is None or row["service"] != service:
        raise WrongLedger(f"this database is not the {service} ledger; check its DATABASE_URL")
    if row["mode"] != mode:
        raise WrongLedger(
            f"this ledger was made for {row['mode']} and keeps that mode; the service was started for {mode}"
        )
    if row["slices"] != SLICE_COUNT:
        raise WrongLedger(
            f"this ledger has {row['slices']} slices, this release needs {SLICE_COUNT}: run the release that created it"
        )
