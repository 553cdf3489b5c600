"""A batch of records on its way in: which are accepted, which are parked, and where a gap has to be waited for.

Records of another ledger go through `position_check` and `hash_check`. Records of outside tools have no positions;
CloudEvents source and id tell their duplicates. Pure: the checkpoint comes in with the batch, and is advanced in place.
"""

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from hashlib import sha256
from typing import NamedTuple

from aiokafka import ConsumerRecord
from pydantic_core import from_json

from shared.kafka.cloudevents import (
    Envelope,
    SlicePosition,
    UnreadableEnvelope,
    header_texts,
    read_envelope,
    read_position,
)
from shared.kafka.orders import read_order
from shared.messages import UnknownEvent, UnreadableEvent

type Record = ConsumerRecord[bytes | None, bytes | None]


def content_hash(type_name: str, data: bytes) -> bytes:
    """Return a hash of what an outside message says. How its JSON is written makes no difference."""
    try:
        said = json.dumps(from_json(data), sort_keys=True).encode()
    except (ValueError, RecursionError):
        said = data
    return sha256(type_name.encode() + b"\n" + said).digest()


type Read[Message] = Callable[[Envelope, bytes], Message]
"""Deserializes a body. Raises `UnknownEvent` or `UnreadableEvent`."""


class Accepted[Message](NamedTuple):
    """A record to be handled now; `data` is the body that `message` was read from."""

    record: Record
    envelope: Envelope
    data: bytes
    message: Message

    @property
    def content_hash(self) -> bytes:
        """What tells apart different messages of one source and id (R-133)."""
        return content_hash(self.envelope.type_name, self.data)


class PositionedRecord(NamedTuple):
    """A record of another ledger with its headers as text, and its position, or what is wrong with the headers."""

    record: Record
    texts: Mapping[str, str]
    position: SlicePosition | str


@dataclass(frozen=True, slots=True)
class Parked:
    """A record that is set aside with its reason: a stable word, and a sentence that repeats no input."""

    record: Record
    reason: str
    detail: str


@dataclass(frozen=True, slots=True)
class Gap:
    """A record that arrived before its predecessor in the slice."""

    slice_number: int
    missing_position: int
    partition: int
    offset: int


@dataclass(slots=True)
class Checkpoint:
    """How far a consumer has got: the last position and hash of each slice, and the next offset of each partition."""

    slices: dict[int, tuple[int, bytes]] = field(default_factory=dict)
    offsets: dict[int, int] = field(default_factory=dict)


@dataclass(slots=True)
class Sifted[Message]:
    """What became of a batch, in the order of its records. `advanced_slices` are those with a new last position."""

    accepted: list[Accepted[Message]] = field(default_factory=list)
    parked: list[Parked] = field(default_factory=list)
    gaps: list[Gap] = field(default_factory=list)
    advanced_slices: set[int] = field(default_factory=set)

    def park(self, record: Record, reason: str, detail: str) -> None:
        """Set a record aside."""
        self.parked.append(Parked(record, reason, detail))

    def envelope(self, record: Record, texts: Mapping[str, str]) -> Envelope | None:
        """Return the envelope in the headers, or park the record and return None."""
        try:
            return read_envelope(texts)
        except UnreadableEnvelope as error:
            self.park(record, "unreadable_envelope", str(error))
            return None

    def read(self, record: Record, envelope: Envelope, data: bytes, read: Read[Message]) -> None:
        """Accept a record, or park it if its body cannot be read."""
        try:
            self.accepted.append(Accepted(record, envelope, data, read(envelope, data)))
        except UnknownEvent as error:
            # a newer release may mark an event that nobody needs to act on as ignorable; all others wait for an upgrade
            if not envelope.ignorable:
                self.park(record, "unknown_event", str(error))
        except UnreadableEvent as error:
            self.park(record, "unreadable_event", str(error))


def read_positions(records: Iterable[Record]) -> list[PositionedRecord]:
    """Read the headers of another ledger's records."""
    positioned = []
    for record in records:
        texts: Mapping[str, str] = {}
        try:
            texts = header_texts(record.headers)
            positioned.append(PositionedRecord(record, texts, read_position(texts, record.key)))
        except UnreadableEnvelope as error:
            positioned.append(PositionedRecord(record, texts, str(error)))
    return positioned


def sift_external_records[Message](
    records: Iterable[Record], checkpoint: Checkpoint, read: Read[Message], *, arrived_at: datetime
) -> Sifted[Message]:
    """Sift records whose writers assign no positions. The caller drops the duplicates by source and id.

    A record that has no time of its own is dated `arrived_at` (R-143).
    """
    sifted: Sifted[Message] = Sifted()
    for record in records:
        checkpoint.offsets[record.partition] = record.offset + 1
        try:
            envelope, data = read_order(record.headers, record.value, arrived_at=arrived_at)
        except UnreadableEnvelope as error:
            sifted.park(record, "unreadable_envelope", str(error))
        else:
            sifted.read(record, envelope, data, read)
    return sifted
