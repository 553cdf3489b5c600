"""Recovers events that a ledger has lost, from its topic: after a restore from a backup.

The topic has every event in full: bytes, headers, position and hash. Each is appended at its old position, and its hash
must come out as before, so nothing is accepted that the ledger did not write. The states that the rules read are folded
in the same transaction. No rule may come in here.
"""

from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import get_args
from uuid import UUID

from aiokafka import AIOKafkaConsumer, TopicPartition

from shared.calendar import FIRST_MOMENT
from shared.kafka.cloudevents import SlicePosition, UnreadableEnvelope, header_texts, read_envelope, read_position
from shared.kafka.inbox import Record, content_hash
from shared.kafka.orders import Order, read_order
from shared.kafka.topics import layout_of
from shared.ledger.command_handler import CommandHandler, Stored
from shared.ledger.database import Connection, Pool, transaction
from shared.ledger.events import NewEvent, append
from shared.ledger.identity import uuid_or_none
from shared.messages import PARKING_EVENTS, HoldersEvent, decode

RECORDS_MAX = 1_000
FETCH_MS = 500
NOT_FOLDED = frozenset(event.__name__ for event in PARKING_EVENTS)
TOLD_TO_MANY = frozenset(event.__name__ for event in get_args(HoldersEvent.__value__))
"""The events about a whole code: large fleets are told in several transactions, and who was told stays as it is."""

type States[State] = Mapping[str, Stored[State]]
type Complete[State] = Callable[[Connection, States[State]], Awaitable[States[State]]]
"""Adds what the store loads only for commands that need it to states that were loaded without a command."""


@dataclass(frozen=True, slots=True)
class Reads:
    """The topics that a service reads: those of ledgers by the name of their consumer, and those of outside orders."""

    of_ledgers: Mapping[str, str]
    of_orders: Sequence[str]


class NotThisHistory(Exception):
    """The topic and the ledger have different histories; the message says from which event on."""


@dataclass(frozen=True, slots=True)
class Ahead:
    """A slice of which the topic has more events than the ledger."""

    slice_number: int
    on_topic: int
    in_ledger: int


async def topic_ahead_of_ledger(connection: Connection, bootstrap_servers: str, topic: str) -> Ahead | None:
    """Return a slice of which the topic has more than the ledger, or None. Only the last records are read."""
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
    """Append the events that only the topic has, all or none, and return their number.

    The messages that caused them are not handled again: the consumers of `reads` continue after those messages. No
    worker of the service may run meanwhile. Raises `NotThisHistory`.
    """
    recovered, causes = 0, set[UUID]()
    async with transaction(pool) as connection:
        await connection.execute("set local idle_in_transaction_session_timeout = 0")
        async for records in _records(bootstrap_servers, handler.outbox.topic):
            events = await _append(connection, records, handler, complete)
            recovered += len(events)
            causes |= {event.causation_id for event in events if event.causation_id}
        for consumer, topic in reads.of_ledgers.items():
            await _advance_consumer(connection, consumer, _records(bootstrap_servers, topic), causes)
        for topic in reads.of_orders:
            await _mark_handled(connection, _records(bootstrap_servers, topic), causes)
    return recovered


async def _advance_consumer(
    connection: Connection, consumer: str, batches: AsyncIterator[Sequence[Record]], causes: Collection[UUID]
) -> None:
    """Advance a consumer of another ledger to the last event that it handled: each slice is handled in order.

    If that event is about a whole code, perhaps only some of the devices were told: it is handled again.
    """
    reached: dict[int, SlicePosition] = {}
    last: dict[int, SlicePosition] = {}
    async for records in batches:
        for texts, place in _placed(records):
            before = last.get(place.slice_number)
            if before is not None and place.position <= before.position:
                continue  # a record that was sent twice
            last[place.slice_number] = place
            if uuid_or_none(texts.get("ce_id", "")) not in causes:
                continue
            if texts.get("ce_type") not in TOLD_TO_MANY:
                reached[place.slice_number] = place
            elif before is not None:
                reached[place.slice_number] = before
    places = [reached[number] for number in sorted(reached)]
    numbers, positions = [place.slice_number for place in places], [place.position for place in places]
    await connection.execute(ADVANCE, consumer, numbers, positions, [place.hash for place in places])


def _placed(records: Iterable[Record]) -> Iterator[tuple[Mapping[str, str], SlicePosition]]:
    """Yield the headers and the position of each record that has one."""
    for record in records:
        texts = _texts(record)
        try:
            yield texts, read_position(texts, record.key)
        except UnreadableEnvelope:
            continue  # its consumer parks it


async def _mark_handled(
    connection: Connection, batches: AsyncIterator[Sequence[Record]], causes: Collection[UUID]
) -> None:
    """Mark the outside orders that were handled, so that none is handled twice."""
    async for records in batches:
        orders = [order for order in _orders(records) if uuid_or_none(order.envelope.event_id) in causes]
        sources, ids = [order.envelope.source for order in orders], [order.envelope.event_id for order in orders]
        hashes = [content_hash(order.envelope.type_name, order.data) for order in orders]
        await connection.execute(MARK_HANDLED, sources, ids, hashes)


def _orders(records: Iterable[Record]) -> Iterator[Order]:
    for record in records:
        try:
            yield read_order(record.headers, record.value, arrived_at=FIRST_MOMENT)  # only its name matters here
        except UnreadableEnvelope:
            continue  # its consumer parked it


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
            raise NotThisHistory(f"the topic does not continue this ledger: {where} has a different hash")
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
    """Yield all records of a topic, each partition in order, up to its present end."""
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
    """Yield a consumer of the whole topic, without a consumer group, and the present end of each partition."""
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

ADVANCE = """
insert into inbound_slice as mine (consumer, slice, position, hash)
select $1, * from unnest($2::smallint[], $3::bigint[], $4::bytea[])
on conflict (consumer, slice) do update set position = excluded.position, hash = excluded.hash
where mine.position < excluded.position
"""

MARK_HANDLED = """
insert into inbound_message (source, id, content_hash) select * from unnest($1::text[], $2::text[], $3::bytea[])
on conflict do nothing
"""
