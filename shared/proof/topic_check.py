"""Checks Kafka's copy of a ledger: every record of a partition is compared with the ledger's event, byte by byte.

What counts is what consumers accept: in each slice position last + 1, if it continues the chain. So records may be
duplicated or out of order, as long as the accepted ones are the ledger's. Memory holds one fetch of records and their
events. Nothing is written.
"""

from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass, field
from time import monotonic
from typing import Any

from aiokafka import AIOKafkaConsumer, ConsumerRecord, TopicPartition

from shared.kafka.cloudevents import (
    UnreadableEnvelope,
    are_headers_of,
    header_texts,
    read_position,
    to_headers,
    with_schema_uri,
)
from shared.ledger.database import Connection
from shared.ledger.events import RecordedEvent, from_row
from shared.ledger.hash_chain import GENESIS, chained_hash
from shared.ledger.slices import SLICE_COUNT, partition_of
from shared.proof.findings import Findings

FETCH_RECORDS = 4_000
FETCH_MS = 500
FETCH_BYTES = 4 * 1_048_576
SILENCE_SECONDS_MAX = 60.0
POSITION_END = 1 << 62

type Record = ConsumerRecord[bytes | None, bytes | None]


class TopicSilent(Exception):
    """Kafka returned no record for a long time, though there are more."""


@dataclass(frozen=True, slots=True)
class TopicTask:
    """Partitions to check. `published` says by slice up to which position the topic must have the ledger's events."""

    topic: str
    partitions: tuple[int, ...]
    partition_count: int
    source: str
    published: dict[int, int]


@dataclass(slots=True)
class _Slice:
    """The last event of a slice that consumers accept, and the ranges of positions after a gap."""

    position: int = 0
    hash: bytes = GENESIS
    ahead: list[list[int]] = field(default_factory=list)

    def note_ahead(self, position: int) -> None:
        if self.ahead and self.ahead[-1][1] == position - 1:
            self.ahead[-1][1] = position
        else:
            self.ahead.append([position, position])


async def check_topic(
    connection: Connection,
    bootstrap_servers: str,
    task: TopicTask,
    findings: Findings,
    *,
    on_checked: Callable[[int], None],
) -> None:
    """Check partitions to their ends; `on_checked` is called with the size of each fetch. Raises `TopicSilent`."""
    check = TopicCheck(task, findings)
    async for records in records_of(bootstrap_servers, task.topic, task.partitions):
        claims = [_claim_of(record) for record in records]
        events = await _events_at(connection, {claim for claim in claims if claim})
        for record, claim in zip(records, claims, strict=True):
            check.check(record, events.get(claim) if claim else None)
        on_checked(len(records))
    check.end()


async def records_of(bootstrap_servers: str, topic: str, partitions: Sequence[int]) -> AsyncIterator[Sequence[Record]]:
    """Yield all records that partitions have now, fetch by fetch, without joining a consumer group."""
    consumer = AIOKafkaConsumer(
        bootstrap_servers=bootstrap_servers,
        enable_auto_commit=False,
        # a seek to the beginning loses against the reset that an assignment starts
        auto_offset_reset="earliest",
        max_partition_fetch_bytes=FETCH_BYTES,
    )
    await consumer.start()
    try:
        ends = await consumer.end_offsets([TopicPartition(topic, number) for number in partitions])
        left = {place for place, end in ends.items() if end}
        consumer.assign(list(left))
        heard_at = monotonic()
        while left:
            for place, records in (await consumer.getmany(timeout_ms=FETCH_MS, max_records=FETCH_RECORDS)).items():
                heard_at = monotonic()
                yield [record for record in records if record.offset < ends[place]]
            # transaction markers and compacted records have offsets but are never returned
            if ended := {place for place in left if await consumer.position(place) >= ends[place]}:
                left -= ended
                consumer.pause(*ended)
            if monotonic() - heard_at > SILENCE_SECONDS_MAX:
                raise TopicSilent(f"Kafka returns no more records of {topic}")
    finally:
        await consumer.stop()


def _claim_of(record: Record) -> tuple[int, int] | None:
    """Return slice and position as a record claims them. This is the fast path: most claims are true."""
    headers = dict(record.headers)
    try:
        claim = int(headers["slice"]), int(headers["position"])
    except (KeyError, TypeError, ValueError):
        return None
    return claim if 0 <= claim[0] < SLICE_COUNT and 0 < claim[1] < POSITION_END else None


class TopicCheck:
    """The check of some partitions, record by record."""

    def __init__(self, task: TopicTask, findings: Findings) -> None:
        self._task = task
        self._findings = findings
        self._slices = {number: _Slice() for number in task.published}

    def check(self, record: Record, entry: RecordedEvent | None) -> None:
        """Check the next record; `entry` is the ledger's event at the position that it claims, if there is one."""
        if entry is not None and self._same(record, entry):
            self._check_event(record, entry)
        else:
            self._check_other(record, entry)

    def _check_event(self, record: Record, entry: RecordedEvent) -> None:
        """Check a record that is the ledger's event."""
        state = self._slices[entry.event.slice_number]
        if entry.position == state.position + 1:
            state.position, state.hash = entry.position, entry.hash
        elif entry.position > state.position:
            state.note_ahead(entry.position)
        else:
            self._find("doubled_in_topic", f"again at {_address(record)}", entry.event.slice_number, entry.position)

    def _check_other(self, record: Record, entry: RecordedEvent | None) -> None:
        """Check a record that is not the ledger's event: do consumers accept it?"""
        try:
            place = read_position(header_texts(record.headers), record.key)
        except UnreadableEnvelope as error:
            return self._stray(record, str(error))
        if partition_of(place.slice_number, self._task.partition_count) != record.partition:
            return self._stray(record, "its slice belongs to another partition")
        state = self._slices[place.slice_number]
        if place.position != state.position + 1 or _hash_of(record, state.hash) != place.hash:
            return self._stray(record, "it is not the ledger's event at its position" if entry else "no such event")
        state.position, state.hash = place.position, place.hash
        if entry is None:
            detail = f"accepted at {_address(record)}"
            return self._find("not_in_ledger", detail, place.slice_number, place.position)
        detail = f"{_address(record)} differs in {', '.join(_differences(record, entry, self._task.source))}"
        return self._find("differs_in_topic", detail, place.slice_number, place.position)

    def end(self) -> None:
        """Report events that were sent and that consumers cannot accept."""
        for number, published in self._task.published.items():
            state = self._slices[number]
            if state.position >= published:
                continue
            # records after a gap count only beyond the last accepted one: the gap may have been filled later
            after_gap = [(first, last) for first, last in state.ahead if last > state.position]
            missing_to = min((first for first, _ in after_gap), default=published + 1) - 1
            waiting = sum(last - first + 1 for first, last in after_gap)
            detail = f"positions {state.position + 1} to {missing_to}"
            detail += f"; {waiting} records after it cannot be accepted" if waiting else ""
            self._findings.add("missing_in_topic", detail, slice_number=number, position=state.position + 1)

    def _same(self, record: Record, entry: RecordedEvent) -> bool:
        event = entry.event
        return (
            record.value == event.data
            and record.partition == partition_of(event.slice_number, self._task.partition_count)
            and record.key == event.stream_id.encode()
            and are_headers_of(entry, self._task.source, record.headers)
        )

    def _stray(self, record: Record, why: str) -> None:
        self._findings.add("stray_in_topic", f"{_address(record)}: {why}")

    def _find(self, code: str, detail: str, slice_number: int, position: int) -> None:
        self._findings.add(code, detail, slice_number=slice_number, position=position)


def _address(record: Record) -> str:
    return f"partition {record.partition} offset {record.offset}"


def _hash_of(record: Record, previous: bytes) -> bytes | None:
    texts = header_texts(record.headers)
    try:
        return chained_hash(
            previous,
            event_id=texts["ce_id"],
            type_name=texts["ce_type"],
            stream_id=texts["ce_subject"],
            occurred_at=texts["ce_time"],
            data=record.value or b"",
        )
    except KeyError:
        return None


def _differences(record: Record, entry: RecordedEvent, source: str) -> list[str]:
    expected, found = dict(to_headers(entry, source)), dict(with_schema_uri(record.headers))
    names = sorted(name for name in expected.keys() | found.keys() if expected.get(name) != found.get(name))
    parts = {"value": record.value != entry.event.data, "key": record.key != entry.event.stream_id.encode()}
    return [*names, *(part for part, differs in parts.items() if differs)] or ["the order of its headers"]


async def _events_at(connection: Connection, places: set[tuple[int, int]]) -> dict[tuple[int, int], RecordedEvent]:
    """Return the ledger's events at some positions, read as ranges."""
    rows = await connection.fetch(EVENTS, *_columns(_ranges(places)))
    return {(row["slice"], row["position"]): from_row(row) for row in rows}


def _ranges(places: set[tuple[int, int]]) -> list[list[int]]:
    runs: list[list[int]] = []
    for number, position in sorted(places):
        if runs and runs[-1][0] == number and runs[-1][2] == position - 1:
            runs[-1][2] = position
        else:
            runs.append([number, position, position])
    return runs


def _columns(runs: Sequence[Sequence[int]]) -> tuple[Any, Any, Any]:
    return [run[0] for run in runs], [run[1] for run in runs], [run[2] for run in runs]


EVENTS = """
select e.* from unnest($1::smallint[], $2::bigint[], $3::bigint[]) as run(slice, first, last)
join event e on e.slice = run.slice and e.position between run.first and run.last
"""
