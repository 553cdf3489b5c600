"""Reads the log from Kafka, up to given positions, and takes what the live consumer takes.

A record that continues its slice's hash chain is the ledger's next event, and is taken at once. Every other one is
judged by the live consumer's own sieve, which is slower: both take the same, by one set of rules.
"""

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from hashlib import sha256
from typing import Any

from aiokafka import ConsumerRecord

from shared.kafka.inbox import Checkpoint, Record, read_positions
from shared.kafka.position_check import PositionCheck
from shared.ledger.hash_chain import GENESIS
from shared.ledger.slices import SLICE_COUNT
from shared.projector.chunks import Chunk
from shared.projector.failures import ProjectorFailed
from shared.projector.fetching import StoredRecord, Topic
from shared.projector.folding import Entry
from shared.projector.ledger_log import Places
from shared.projector.shadow import Heads, Passed

MISSING_NAMED_MAX = 5
EARLY_MAX = 50_000
"""So many records that stand before their predecessors wait in memory; more are found wanting at the end."""


@dataclass(frozen=True, slots=True)
class KafkaLog:
    """One topic, and what the live consumer passed over of it."""

    topic: Topic
    passed_over: Places = frozenset()

    def slices(self, partition: int) -> frozenset[int]:
        """Return the slices that a partition carries."""
        return frozenset(range(partition, SLICE_COUNT, self.topic.partition_count))

    async def partition(
        self, number: int, upto: Mapping[int, int], heads: Heads, passed: Passed
    ) -> AsyncIterator[Chunk]:
        """Yield a partition's events from `heads` up to the positions `upto`.

        Raises `ProjectorFailed` if a record is missing.
        """
        sift = PartitionSift(self.topic.name, number, self.topic.partition_count, upto, dict(heads), passed)
        while not sift.done:
            records, end = await self.topic.fetch(number, sift.offset)
            entries = sift.take(records)
            yield Chunk(self._folded(entries), len(entries), sift.moved_heads(entries), {number: sift.passed})
            if not records and sift.offset >= end and not sift.done:
                raise sift.missing()

    def _folded(self, entries: list[Entry]) -> list[Entry]:
        if not self.passed_over:
            return entries
        return [entry for entry in entries if (entry[0], entry[1]) not in self.passed_over]


@dataclass(slots=True)
class PartitionSift:
    """Takes the records of one partition in the order of their slices, up to the positions `upto`."""

    topic: str
    partition: int
    partition_count: int
    upto: Mapping[int, int]
    heads: dict[int, tuple[int, bytes]]
    begun: Passed
    offset: int = field(init=False)
    _held: int | None = None
    _repeated: int = field(init=False)
    _first_repeated: str | None = field(init=False)
    _waiting: dict[tuple[int, int], StoredRecord] = field(default_factory=dict)
    _strays: dict[int, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.offset = self.begun.next_offset
        self._repeated, self._first_repeated = self.begun.repeated, self.begun.first_repeated
        for number in range(self.partition, SLICE_COUNT, self.partition_count):
            self.heads.setdefault(number, (0, GENESIS))

    @property
    def done(self) -> bool:
        """Whether every slice is where it should be."""
        return all(self.heads[number][0] >= upto for number, upto in self.upto.items())

    @property
    def passed(self) -> Passed:
        """Return how far the partition was read. What waits or came too early must be read again."""
        again = [record.offset for record in self._waiting.values()]
        next_offset = min([self.offset, *again, *([] if self._held is None else [self._held])])
        seen_offset = max(self.offset, self.begun.seen_offset)
        return Passed(next_offset, seen_offset, self._repeated, self._first_repeated)

    def moved_heads(self, entries: Sequence[Entry]) -> Heads:
        """Return the heads of the slices that have taken something."""
        return {number: self.heads[number] for number in {entry[0] for entry in entries}}

    def take(self, records: Sequence[StoredRecord]) -> list[Entry]:
        """Return the events of the records that are next in their slices."""
        taken: list[Entry] = []
        for record in records:
            self.offset = record.offset + 1
            following: StoredRecord | None = record
            while following is not None:
                entry = self._next(following)
                if entry is None:
                    break
                taken.append(entry)
                self.heads[entry[0]] = (entry[1], entry[2])
                following = self._waiting.pop((entry[0], entry[1] + 1), None) if self._waiting else None
        return taken

    def _next(self, record: StoredRecord) -> Entry | None:
        headers: dict[str, Any] = dict(record.headers)
        try:
            number, position = int(headers["slice"]), int(headers["position"])
            last_position, last_hash = self.heads[number]
            if position != last_position + 1 or position > self.upto.get(number, 0):
                self._pass_by(record, number, position, headers)
                return None
            type_name, subject, time = headers["ce_type"], headers["ce_subject"], headers["ce_time"]
            value = record.value or b""
            told = b"%b%b\n%b\n%b\n%b\n%b" % (last_hash, headers["ce_id"], type_name, subject, time, value)
            digest = sha256(told).digest()
            if digest.hex().encode() != headers["hash"] or record.key != subject:
                return self._judged(record)
            return Entry(
                number,
                position,
                digest,
                subject.decode(),
                int(headers["ce_streamversion"]),
                type_name.decode(),
                int(headers["ce_dataschema"].rpartition(b"/")[2]),
                datetime.fromisoformat(time.decode()),
                datetime.fromisoformat(headers["ce_recordedtime"].decode()),
                value,
            )
        except (KeyError, TypeError, ValueError):
            return self._judged(record)

    def _pass_by(self, record: StoredRecord, number: int, position: int, headers: Mapping[str, bytes]) -> None:
        """Note a record that is not next: it comes too early, again, or in place of another."""
        last_position, last_hash = self.heads[number]
        if position > self.upto.get(number, 0):
            self._held = record.offset if self._held is None else min(self._held, record.offset)
        elif position > last_position:
            if len(self._waiting) < EARLY_MAX:
                self._waiting.setdefault((number, position), record)
        elif position == last_position and headers.get("hash") != last_hash.hex().encode():
            self._strays[number] = f"another record of position {position} stands at offset {record.offset}"
        elif record.offset >= self.begun.seen_offset:
            self._repeated += 1
            self._first_repeated = self._first_repeated or f"slice {number} position {position} offset {record.offset}"

    def _judged(self, record: StoredRecord) -> Entry | None:
        """Return the event of a record that is not plainly the next one, if the live consumer would take it."""
        whole = self._whole(record)
        vector = Checkpoint(dict(self.heads))
        sieve: PositionCheck[None] = PositionCheck(
            read=lambda *_: None, ignored=(), partition_count=self.partition_count, overdue=lambda *_: True
        )
        sifted = sieve.sift(read_positions([whole]), vector)
        for parked in sifted.parked:
            self._note_stray(whole, f"{parked.reason} ({parked.detail}) at offset {parked.record.offset}")
        if not sifted.accepted:
            return None
        (number,) = sifted.advanced_slices
        envelope = sifted.accepted[0].envelope
        return Entry(
            number,
            *vector.slices[number],
            envelope.subject,
            UNKNOWN_VERSION,
            envelope.type_name,
            envelope.schema_version,
            envelope.occurred_at,
            envelope.recorded_at,
            whole.value or b"",
        )

    def _note_stray(self, record: Record, what: str) -> None:
        claimed = dict(record.headers).get("slice") or b""
        if claimed.isdigit():
            self._strays[int(claimed)] = what

    def _whole(self, record: StoredRecord) -> Record:
        return ConsumerRecord(
            topic=self.topic,
            partition=self.partition,
            offset=record.offset,
            timestamp=0,
            timestamp_type=0,
            key=record.key,
            value=record.value,
            checksum=None,
            serialized_key_size=len(record.key or b""),
            serialized_value_size=len(record.value or b""),
            headers=record.headers,  # type: ignore[arg-type] # a value may be absent, whatever the client's types say
        )

    def missing(self) -> ProjectorFailed:
        """Return what to say when the partition ended too early."""
        wanting = [number for number, upto in sorted(self.upto.items()) if self.heads[number][0] < upto]
        named = "; ".join(self._missing(number) for number in wanting[:MISSING_NAMED_MAX])
        more = f"; and {len(wanting) - MISSING_NAMED_MAX} more slices" if len(wanting) > MISSING_NAMED_MAX else ""
        return ProjectorFailed("record_missing", f"{self.topic} partition {self.partition}: {named}{more}")

    def _missing(self, number: int) -> str:
        stray = self._strays.get(number)
        return f"slice {number} position {self.heads[number][0] + 1}" + (f", instead of it {stray}" if stray else "")


UNKNOWN_VERSION = 2
"""Not the first of its stream, as far as is known: its state is looked for."""
