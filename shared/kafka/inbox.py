"""A batch of records on its way in: what is accepted, what is parked, and where a gap is waited for.

Records of another ledger pass `position_check` and `hash_check`; those of outside tools have no positions and are
told apart by source and id. Pure: the position vector comes in with the batch and leaves changed.
"""

from collections.abc import Callable, Iterable, Mapping
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
