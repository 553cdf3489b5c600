"""Building blocks of the tests of `shared`: events for a ledger, and the Kafka records that carry them."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, datetime, timedelta
from itertools import count
from time import monotonic

from aiokafka import ConsumerRecord

from shared.calendar import instant
from shared.kafka.cloudevents import to_headers
from shared.ledger.events import NewEvent, RecordedEvent
from shared.ledger.hash_chain import GENESIS, chained_hash
from shared.ledger.identity import new_id
from shared.ledger.outbox import Cause, Outbox
from shared.ledger.slices import partition_of, slice_of
from shared.messages import CodeBlocked, Event, encode

TOPIC = "activation.events.v1"
SOURCE = "/perennial/test"
PARTITION_COUNT = 8
NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
OUTBOX = Outbox(source=SOURCE, topic=TOPIC, event_id=lambda _: None, occurred_at=lambda _: None)

type Record = ConsumerRecord[bytes | None, bytes | None]


def cause(at: datetime = NOON) -> Cause:
    """Return the cause of something decided and recorded at `at`."""
    return Cause(at=at, recorded_at=at, correlation_id=new_id())


def packed(stream_id: str, version: int = 1, event: Event | None = None) -> NewEvent:
    """Return an event ready for the ledger; its stream need not be a code's."""
    event = event or CodeBlocked(code_ref="a" * 32, note=f"{stream_id} {version}")
    return OUTBOX.pack(event, stream_id=stream_id, version=version, cause=cause())


def streams_of_slices(slices: Sequence[int], count_each: int) -> dict[int, list[str]]:
    """Return stream ids that live in the slices."""
    found: dict[int, list[str]] = {number: [] for number in slices}
    for number in count():
        if all(len(streams) == count_each for streams in found.values()):
            return found
        stream = f"stream-{number}"
        if len(found.get(slice_of(stream), [""] * count_each)) < count_each:
            found[slice_of(stream)].append(stream)
    raise AssertionError("there are streams for every slice")


def stream_in(slice_number: int) -> str:
    """Return a stream id that lives in the slice."""
    return streams_of_slices([slice_number], 1)[slice_number][0]


def recorded(events: Sequence[NewEvent]) -> list[RecordedEvent]:
    """Return what a ledger would make of the events, from its start."""
    heads: dict[int, tuple[int, bytes]] = {}
    entries = []
    for event in events:
        position, prev_hash = heads.get(event.slice_number, (0, GENESIS))
        this_hash = chained_hash(
            prev_hash,
            event_id=str(event.event_id),
            type_name=event.type_name,
            stream_id=event.stream_id,
            occurred_at=instant(event.occurred_at),
            data=event.data,
        )
        heads[event.slice_number] = (position + 1, this_hash)
        entries.append(RecordedEvent(event, position + 1, prev_hash, this_hash))
    return entries


def record_of(entry: RecordedEvent, *, offset: int, **changed: bytes | None) -> Record:
    """Return the record that carries the entry; `changed` headers have another value, or None: are missing."""
    headers = {**dict(to_headers(entry, SOURCE)), **changed}
    event = entry.event
    return record(
        key=event.stream_id.encode(),
        value=event.data,
        headers=[(name, value) for name, value in headers.items() if value is not None],
        partition=partition_of(event.slice_number, PARTITION_COUNT),
        offset=offset,
    )


def record(
    *,
    key: bytes | None = None,
    value: bytes | None = None,
    headers: Sequence[tuple[str, bytes]] = (),
    partition: int = 0,
    offset: int = 0,
) -> Record:
    return ConsumerRecord(
        topic=TOPIC,
        partition=partition,
        offset=offset,
        timestamp=0,
        timestamp_type=0,
        key=key,
        value=value,
        checksum=None,
        serialized_key_size=len(key or b""),
        serialized_value_size=len(value or b""),
        headers=tuple(headers),
    )


def outside_headers(**changed: bytes | None) -> list[tuple[str, bytes]]:
    """Return the headers of a message of an outside writer."""
    headers: dict[str, bytes | None] = {
        "ce_specversion": b"1.0",
        "ce_id": b"1",
        "ce_source": b"/shop",
        "ce_type": b"CodeBlocked",
        "ce_time": b"2026-03-01T12:00:00Z",
        **changed,
    }
    return [(name, value) for name, value in headers.items() if value is not None]


def blocked(note: str = "") -> bytes:
    """Return the body of a small event."""
    return encode(CodeBlocked(code_ref="a" * 32, note=note))


async def until(
    condition: Callable[[], Awaitable[bool]], *, what: str, within: timedelta = timedelta(seconds=10)
) -> None:
    """Wait until the condition holds."""
    deadline = monotonic() + within.total_seconds()
    while not await condition():
        assert monotonic() < deadline, f"not in time: {what}"
        await asyncio.sleep(0.01)
