"""The log as Kafka has it: taken as the live consumer takes it, and told where it is not whole."""

import random
from collections.abc import Callable, Sequence
from dataclasses import replace

import pytest

from shared.kafka.inbox import Checkpoint, Record, read_positions
from shared.kafka.position_check import PositionCheck
from shared.ledger.events import RecordedEvent
from shared.ledger.events import chain as chained
from shared.ledger.hash_chain import GENESIS
from shared.projector.kafka_log import PartitionSift
from shared.projector.shadow import PartitionProgress
from tests.replay.seeded import PARTITIONS, WRITTEN, record_of

PARTITION = 3
SLICES = range(PARTITION, 256, PARTITIONS)
LEDGER: list[RecordedEvent] = [
    entry
    for entry in chained(WRITTEN.device, dict.fromkeys(range(256), (0, GENESIS)))
    if entry.event.slice_number % PARTITIONS == PARTITION
]
UPTO = {entry.event.slice_number: entry.position for entry in LEDGER}
"""Where each slice ends."""


def topic_of(entries: Sequence[RecordedEvent]) -> list[Record]:
    return [record_of(entry, offset) for offset, entry in enumerate(entries)]


def sift_of(upto: dict[int, int] = UPTO, resumed_from: PartitionProgress = PartitionProgress()) -> PartitionSift:  # noqa: B008 - it is frozen
    return PartitionSift("device.events.v1", PARTITION, PARTITIONS, upto, {}, resumed_from)


def places(entries: Sequence[tuple[object, ...]]) -> list[tuple[object, object]]:
    return [(entry[0], entry[1]) for entry in entries]


def in_order(entries: Sequence[RecordedEvent]) -> list[tuple[object, object]]:
    return [(entry.event.slice_number, entry.position) for entry in entries]


def test_there_is_a_log() -> None:
    assert len(LEDGER) > 40
    assert len(UPTO) > 5


def test_everything_is_taken_in_its_order() -> None:
    """R-118."""
    sift = sift_of()
    taken = sift.accept(topic_of(LEDGER))
    assert places(taken) == in_order(LEDGER)
    assert sift.done
    assert [
        (e.stream_id, e.version, e.type_name, e.schema_version, e.occurred_at, e.recorded_at, e.data) for e in taken
    ] == [
        (
            e.event.stream_id,
            e.event.version,
            e.event.type_name,
            1,
            e.event.occurred_at,
            e.event.recorded_at,
            e.event.data,
        )
        for e in LEDGER
    ]


def test_nothing_beyond_the_positions_asked_for_is_taken() -> None:
    """The live table stands there: the shadow must not be ahead of it."""
    half = {number: upto // 2 for number, upto in UPTO.items()}
    sift = sift_of(half)
    assert places(sift.accept(topic_of(LEDGER))) == [place for place in in_order(LEDGER) if place[1] <= half[place[0]]]  # type: ignore[operator,index]
    again = PartitionSift("t", PARTITION, PARTITIONS, UPTO, dict(sift.checkpoint), sift.progress)
    again.accept([record for record in topic_of(LEDGER) if record.offset >= sift.progress.next_offset])
    assert (again.done, again.progress.repeated) == (True, 0)


def test_a_doubled_record_is_taken_once_and_named() -> None:
    """R-116."""
    twice = LEDGER[5]
    sift = sift_of()
    assert places(sift.accept(topic_of([*LEDGER[:20], twice, *LEDGER[20:]]))) == in_order(LEDGER)
    assert (sift.done, sift.progress.repeated) == (True, 1)
    assert sift.progress.first_repeated == f"slice {twice.event.slice_number} position {twice.position} offset 20"


def test_a_missing_record_is_named() -> None:
    """R-120: and the slices beside it are not held up."""
    at = next(at for at, entry in enumerate(LEDGER) if entry.position < UPTO[entry.event.slice_number])
    gone = LEDGER[at]
    sift = sift_of()
    sift.accept(topic_of([*LEDGER[:at], *LEDGER[at + 1 :]]))
    assert not sift.done
    place = f"slice {gone.event.slice_number} position {gone.position}"
    assert str(sift.missing()) == f"record_missing: device.events.v1 partition {PARTITION}: {place}"


def test_a_record_that_comes_late_is_waited_for() -> None:
    """R-36: what stands before its predecessor waits in memory, and is read again by a later attempt."""
    at = next(at for at, entry in enumerate(LEDGER) if entry.position < UPTO[entry.event.slice_number])
    records = topic_of([*LEDGER[:at], *LEDGER[at + 1 :], LEDGER[at]])
    sift = sift_of()
    taken = sift.accept(records[:-1])
    assert sift.progress.next_offset <= next(
        r.offset for r in records[at:] if _slice(r) == LEDGER[at].event.slice_number
    )
    taken += sift.accept(records[-1:])
    assert sift.done
    assert sorted(places(taken)) == sorted(in_order(LEDGER))


def _slice(record: Record) -> int:
    return int(dict(record.headers)["slice"])


def test_records_of_earlier_releases_are_read_as_those_of_this_one() -> None:
    """R-118: they name the schema by its path alone, and a rebuild from Kafka reads both."""
    records = topic_of(LEDGER)
    mixed = [_as_before(record) if record.offset % 2 else record for record in records]
    assert mixed != records
    read, known = sift_of(), sift_of()
    assert read.accept(mixed) == known.accept(records)
    assert read.done


def _as_before(record: Record) -> Record:
    schema = dict(record.headers)["ce_dataschema"]
    return _with(record, ce_dataschema=b"/schemas/" + schema.removeprefix(b"urn:perennial:schemas/"))


def _with(record: Record, **changes: bytes) -> Record:
    headers = tuple((name, changes.get(name, value)) for name, value in record.headers)
    return replace(record, headers=headers)


def _without(record: Record, name: str) -> Record:
    return replace(record, headers=tuple(header for header in record.headers if header[0] != name))


FORGERIES: dict[str, Callable[[Record], Record]] = {
    "other bytes": lambda record: replace(record, value=b"{}"),
    "no bytes": lambda record: replace(record, value=None),
    "another time": lambda record: _with(record, ce_time=b"2020-01-01T00:00:00.000Z"),
    "another type": lambda record: _with(record, ce_type=b"CodeRemoved"),
    "another key": lambda record: replace(record, key=b"somebody-else"),
    "no key": lambda record: replace(record, key=None),
    "no hash": lambda record: _without(record, "hash"),
    "no id": lambda record: _without(record, "ce_id"),
    "no slice": lambda record: _without(record, "slice"),
    "a slice of another partition": lambda record: _with(record, slice=b"0"),
    "a position that is none": lambda record: _with(record, position=b"one"),
    "a far position": lambda record: _with(record, position=b"999999999999999999"),
    "a version of the schema that is none": lambda record: _with(
        record, ce_dataschema=b"urn:perennial:schemas/X/first"
    ),
    "a time that is none": lambda record: _with(record, ce_recordedtime=b"yesterday"),
    "no headers": lambda record: replace(record, headers=()),
}


@pytest.mark.parametrize("forgery", FORGERIES)
def test_a_forged_record_is_not_taken_and_the_true_one_is(forgery: str) -> None:
    """R-122."""
    records = topic_of(LEDGER)
    forged = FORGERIES[forgery](records[0])
    sift = sift_of()
    assert places(sift.accept([forged, *records])) == in_order(LEDGER)
    assert sift.done


def test_what_stands_in_the_place_of_a_missing_record_is_told() -> None:
    """R-127: a record that was altered does not continue the chain."""
    records = topic_of(LEDGER)
    altered = replace(records[0], value=b"{}")
    sift = sift_of()
    sift.accept([altered, *records[1:]])
    assert "instead of it broken_chain" in str(sift.missing())


@pytest.mark.parametrize("seed", range(20))
def test_it_ends_where_the_live_consumer_ends(seed: int) -> None:
    """R-118: whatever was lost, repeated, late or forged."""
    chance = random.Random(seed)
    records: list[Record] = []
    for record in topic_of(LEDGER):
        if chance.random() < 0.02:
            continue
        if chance.random() < 0.1:
            records.append(FORGERIES[chance.choice(list(FORGERIES))](record))
        records += [record] * (2 if chance.random() < 0.1 else 1)
        if chance.random() < 0.1 and len(records) > 3:
            records.insert(len(records) - chance.randrange(1, 4), records.pop())
    records = [replace(record, offset=offset) for offset, record in enumerate(records)]
    sift = sift_of()
    for first in range(0, len(records), 17):
        sift.accept(records[first : first + 17])
    assert sift.checkpoint == _live_checkpoint(records)


def _live_checkpoint(records: Sequence[Record]) -> dict[int, tuple[int, bytes]]:
    """Return where the live consumer stands that reads from the first record that waits, until none comes."""
    position_check: PositionCheck[None] = PositionCheck(
        read=lambda *_: None, ignored=(), partition_count=PARTITIONS, overdue=lambda *_: False
    )
    checkpoint = Checkpoint(dict.fromkeys(SLICES, (0, GENESIS)))
    while position_check.sift(read_positions(records), checkpoint).advanced_slices:
        pass
    return checkpoint.slices
