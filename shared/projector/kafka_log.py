"""Reads the log from Kafka, up to given positions, and accepts the same records as the live consumer.

A record that continues the hash chain of its slice is the ledger's next event and is accepted at once. Any other record
goes through the live consumer's own sieve, which is slower: both apply one set of rules.
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
from shared.projector.bounded_fold import Entry
from shared.projector.checkpoint import SliceCheckpoint
from shared.projector.chunks import Chunk
from shared.projector.failures import ProjectorFailed
from shared.projector.ledger_log import Places
from shared.projector.shadow import PartitionProgress
from shared.projector.topic_reader import StoredRecord, TopicReader

MISSING_NAMED_MAX = 5
EARLY_MAX = 50_000
"""How many records that come before their predecessors are kept in memory; any more are reported missing at the end."""


@dataclass(frozen=True, slots=True)
class KafkaLog:
    """One topic, and the events of it that the live consumer skipped."""

    topic: TopicReader
    skipped: Places = frozenset()

    def slices(self, partition: int) -> frozenset[int]:
        """Return the slices that a partition carries."""
        return frozenset(range(partition, SLICE_COUNT, self.topic.partition_count))

    async def partition(
        self, number: int, upto: Mapping[int, int], checkpoint: SliceCheckpoint, progress: PartitionProgress
    ) -> AsyncIterator[Chunk]:
        """Yield a partition's events after `checkpoint` up to the positions `upto`.

        Raises `ProjectorFailed` if a record is missing.
        """
        sift = PartitionSift(self.topic.name, number, self.topic.partition_count, upto, dict(checkpoint), progress)
        while not sift.done:
            records, end = await self.topic.fetch(number, sift.offset)
            entries = sift.accept(records)
            yield Chunk(
                self._without_skipped(entries), len(entries), sift.checkpoint_after(entries), {number: sift.progress}
            )
            if not records and sift.offset >= end and not sift.done:
                raise sift.missing()

    def _without_skipped(self, entries: list[Entry]) -> list[Entry]:
        if not self.skipped:
            return entries
        return [entry for entry in entries if (entry[0], entry[1]) not in self.skipped]


@dataclass(slots=True)
class PartitionSift:
    """Accepts the records of one partition in the order of their slices, up to the positions `upto`."""

    topic: str
    partition: int
    partition_count: int
    upto: Mapping[int, int]
    checkpoint: dict[int, tuple[int, bytes]]
    resumed_from: PartitionProgress
    offset: int = field(init=False)
    _first_beyond: int | None = None
    _repeated: int = field(init=False)
    _first_repeated: str | None = field(init=False)
    _early: dict[tuple[int, int], StoredRecord] = field(default_factory=dict)
    _strays: dict[int, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.offset = self.resumed_from.next_offset
        self._repeated, self._first_repeated = self.resumed_from.repeated, self.resumed_from.first_repeated
        for number in range(self.partition, SLICE_COUNT, self.partition_count):
            self.checkpoint.setdefault(number, (0, GENESIS))

    @property
    def done(self) -> bool:
        """Whether every slice has reached its position."""
        return all(self.checkpoint[number][0] >= upto for number, upto in self.upto.items())

    @property
    def progress(self) -> PartitionProgress:
        """Return how far the partition was read. Records that are early or beyond `upto` must be read again."""
        again = [record.offset for record in self._early.values()]
        next_offset = min([self.offset, *again, *([] if self._first_beyond is None else [self._first_beyond])])
        seen_offset = max(self.offset, self.resumed_from.seen_offset)
        return PartitionProgress(next_offset, seen_offset, self._repeated, self._first_repeated)

    def checkpoint_after(self, entries: Sequence[Entry]) -> SliceCheckpoint:
        """Return the checkpoint of the slices that have one of the entries."""
        return {number: self.checkpoint[number] for number in {entry[0] for entry in entries}}

    def accept(self, records: Sequence[StoredRecord]) -> list[Entry]:
        """Return the events of the records that are next in their slices."""
        accepted: list[Entry] = []
        for record in records:
            self.offset = record.offset + 1
            following: StoredRecord | None = record
            while following is not None:
                entry = self._next(following)
                if entry is None:
                    break
                accepted.append(entry)
                self.checkpoint[entry[0]] = (entry[1], entry[2])
                following = self._early.pop((entry[0], entry[1] + 1), None) if self._early else None
        return accepted

    def _next(self, record: StoredRecord) -> Entry | None:
        headers: dict[str, Any] = dict(record.headers)
        try:
            number, position = int(headers["slice"]), int(headers["position"])
            last_position, last_hash = self.checkpoint[number]
            if position != last_position + 1 or position > self.upto.get(number, 0):
                self._set_aside(record, number, position, headers)
                return None
            type_name, subject, time = headers["ce_type"], headers["ce_subject"], headers["ce_time"]
            value = record.value or b""
            hashed = b"%b%b\n%b\n%b\n%b\n%b" % (last_hash, headers["ce_id"], type_name, subject, time, value)
            digest = sha256(hashed).digest()
            if digest.hex().encode() != headers["hash"] or record.key != subject:
                return self._sifted(record)
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
            return self._sifted(record)

    def _set_aside(self, record: StoredRecord, number: int, position: int, headers: Mapping[str, bytes]) -> None:
        """Note a record that is not next: it is beyond `upto`, early, a duplicate, or in place of another."""
        last_position, last_hash = self.checkpoint[number]
        if position > self.upto.get(number, 0):
            beyond = self._first_beyond
            self._first_beyond = record.offset if beyond is None else min(beyond, record.offset)
        elif position > last_position:
            if len(self._early) < EARLY_MAX:
                self._early.setdefault((number, position), record)
        elif position == last_position and headers.get("hash") != last_hash.hex().encode():
            self._strays[number] = f"another record of position {position} is at offset {record.offset}"
        elif record.offset >= self.resumed_from.seen_offset:
            self._repeated += 1
            self._first_repeated = self._first_repeated or f"slice {number} position {position} offset {record.offset}"

    def _sifted(self, record: StoredRecord) -> Entry | None:
        """Return the event of a record that is not plainly the next one, if the live consumer would accept it."""
        whole = self._whole(record)
        vector = Checkpoint(dict(self.checkpoint))
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
        """Return the failure of a partition that ended too early: which positions are missing."""
        wanting = [number for number, upto in sorted(self.upto.items()) if self.checkpoint[number][0] < upto]
        named = "; ".join(self._missing(number) for number in wanting[:MISSING_NAMED_MAX])
        more = f"; and {len(wanting) - MISSING_NAMED_MAX} more slices" if len(wanting) > MISSING_NAMED_MAX else ""
        return ProjectorFailed("record_missing", f"{self.topic} partition {self.partition}: {named}{more}")

    def _missing(self, number: int) -> str:
        stray = self._strays.get(number)
        return f"slice {number} position {self.checkpoint[number][0] + 1}" + (
            f", instead of it {stray}" if stray else ""
        )


UNKNOWN_VERSION = 2
"""For all we know it is not the first of its stream, so its state is looked up."""
