"""Gives a ledger back what its topic has and it has lost: after a restore from a backup.

The topic carries every event whole: bytes, headers, position and hash. Each is appended again at its own position, and
the hash that comes out must be the one that went out, so nothing is believed that the ledger did not write. The states
that the rules read are folded on in the same transaction. No rule may come in here.
"""

from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from uuid import UUID

from aiokafka import AIOKafkaConsumer, TopicPartition

from shared.kafka.cloudevents import SlicePosition, UnreadableEnvelope, header_texts, read_envelope, read_position
from shared.kafka.inbox import Record
from shared.kafka.topics import layout_of
from shared.ledger.command_handler import CommandHandler, Stored
from shared.ledger.database import Connection, Pool, transaction
from shared.ledger.events import NewEvent, append
from shared.ledger.identity import uuid_or_none
from shared.messages import PARKING_EVENTS, decode

RECORDS_MAX = 1_000
FETCH_MS = 500
NOT_FOLDED = frozenset(event.__name__ for event in PARKING_EVENTS)

type States[State] = Mapping[str, Stored[State]]
type Complete[State] = Callable[[Connection, States[State]], Awaitable[States[State]]]
"""Adds to loaded states what their store loads only for the commands that need it."""


@dataclass(frozen=True, slots=True)
class Reads:
    """What a service reads: topics of ledgers by the readers that answer them, and topics of outside orders."""

    of_ledgers: Mapping[str, str]
    of_orders: Sequence[str]


class NotThisHistory(Exception):
    """The topic and the ledger tell different stories; the message says from where on."""


@dataclass(frozen=True, slots=True)
class Ahead:
    """A slice of which the topic has more than the ledger."""

    slice_number: int
    on_topic: int
    in_ledger: int


async def ahead_of(connection: Connection, bootstrap_servers: str, topic: str) -> Ahead | None:
    """Return a slice of which the topic has more than the ledger, or None. It looks at each partition's last record."""
    async with _reader(bootstrap_servers, topic) as (consumer, ends):
        for partition, end in ends.items():
            if not end:
                continue
            consumer.seek(partition, end - 1)
        waiting = {partition for partition, end in ends.items() if end}
        while waiting:
            for partition, records in (await consumer.getmany(timeout_ms=FETCH_MS)).items():
                waiting.discard(partition)
                place = _place(records[-1])
                head = await connection.fetchval("select position from slice_head where slice = $1", place.slice_number)
                if place.position > head:
                    return Ahead(place.slice_number, place.position, head)
    return None


async def recover[Command, State](
    pool: Pool,
    bootstrap_servers: str,
    handler: CommandHandler[Command, State],
    *,
    reads: Reads,
    complete: Complete[State] | None = None,
) -> int:
    """Append what the topic has more than the ledger, and return how many events that were: all of them or none.

    What they were answers to is not handled again: the readers of `reads` go on behind it. No worker of the service may
    run meanwhile. Raises `NotThisHistory`.
    """
    recovered, causes = 0, set[UUID]()
    async with transaction(pool) as connection:
        await connection.execute("set local idle_in_transaction_session_timeout = 0")
        async for records in _records(bootstrap_servers, handler.outbox.topic):
            events = await _append(connection, records, handler, complete)
            recovered += len(events)
            causes |= {event.causation_id for event in events if event.causation_id}
        for reader, topic in reads.of_ledgers.items():
            await _go_on_behind(connection, reader, _records(bootstrap_servers, topic), causes)
        for topic in reads.of_orders:
            await _know_orders(connection, _records(bootstrap_servers, topic), causes)
    return recovered


async def _go_on_behind(
    connection: Connection, reader: str, batches: AsyncIterator[Sequence[Record]], causes: Collection[UUID]
) -> None:
    """Move a reader of another ledger behind the last event that was answered: a slice is handled in order."""
    reached: dict[int, SlicePosition] = {}
    async for records in batches:
        for record in records:
            texts = header_texts(record.headers)
            if uuid_or_none(texts.get("ce_id", "")) in causes:
                place = read_position(texts, record.key)
                reached[place.slice_number] = place
    places = [reached[number] for number in sorted(reached)]
    numbers, positions = [place.slice_number for place in places], [place.position for place in places]
    await connection.execute(GO_ON, reader, numbers, positions, [place.hash for place in places])


async def _know_orders(
    connection: Connection, batches: AsyncIterator[Sequence[Record]], causes: Collection[UUID]
) -> None:
    """Remember the outside orders that were taken, so that none is taken twice."""
    async for records in batches:
        texts = [_texts(record) for record in records]
        known = [one for one in texts if uuid_or_none(one.get("ce_id", "")) in causes]
        await connection.execute(KNOW, [one["ce_source"] for one in known], [one["ce_id"] for one in known])


def _texts(record: Record) -> Mapping[str, str]:
    try:
        return header_texts(record.headers)
    except UnreadableEnvelope:
        return {}


async def _append[Command, State](
    connection: Connection,
    records: Sequence[Record],
    handler: CommandHandler[Command, State],
    complete: Complete[State] | None,
) -> list[NewEvent]:
    heads = {row["slice"]: row["position"] for row in await connection.fetch("select slice, position from slice_head")}
    lost: list[tuple[SlicePosition, NewEvent]] = []
    for record in records:
        place = _place(record)
        if place.position == heads[place.slice_number] + 1:
            heads[place.slice_number] += 1
            lost.append((place, _event(record)))
    if not lost:
        return []
    for (place, event), entry in zip(lost, await append(connection, [event for _, event in lost]), strict=True):
        if entry.hash != place.hash:
            where = f"slice {place.slice_number} position {place.position} ({event.type_name})"
            raise NotThisHistory(f"the topic does not continue this ledger: {where} has another hash")
    await _fold(connection, [event for _, event in lost], handler, complete)
    # what came from the topic is on the topic
    slices = sorted({place.slice_number for place, _ in lost})
    await connection.execute(PUBLISHED, slices)
    return [event for _, event in lost]


async def _fold[Command, State](
    connection: Connection,
    events: Sequence[NewEvent],
    handler: CommandHandler[Command, State],
    complete: Complete[State] | None,
) -> None:
    folded = [event for event in events if event.type_name not in NOT_FOLDED]
    streams = sorted({event.stream_id for event in folded})
    before = await handler.store.load(connection, [], streams)
    if complete:
        before = await complete(connection, before)
    after: dict[str, Stored[State]] = {}
    for event in folded:
        stored = after.get(event.stream_id) or before.get(event.stream_id) or Stored(0, handler.decider.initial)
        state = handler.decider.evolve(stored.state, decode(event.type_name, event.schema_version, event.data))
        after[event.stream_id] = Stored(event.version, state)
    if after:
        await handler.store.save(connection, before, after)


def _event(record: Record) -> NewEvent:
    texts = header_texts(record.headers)
    envelope = read_envelope(texts)
    return NewEvent(
        slice_number=int(texts["slice"]),
        stream_id=envelope.subject,
        version=int(texts["ce_streamversion"]),
        type_name=envelope.type_name,
        schema_version=envelope.schema_version,
        event_id=UUID(envelope.event_id),
        occurred_at=envelope.occurred_at,
        recorded_at=envelope.recorded_at,
        correlation_id=UUID(texts["ce_correlationid"]),
        causation_id=UUID(texts["ce_causationid"]) if "ce_causationid" in texts else None,
        traceparent=envelope.traceparent,
        data=record.value or b"",
    )


def _place(record: Record) -> SlicePosition:
    return read_position(header_texts(record.headers), record.key)


async def _records(bootstrap_servers: str, topic: str) -> AsyncIterator[Sequence[Record]]:
    """Yield all records of a topic, in the order of each partition, up to what are the last ones now."""
    async with _reader(bootstrap_servers, topic) as (consumer, ends):
        for partition, first in (await consumer.beginning_offsets(list(ends))).items():
            consumer.seek(partition, first)
        while any([await consumer.position(partition) < end for partition, end in ends.items()]):
            fetched = await consumer.getmany(timeout_ms=FETCH_MS, max_records=RECORDS_MAX)
            yield [record for batch in fetched.values() for record in batch]


@asynccontextmanager
async def _reader(
    bootstrap_servers: str, topic: str
) -> AsyncIterator[tuple[AIOKafkaConsumer, Mapping[TopicPartition, int]]]:
    """Yield a consumer of the whole topic, without a group, and where each partition ends now."""
    layout = await layout_of(bootstrap_servers, topic)
    partitions = [TopicPartition(topic, number) for number in range(layout.partitions if layout else 0)]
    consumer = AIOKafkaConsumer(bootstrap_servers=bootstrap_servers, enable_auto_commit=False)
    await consumer.start()
    try:
        consumer.assign(partitions)
        yield consumer, await consumer.end_offsets(partitions)
    finally:
        await consumer.stop()


PUBLISHED = """
update slice_published sent set position = greatest(sent.position, head.position)
from slice_head head where head.slice = sent.slice and sent.slice = any($1::smallint[])
"""

GO_ON = """
insert into inbound_slice as mine (consumer, slice, position, hash)
select $1, * from unnest($2::smallint[], $3::bigint[], $4::bytea[])
on conflict (consumer, slice) do update set position = excluded.position, hash = excluded.hash
where mine.position < excluded.position
"""

KNOW = """
insert into inbound_message (source, id) select * from unnest($1::text[], $2::text[]) on conflict do nothing
"""
