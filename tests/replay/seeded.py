"""Ledgers with years of history in them, and a projection that has heard it: as its consumer would, without Kafka."""

from collections.abc import Sequence
from typing import Any

from aiokafka import ConsumerRecord

from services.activation.store import CodeStore
from services.device.store import DeviceStore
from shared.kafka.cloudevents import header_texts, read_envelope, read_event, to_headers
from shared.kafka.inbox import Accepted, Checkpoint, Record, Sifted
from shared.kafka.progress import Progress
from shared.ledger.database import Connection, Pool, transaction
from shared.ledger.events import NewEvent, RecordedEvent, append, from_row
from shared.ledger.slices import partition_of
from shared.messages import UnknownEvent
from shared.projector import Projection, Subject
from shared.projector.live import fold_batch
from tests.benchmarks.histories import Written, cohort
from tests.conftest import Database

PARTITIONS = 8
SOURCE = "/perennial/sandbox/device"
WRITTEN = cohort("tests", 60)


async def fill_devices(connection: Connection, written: Written = WRITTEN) -> list[RecordedEvent]:
    """Write a cohort's devices as their service does, in one transaction."""
    async with connection.transaction():
        recorded = await append(connection, written.device)
        await DeviceStore().save(connection, {}, written.device_states)
    return recorded


async def fill_codes(connection: Connection, written: Written = WRITTEN) -> list[RecordedEvent]:
    """Write a cohort's codes as their service does, in one transaction."""
    async with connection.transaction():
        recorded = await append(connection, written.activation)
        await CodeStore().save(connection, {}, written.code_states)
    return recorded


def record_of(entry: RecordedEvent, offset: int, *, topic: str = "device.events.v1", source: str = SOURCE) -> Record:
    """Return the record that the relay makes of an event."""
    return ConsumerRecord(
        topic=topic,
        partition=partition_of(entry.event.slice_number, PARTITIONS),
        offset=offset,
        timestamp=0,
        timestamp_type=0,
        key=entry.event.stream_id.encode(),
        value=entry.event.data,
        checksum=None,
        serialized_key_size=0,
        serialized_value_size=0,
        headers=tuple(to_headers(entry, source)),
    )


async def hear(pool: Pool, projection: Projection[Any], *, limit: int = 1_000_000) -> int:
    """Let a projection's consumer hear up to `limit` more events of its ledger; return how many it heard."""
    progress = Progress(projection.name)
    async with transaction(pool) as connection:
        claims = await progress.claim(connection, list(range(PARTITIONS)))
        checkpoint = await progress.hold(connection, claims, owned={}, slices=range(256))
        rows = await connection.fetch(NEXT, projection.name, limit)
        sifted: Sifted[Any] = Sifted()
        for offset, entry in enumerate(map(from_row, rows)):
            record = record_of(entry, offset)
            envelope = read_envelope(header_texts(record.headers))
            checkpoint.slices[entry.event.slice_number] = (entry.position, entry.hash)
            sifted.advanced_slices.add(entry.event.slice_number)
            if envelope.type_name not in projection.ignored:
                sifted.accepted += _read(record, envelope)
        await fold_batch(projection, connection, sifted.accepted)
        await progress.move(connection, Checkpoint(checkpoint.slices, {0: 0}), sifted)
    return len(rows)


def _read(record: Record, envelope: Any) -> list[Accepted[Any]]:
    try:
        return [Accepted(record, envelope, record.value or b"", read_event(envelope, record.value or b""))]
    except UnknownEvent:
        return []


def subject(database: Database, projection: Projection[Any], **options: Any) -> Subject:
    """Return a projection of a database as the subject of a rebuild from its own ledger."""
    return Subject(
        **{
            "projection": projection,
            "database_url": database.service,
            "ledger_url": database.service,
            "source": "ledger",
            **options,
        }
    )


async def rows_of(connection: Connection, projection: Projection[Any], schema: str = "public") -> Sequence[str]:
    """Return a table's rows as texts."""
    rows = await connection.fetch(f"select t::text from {schema}.{projection.name} t order by 1")
    return [row[0] for row in rows]


def newer(event: NewEvent, type_name: str = "CodeMelted", schema_version: int = 7) -> NewEvent:
    """Return an event of a later release, which follows another in its stream."""
    return event._replace(
        type_name=type_name,
        schema_version=schema_version,
        version=event.version + 1,
        event_id=event.correlation_id,
        data=b'{"melted":true}',
    )


NEXT = """
select e.* from event e join inbound_slice i on i.slice = e.slice and i.consumer = $1
where e.position > i.position order by e.slice, e.position limit $2
"""
