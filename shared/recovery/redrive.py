"""Redrives or discards a parked record, on an operator's order.

What was unknown may be known by now. A redriven record goes through the source's own `handle`, in one transaction with
the event that records it and the mark on the row. The consumer's checkpoint went past the record when it was parked, so
it stays as it is. If it did not, the record must come again from Kafka and is refused here. No rule may come in here.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Self

import asyncpg
from aiokafka import ConsumerRecord

from shared.kafka.cloudevents import Envelope, UnreadableEnvelope, header_texts, read_envelope, read_position
from shared.kafka.consumer import Source
from shared.kafka.inbox import Accepted, Record
from shared.kafka.orders import read_order
from shared.kafka.parking import VALUE_BYTES_MAX, headers_of, mark_discarded, mark_redriven
from shared.ledger.clock import Clock
from shared.ledger.database import ACQUIRE_TIMEOUT_SECONDS, CONFLICT, Connection, Pool, transaction
from shared.ledger.events import NewEvent, append
from shared.ledger.identity import new_id
from shared.ledger.outbox import Cause, Outbox
from shared.messages import MessageDiscarded, UnknownEvent, UnreadableEvent

CONFLICTS_MAX = 5
PLACE_NUMBERS_MIN, PLACE_NUMBERS_MAX = 2, 3
"""A name has partition and offset, and sometimes the ordinal."""

OUT_OF_ORDER = ("position_gap", "broken_chain", "unreadable_envelope")
"""Reasons for which a ledger's record was parked before its turn: its slice did not advance."""

BEFORE_THE_SIEVE = ("unreadable_envelope", "unknown_event", "unreadable_event")
"""Reasons for which an outside message was parked before its source and id were noted."""


class NotRedriven(Exception):
    """The record stays parked. `code` is stable, `detail` says what to do."""

    def __init__(self, code: str, detail: str) -> None:
        super().__init__(detail)
        self.code = code
        self.detail = detail


@dataclass(frozen=True, slots=True)
class ParkedRecord:
    """Identifies a parked record: a consumer reads one topic, so partition and offset suffice.

    But a topic that was deleted and created again has another record there: `ordinal` counts those that were parked.
    """

    consumer: str
    partition: int
    offset: int
    ordinal: int = 1

    def __str__(self) -> str:
        """Return its name, as people see and type it: CONSUMER:PARTITION:OFFSET, plus :ORDINAL from the second on."""
        name = f"{self.consumer}:{self.partition}:{self.offset}"
        return name if self.ordinal == 1 else f"{name}:{self.ordinal}"

    @classmethod
    def of(cls, row: asyncpg.Record) -> Self:
        """Return the identity of a row."""
        return cls(row["consumer"], row["partition"], row["offset"], row["ordinal"])

    @classmethod
    def named(cls, name: str) -> Self:
        """Return the record with a name. Raises `ValueError`."""
        consumer, *numbers = name.split(":")
        if not PLACE_NUMBERS_MIN <= len(numbers) <= PLACE_NUMBERS_MAX or not all(map(str.isdecimal, numbers)):
            raise ValueError("not a parked record's name")
        return cls(consumer, *map(int, numbers))


async def redrive_one(
    pool: Pool, source: Source[Any], parked: ParkedRecord, *, outbox: Outbox, clock: Clock
) -> list[str]:
    """Handle the record and return the types of the events that were recorded.

    A record that was handled meanwhile, because its ledger sent it again, is only marked. Raises `NotRedriven`.
    """
    for _ in range(CONFLICTS_MAX):
        try:
            async with transaction(pool) as connection:
                return [event.type_name for event in await _redrive(connection, source, parked, outbox, clock)]
        except CONFLICT:
            continue  # somebody else appended to one of the streams
    raise NotRedriven("busy", "the streams concerned change all the time; try again")


async def dry_run_redrive(
    pool: Pool, source: Source[Any], parked: ParkedRecord, *, outbox: Outbox, clock: Clock
) -> Sequence[NewEvent]:
    """Return the events that a redrive would record now, and roll it back. Raises `NotRedriven`."""
    async with pool.acquire(timeout=ACQUIRE_TIMEOUT_SECONDS) as connection:
        dry_run = connection.transaction()
        await dry_run.start()
        try:
            return await _redrive(connection, source, parked, outbox, clock)
        except CONFLICT:
            raise NotRedriven("busy", "the streams concerned change all the time; try again") from None
        finally:
            await dry_run.rollback()


async def discard_one(pool: Pool, parked: ParkedRecord, note: str, *, outbox: Outbox, clock: Clock) -> list[str]:
    """Record that the record will never be handled, and why; return what was recorded. Raises `NotRedriven`."""
    async with transaction(pool) as connection:
        row, now = await _locked(connection, parked), clock.now()
        cause = Cause(at=now, recorded_at=now, correlation_id=new_id())
        event = MessageDiscarded(topic=row["topic"], partition=parked.partition, offset=parked.offset, note=note)
        mark = await mark_discarded(connection, parked.consumer, event, parked.ordinal, outbox=outbox, cause=cause)
        await append(connection, [mark])
    return [mark.type_name]


async def _redrive(
    connection: Connection, source: Source[Any], parked: ParkedRecord, outbox: Outbox, clock: Clock
) -> Sequence[NewEvent]:
    if source.derived:
        raise NotRedriven("kept_by_projection", f"{source.name} is a projection: rebuild it to fold the record")
    row = await _locked(connection, parked)
    record, now = _record(row), clock.now()
    cause = Cause(at=now, recorded_at=now, correlation_id=new_id())
    events: list[NewEvent] = []
    if not await _came_again(connection, source, row["reason"], record):
        accepted = _accept(source, record, arrived_at=row["parked_at"])
        await _note_first_time(connection, source, row["reason"], accepted)
        events = await _handled(connection, source, accepted)
    mark = await mark_redriven(connection, source.name, record, parked.ordinal, outbox=outbox, cause=cause)
    await append(connection, [*events, mark])
    return [*events, mark]


async def _handled(connection: Connection, source: Source[Any], accepted: Accepted[Any]) -> list[NewEvent]:
    """Handle the record to its end, however many parts that has. Raises `NotRedriven`."""
    events: list[NewEvent] = []
    unfinished = True
    while unfinished:
        handled = await source.handle(connection, [accepted])
        for again in handled.parked:
            raise NotRedriven(again.reason, f"refused again: {again.detail}")
        events += handled.events
        unfinished = handled.unfinished
    return events


async def _locked(connection: Connection, parked: ParkedRecord) -> asyncpg.Record:
    row = await connection.fetchrow(LOCK, parked.consumer, parked.partition, parked.offset, parked.ordinal)
    if row is None or row["redriven_at"] is not None or row["discarded_at"] is not None:
        raise NotRedriven("not_parked", "no such record is parked, or it was already redriven or discarded")
    return row


def _record(row: asyncpg.Record) -> Record:
    if len(row["value"]) >= VALUE_BYTES_MAX:
        raise NotRedriven("cut", "the record is too large to be kept in full; let its writer send it again")
    return ConsumerRecord(
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
        headers=headers_of(row),
    )


async def _came_again(connection: Connection, source: Source[Any], reason: str, record: Record) -> bool:
    """Return whether a record that came out of order has come again in order. Raises `NotRedriven` if not."""
    if not source.ledger or reason not in OUT_OF_ORDER:
        return False
    try:
        place = read_position(header_texts(record.headers), record.key)
    except UnreadableEnvelope as error:
        raise NotRedriven(reason, f"its position is unknown: {error}") from None
    checkpoint = await connection.fetchrow(POSITION, source.name, place.slice_number)
    if checkpoint is None or checkpoint["position"] < place.position:
        missing = checkpoint["position"] + 1 if checkpoint else 1
        advice = f"perennial log republish --service {source.topic.partition('.')[0]} --slice {place.slice_number}"
        raise NotRedriven(reason, f"its slice has not reached it yet; run `{advice} --from-position {missing}`")
    return True


def _accept(source: Source[Any], record: Record, *, arrived_at: datetime) -> Accepted[Any]:
    try:
        envelope, data = _read(source, record, arrived_at)
        return Accepted(record, envelope, data, source.read(envelope, data))
    except UnreadableEnvelope as error:
        raise NotRedriven("unreadable_envelope", f"still: {error}") from None
    except UnknownEvent as error:
        raise NotRedriven("unknown_event", f"still: {error}") from None
    except UnreadableEvent as error:
        raise NotRedriven("unreadable_event", f"still: {error}") from None


def _read(source: Source[Any], record: Record, arrived_at: datetime) -> tuple[Envelope, bytes]:
    if source.ledger:
        return read_envelope(header_texts(record.headers)), record.value or b""
    # an order without a time counts from when it was parked, not from when somebody looked after it
    return read_order(record.headers, record.value, arrived_at=arrived_at)


async def _note_first_time(connection: Connection, source: Source[Any], reason: str, accepted: Accepted[Any]) -> None:
    """Note an outside message's source and id, as the sieve does. Raises `NotRedriven` if another record had them."""
    if source.ledger or reason not in BEFORE_THE_SIEVE:
        return
    envelope = accepted.envelope
    if not await connection.fetchval(FIRST_TIME, envelope.source, envelope.event_id, accepted.content_hash):
        raise NotRedriven("handled_already", "a later record with the same ce_source and ce_id was already handled")


LOCK = 'select * from parked where consumer = $1 and partition = $2 and "offset" = $3 and ordinal = $4 for update'

POSITION = "select position from inbound_slice where consumer = $1 and slice = $2"

FIRST_TIME = """
insert into inbound_message (source, id, content_hash) values ($1, $2, $3) on conflict do nothing returning true
"""
