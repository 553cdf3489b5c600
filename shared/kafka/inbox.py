"""Decides which records of a batch are next, which are known already, and which must wait or be parked.

Pure: the position vector comes in with the batch and leaves changed. A record of a ledger is accepted
only at position last + 1 of its slice, and only if it continues the slice's hash chain.
"""

from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field

from aiokafka import ConsumerRecord

from shared.kafka.cloudevents import (
    Envelope,
    Place,
    UnreadableEnvelope,
    header_texts,
    read_envelope,
    read_place,
)
from shared.ledger.events import chained_hash
from shared.ledger.slices import partition_of
from shared.messages import UnknownEvent, UnreadableEvent

type Record = ConsumerRecord[bytes | None, bytes | None]

type Read[Message] = Callable[[Envelope, bytes], Message]
"""Reads a body. Raises `UnknownEvent` or `UnreadableEvent`."""


@dataclass(frozen=True, slots=True)
class Accepted[Message]:
    """A record that is handled now."""

    record: Record
    envelope: Envelope
    message: Message


@dataclass(frozen=True, slots=True)
class Addressed:
    """A record with its headers read: `place` is where its event stands, or what is wrong with the headers."""

    record: Record
    texts: Mapping[str, str]
    place: Place | str


@dataclass(frozen=True, slots=True)
class Parked:
    """A record that is set aside, with its reason: a stable word, and a sentence that repeats no input."""

    record: Record
    reason: str
    detail: str


@dataclass(frozen=True, slots=True)
class Gap:
    """A record came although the one before it in its slice did not."""

    slice_number: int
    missing_position: int
    partition: int
    offset: int


@dataclass(slots=True)
class Vector:
    """How far a consumer is: per slice the last position and hash, per partition the next offset."""

    slices: dict[int, tuple[int, bytes]] = field(default_factory=dict)
    offsets: dict[int, int] = field(default_factory=dict)


@dataclass(slots=True)
class Sifted[Message]:
    """A batch, sifted: in the order of the records."""

    accepted: list[Accepted[Message]] = field(default_factory=list)
    parked: list[Parked] = field(default_factory=list)
    gaps: list[Gap] = field(default_factory=list)
    moved_slices: set[int] = field(default_factory=set)

    def park(self, record: Record, reason: str, detail: str) -> None:
        """Set a record aside."""
        self.parked.append(Parked(record, reason, detail))

    def envelope(self, record: Record, texts: Mapping[str, str]) -> Envelope | None:
        """Read what the headers say, or park the record."""
        try:
            return read_envelope(texts)
        except UnreadableEnvelope as error:
            self.park(record, "unreadable_envelope", str(error))
            return None

    def read(self, record: Record, envelope: Envelope, read: Read[Message]) -> None:
        """Accept a record, or park one whose body cannot be read."""
        try:
            self.accepted.append(Accepted(record, envelope, read(envelope, record.value or b"")))
        except UnknownEvent as error:
            # a newer release may write what nobody here needs to act on, and says so; all else waits for that release
            if not envelope.ignorable:
                self.park(record, "unknown_event", str(error))
        except UnreadableEvent as error:
            self.park(record, "unreadable_event", str(error))


def address(records: Iterable[Record]) -> list[Addressed]:
    """Read the headers of records of another ledger."""
    addressed = []
    for record in records:
        texts: Mapping[str, str] = {}
        try:
            texts = header_texts(record.headers)
            addressed.append(Addressed(record, texts, read_place(texts, record.key)))
        except UnreadableEnvelope as error:
            addressed.append(Addressed(record, texts, str(error)))
    return addressed


@dataclass(frozen=True, slots=True, kw_only=True)
class LedgerSieve[Message]:
    """Sifts records of another ledger.

    Types in `ignored` are passed over unread. `overdue(slice, position)` tells whether a missing position was
    waited for long enough; until then the records after it wait, afterwards they are parked.
    """

    read: Read[Message]
    ignored: Collection[str]
    partition_count: int
    overdue: Callable[[int, int], bool]

    def sift(self, batch: Iterable[Addressed], vector: Vector) -> Sifted[Message]:
        """Sift a batch in its order; `vector` moves on."""
        sifted: Sifted[Message] = Sifted()
        waiting: dict[int, int] = {}
        for addressed in batch:
            record = addressed.record
            gap = self._sift_one(sifted, addressed, vector)
            if gap:
                sifted.gaps.append(gap)
                waiting.setdefault(record.partition, record.offset)
            # the stored offset stays before the first record that still waits
            vector.offsets[record.partition] = waiting.get(record.partition, record.offset + 1)
        return sifted

    def _sift_one(self, sifted: Sifted[Message], addressed: Addressed, vector: Vector) -> Gap | None:
        record, place = addressed.record, addressed.place
        if isinstance(place, str):
            sifted.park(record, "unreadable_envelope", place)
            return None
        if partition_of(place.slice_number, self.partition_count) != record.partition:
            sifted.park(record, "wrong_partition", "its slice belongs to another partition")
            return None
        last_position, last_hash = vector.slices[place.slice_number]
        if place.position == last_position and place.hash != last_hash:
            sifted.park(record, "conflicting_position", "another event was accepted at its position")
            return None
        if place.position > last_position + 1:
            return self._wait_or_park(sifted, record, place.slice_number, last_position + 1)
        if place.position == last_position + 1:
            self._accept(sifted, addressed, place, vector)
        return None

    def _wait_or_park(self, sifted: Sifted[Message], record: Record, slice_number: int, missing: int) -> Gap | None:
        if not self.overdue(slice_number, missing):
            return Gap(slice_number, missing, record.partition, record.offset)
        sifted.park(record, "position_gap", f"slice {slice_number} still waits for position {missing}")
        return None

    def _accept(self, sifted: Sifted[Message], addressed: Addressed, place: Place, vector: Vector) -> None:
        record, texts = addressed.record, addressed.texts
        if _hash_of(record, texts, vector.slices[place.slice_number][1]) != place.hash:
            # a header that cannot be read says more than the hash that it breaks
            if sifted.envelope(record, texts):
                sifted.park(record, "broken_chain", "it does not continue its slice's hash chain")
            return
        if texts["ce_type"] not in self.ignored:
            envelope = sifted.envelope(record, texts)
            if envelope is None:
                return
            sifted.read(record, envelope, self.read)
        vector.slices[place.slice_number] = (place.position, place.hash)
        sifted.moved_slices.add(place.slice_number)


def _hash_of(record: Record, texts: Mapping[str, str], last_hash: bytes) -> bytes | None:
    """Return the hash that the record should have, or None if a header of the chain is missing."""
    try:
        return chained_hash(
            last_hash,
            event_id=texts["ce_id"],
            type_name=texts["ce_type"],
            stream_id=texts["ce_subject"],
            occurred_at=texts["ce_time"],
            data=record.value or b"",
        )
    except KeyError:
        return None


def sift_foreign_records[Message](records: Iterable[Record], vector: Vector, read: Read[Message]) -> Sifted[Message]:
    """Sift records whose writers have no positions; the caller drops those whose source and id it knows."""
    sifted: Sifted[Message] = Sifted()
    for record in records:
        vector.offsets[record.partition] = record.offset + 1
        try:
            envelope = read_envelope(header_texts(record.headers))
        except UnreadableEnvelope as error:
            sifted.park(record, "unreadable_envelope", str(error))
        else:
            sifted.read(record, envelope, read)
    return sifted
