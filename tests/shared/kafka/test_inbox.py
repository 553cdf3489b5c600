"""The checks of position and hash, pure, on Kafka's own records: each event once, in order, however delivered."""

import itertools
from collections.abc import Callable, Sequence
from copy import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.kafka.cloudevents import Envelope, read_event
from shared.kafka.inbox import Checkpoint, Gap, Sifted, read_positions, sift_external_records
from shared.kafka.position_check import PositionCheck
from shared.ledger.events import RecordedEvent
from shared.ledger.hash_chain import GENESIS
from shared.ledger.slices import SLICE_COUNT
from shared.messages import CodeBlocked, DeviceEnrolled, Event, UnreadableEvent
from tests.shared.records import (
    NOON,
    PARTITION_COUNT,
    Record,
    blocked,
    outside_headers,
    packed,
    record,
    record_of,
    recorded,
    stream_in,
)

ONE, SAME_PARTITION, OTHER = 3, 3 + PARTITION_COUNT, 4
"""Slices: the second travels in the same partition as the first, the third in another."""


def never(_: int, __: int) -> bool:
    return False


def always(_: int, __: int) -> bool:
    return True


def start() -> Checkpoint:
    """Return the checkpoint of a consumer that has seen nothing."""
    return Checkpoint(dict.fromkeys(range(SLICE_COUNT), (0, GENESIS)))


def position_check(
    overdue: Callable[[int, int], bool] = never,
    *,
    ignored: Sequence[str] = (),
    read: Callable[[Envelope, bytes], Event] = read_event,
) -> PositionCheck[Event]:
    return PositionCheck(read=read, ignored=ignored, partition_count=PARTITION_COUNT, overdue=overdue)


def ledger(slice_number: int = ONE, length: int = 5) -> list[RecordedEvent]:
    """Return the first events of a slice."""
    stream = stream_in(slice_number)
    return recorded([packed(stream, version) for version in range(1, length + 1)])


def sift(
    records: Sequence[Record], checkpoint: Checkpoint | None = None, *, by: PositionCheck[Event] | None = None
) -> Sifted[Event]:
    return (by or position_check()).sift(read_positions(records), start() if checkpoint is None else checkpoint)


def accepted(sifted: Sifted[Event]) -> list[str]:
    return [entry.envelope.event_id for entry in sifted.accepted]


def ids(entries: Sequence[RecordedEvent]) -> list[str]:
    return [str(entry.event.event_id) for entry in entries]


def reasons(sifted: Sifted[Event]) -> list[str]:
    return [entry.reason for entry in sifted.parked]


def numbered(entries: Sequence[RecordedEvent]) -> list[Record]:
    return [record_of(entry, offset=offset) for offset, entry in enumerate(entries)]


def test_a_slice_is_accepted_in_order_and_the_checkpoint_advances() -> None:
    entries, checkpoint = ledger(), start()
    sifted = sift(numbered(entries), checkpoint)
    assert accepted(sifted) == ids(entries)
    assert [entry.message for entry in sifted.accepted] == [
        CodeBlocked(code_ref="a" * 32, note=f"{stream_in(ONE)} {version}") for version in range(1, 6)
    ]
    assert checkpoint.slices[ONE] == (5, entries[-1].hash)
    assert checkpoint.offsets == {ONE: 5}
    assert (sifted.advanced_slices, sifted.parked, sifted.gaps) == ({ONE}, [], [])


def test_a_record_that_was_handled_before_is_dropped() -> None:
    """R-116."""
    entries, checkpoint = ledger(), start()
    sift(numbered(entries[:3]), checkpoint)
    again = sift([record_of(entry, offset=3 + number) for number, entry in enumerate(entries)], checkpoint)
    assert accepted(again) == ids(entries[3:])
    assert checkpoint.offsets == {ONE: 8}


def test_a_record_that_is_twice_in_one_batch_is_handled_once() -> None:
    """R-116."""
    entries = ledger(length=2)
    sifted = sift(numbered([entries[0], entries[0], entries[1], entries[0], entries[1]]))
    assert accepted(sifted) == ids(entries)
    assert sifted.parked == []


def test_after_a_gap_nothing_is_accepted_and_the_offset_stays_at_the_first_waiting_record() -> None:
    """R-36."""
    entries, checkpoint = ledger(), start()
    sifted = sift(numbered([entries[0], entries[2], entries[3]]), checkpoint)
    assert accepted(sifted) == ids(entries[:1])
    assert sifted.gaps == [Gap(ONE, 2, ONE, 1), Gap(ONE, 2, ONE, 2)]
    assert checkpoint.offsets == {ONE: 1}
    assert checkpoint.slices[ONE] == (1, entries[0].hash)
    assert sifted.parked == []


def test_when_the_missing_record_arrives_the_slice_goes_on() -> None:
    """R-36, R-124."""
    entries, checkpoint = ledger(), start()
    sift(numbered([entries[0], entries[2]]), checkpoint)
    late = [
        record_of(entries[position], offset=offset) for offset, position in ((1, 2), (2, 1), (3, 2), (4, 3), (5, 4))
    ]
    sifted = sift(late, checkpoint)
    assert accepted(sifted) == ids(entries[1:])
    # it still stands before the one that waited: what is read again is known by then
    assert checkpoint.offsets == {ONE: 1}
    assert sift(late, checkpoint).accepted == []
    assert checkpoint.offsets == {ONE: 6}


def test_records_behind_an_overdue_gap_are_parked_and_the_slice_keeps_waiting() -> None:
    """R-122."""
    entries, checkpoint = ledger(), start()
    sifted = sift(numbered([entries[0], entries[2]]), checkpoint, by=position_check(always))
    assert reasons(sifted) == ["position_gap"]
    assert sifted.gaps == []
    assert checkpoint.slices[ONE] == (1, entries[0].hash)
    assert checkpoint.offsets == {ONE: 2}
    assert accepted(sift(numbered(entries), checkpoint)) == ids(entries[1:])


def test_overdue_is_asked_about_the_missing_position_of_its_slice() -> None:
    asked = []

    def overdue(slice_number: int, position: int) -> bool:
        asked.append((slice_number, position))
        return False

    sift(numbered([ledger()[2]]), by=position_check(overdue))
    assert asked == [(ONE, 1)]


def test_other_slices_go_on_while_one_waits() -> None:
    """R-122: also in the same partition, although the partition's offset stays."""
    waiting, going_on, elsewhere = ledger(ONE), ledger(SAME_PARTITION), ledger(OTHER)
    checkpoint = start()
    records = [
        record_of(going_on[0], offset=10),
        record_of(waiting[1], offset=11),
        record_of(going_on[1], offset=12),
        record_of(elsewhere[0], offset=70),
        record_of(elsewhere[1], offset=71),
    ]
    sifted = sift(records, checkpoint)
    assert accepted(sifted) == ids([going_on[0], going_on[1], elsewhere[0], elsewhere[1]])
    assert checkpoint.offsets == {ONE: 11, OTHER: 72}
    assert sifted.advanced_slices == {SAME_PARTITION, OTHER}


def test_interleaved_slices_each_keep_their_own_order() -> None:
    first, second = ledger(ONE), ledger(SAME_PARTITION)
    mixed = [first[0], second[0], second[1], first[1], first[2], second[2]]
    assert accepted(sift(numbered(mixed))) == ids(mixed)


def test_a_record_with_a_forged_position_is_parked_and_the_true_event_is_still_accepted() -> None:
    """R-109."""
    entries, checkpoint = ledger(), start()
    forged = record_of(entries[4], offset=1, position=b"2")
    sifted = sift([record_of(entries[0], offset=0), forged, record_of(entries[1], offset=2)], checkpoint)
    assert reasons(sifted) == ["broken_chain"]
    assert accepted(sifted) == ids(entries[:2])
    assert checkpoint.slices[ONE] == (2, entries[1].hash)


@pytest.mark.parametrize("position", [10**17, 3])
def test_a_forged_position_far_ahead_only_waits(position: int) -> None:
    entries, checkpoint = ledger(), start()
    forged = record_of(entries[1], offset=1, position=str(position).encode())
    sifted = sift([record_of(entries[0], offset=0), forged, record_of(entries[1], offset=2)], checkpoint)
    assert accepted(sifted) == ids(entries[:2])
    assert sifted.gaps == [Gap(ONE, 2, ONE, 1)]


@pytest.mark.parametrize(
    "changed",
    [
        {"ce_id": b"0198a1b2-0000-7000-8000-000000000001"},
        {"ce_type": b"CodeUnblocked"},
        {"ce_time": b"2026-03-01T12:00:00.001Z"},
        {"hash": b"00" * 32},
        {"hash": b"00"},
    ],
    ids=str,
)
def test_an_event_whose_headers_do_not_match_its_hash_breaks_the_chain(changed: dict[str, bytes]) -> None:
    """R-127."""
    checkpoint = start()
    sifted = sift([record_of(ledger()[0], offset=0, **changed)], checkpoint)
    assert (reasons(sifted), sifted.accepted) == (["broken_chain"], [])
    assert checkpoint.slices[ONE] == (0, GENESIS)


def test_a_body_that_does_not_match_its_hash_breaks_the_chain() -> None:
    """R-127."""
    changed = replace(ledger()[0], event=replace(ledger()[0].event, data=blocked("other")))
    assert reasons(sift([record_of(changed, offset=0)])) == ["broken_chain"]


def test_an_event_with_a_different_predecessor_breaks_the_chain() -> None:
    """R-127: a ledger that was restored from a backup and went on differently."""
    checkpoint = start()
    sift(numbered(ledger()[:1]), checkpoint)
    assert reasons(sift([record_of(ledger()[1], offset=1)], checkpoint)) == ["broken_chain"]


def test_a_record_in_the_wrong_partition_is_parked() -> None:
    entries, checkpoint = ledger(), start()
    misplaced = replace(record_of(entries[0], offset=0), partition=OTHER)
    sifted = sift([misplaced], checkpoint)
    assert (reasons(sifted), sifted.accepted, sifted.gaps) == (["wrong_partition"], [], [])
    assert checkpoint.offsets == {OTHER: 1}
    assert accepted(sift(numbered(entries), checkpoint)) == ids(entries)


@pytest.mark.parametrize(
    "made",
    [
        lambda _: record(partition=ONE),
        lambda entry: replace(record_of(entry, offset=0), key=None),
        lambda entry: record_of(entry, offset=0, slice=b"4"),
        lambda entry: record_of(entry, offset=0, position=b"0"),
        lambda entry: record_of(entry, offset=0, hash=None),
        lambda entry: record_of(entry, offset=0, ce_id=b"\xff"),
        lambda entry: record_of(entry, offset=0, ce_time=b"yesterday"),
        lambda entry: record_of(entry, offset=0, ce_specversion=None),
    ],
)
def test_a_record_with_unreadable_headers_is_parked_and_the_others_go_on(
    made: Callable[[RecordedEvent], Record],
) -> None:
    """R-122."""
    entries, checkpoint = ledger(), start()
    sifted = sift([made(entries[0]), *(record_of(entry, offset=1 + n) for n, entry in enumerate(entries))], checkpoint)
    assert reasons(sifted) == ["unreadable_envelope"]
    assert accepted(sifted) == ids(entries)
    assert checkpoint.offsets == {ONE: 6}


def test_ignored_types_are_skipped_unread() -> None:
    stream = stream_in(ONE)
    enrolled = DeviceEnrolled(device_id=stream, product="antivirus", region="DE")
    entries = recorded([packed(stream, 1), packed(stream, 2, enrolled), packed(stream, 3)])

    def read(envelope: Envelope, data: bytes) -> Event:
        assert envelope.type_name != "DeviceEnrolled"
        return read_event(envelope, data)

    checkpoint = start()
    sifted = sift(numbered(entries), checkpoint, by=position_check(ignored=["DeviceEnrolled"], read=read))
    assert accepted(sifted) == ids([entries[0], entries[2]])
    assert checkpoint.slices[ONE] == (3, entries[2].hash)


@pytest.mark.parametrize(
    ("changed", "reason"),
    [
        ({"type_name": "CodeSold"}, "unknown_event"),
        ({"schema_version": 9}, "unknown_event"),
        ({"data": b"{}"}, "unreadable_event"),
        ({"data": b""}, "unreadable_event"),
    ],
)
def test_an_unreadable_event_is_parked_and_its_slice_goes_on(changed: dict[str, object], reason: str) -> None:
    """R-122."""
    events = [packed(stream_in(ONE), version) for version in (1, 2, 3)]
    events[1] = replace(events[1], **changed)  # type: ignore[arg-type] # one field, of its type
    entries = recorded(events)
    sifted = sift(numbered(entries))
    assert reasons(sifted) == [reason]
    assert accepted(sifted) == ids([entries[0], entries[2]])


def test_a_record_without_a_value_is_parked() -> None:
    """R-122: it is a tombstone, and nothing is deleted here."""
    entry = recorded([replace(packed(stream_in(ONE)), data=b"")])[0]
    tombstone = replace(record_of(entry, offset=0), value=None)
    assert reasons(sift([tombstone])) == ["unreadable_event"]


# --- whatever the delivery does ----------------------------------------------------------------

LEDGER = {number: ledger(number, length=6) for number in (ONE, SAME_PARTITION, OTHER)}
ALL = [entry for entries in LEDGER.values() for entry in entries]


@given(
    delivery=st.lists(st.integers(0, len(ALL) - 1), max_size=60),
    cuts=st.lists(st.integers(0, 60), max_size=6),
    gives_up=st.booleans(),
)
def test_in_the_end_each_slice_is_accepted_once_and_in_order(
    delivery: list[int], cuts: list[int], *, gives_up: bool
) -> None:
    """R-36, R-116, R-120, R-121: any order, any repeats, any batches, if everything comes in order at last."""
    records = [record_of(ALL[number], offset=offset) for offset, number in enumerate(delivery)]
    at_last = [record_of(entry, offset=len(delivery) + number) for number, entry in enumerate(ALL)]
    bounds = [0, *sorted(min(cut, len(records)) for cut in cuts), len(records)]
    batches = [*(records[begin:end] for begin, end in itertools.pairwise(bounds)), at_last]
    checkpoint, seen = start(), []
    for batch in batches:
        sifted = sift(batch, checkpoint, by=position_check(always if gives_up else never))
        assert set(reasons(sifted)) <= {"position_gap"}
        assert not (gives_up and sifted.gaps)
        seen += accepted(sifted)
    for number, entries in LEDGER.items():
        of_slice = set(ids(entries))
        assert [event_id for event_id in seen if event_id in of_slice] == ids(entries)
        assert checkpoint.slices[number] == (6, entries[-1].hash)


@given(delivery=st.lists(st.integers(0, len(LEDGER[ONE]) - 1), max_size=30))
def test_rereading_from_the_stored_offset_never_loses_a_record(delivery: list[int]) -> None:
    """R-120: whatever lies before the stored offset was accepted, or is known, or can come only again."""
    entries = LEDGER[ONE]
    log = [record_of(entries[number], offset=offset) for offset, number in enumerate(delivery)]
    log += [record_of(entry, offset=len(delivery) + number) for number, entry in enumerate(entries)]
    checkpoint, seen = start(), []
    for _ in range(len(log)):
        # a crash after every batch of three: only the checkpoint is left
        begin = checkpoint.offsets.get(ONE, 0)
        sifted = sift(log[begin : begin + 3], checkpoint)
        seen += accepted(sifted)
        if sifted.gaps and checkpoint.offsets[ONE] == begin:
            # the first of the batch waits: the consumer reads further before it looks back
            seen += accepted(sift(log[begin:], checkpoint))
    assert seen == ids(entries)


# --- writers without positions -------------------------------------------------------------------


def foreign(record: Record, checkpoint: Checkpoint | None = None) -> Sifted[Event]:
    return sift_external_records([record], start() if checkpoint is None else checkpoint, read_event, arrived_at=NOON)


def test_an_outside_message_needs_no_position() -> None:
    checkpoint = start()
    sifted = foreign(record(headers=outside_headers(), value=blocked(), partition=2, offset=7), checkpoint)
    assert [entry.message for entry in sifted.accepted] == [CodeBlocked(code_ref="a" * 32, note="")]
    assert checkpoint.offsets == {2: 8}


@pytest.mark.parametrize(
    ("made", "reason"),
    [
        (record(), "unreadable_envelope"),
        (record(headers=outside_headers(ce_type=None), value=blocked()), "unreadable_envelope"),
        (record(headers=[("ce_id", b"\xff")], value=blocked()), "unreadable_envelope"),
        (record(headers=outside_headers(ce_type=b"CodeSold"), value=blocked()), "unknown_event"),
        (record(headers=outside_headers(), value=b"\x00" * 2_000_000), "unreadable_event"),
        (record(headers=outside_headers()), "unreadable_event"),
    ],
    ids=["nothing", "a header missing", "no text", "unknown", "two megabytes of rubbish", "no body"],
)
def test_an_unreadable_outside_message_is_parked_and_the_next_is_read(made: Record, reason: str) -> None:
    """R-122."""
    checkpoint = start()
    good = record(headers=outside_headers(), value=blocked(), offset=1)
    sifted = sift_external_records([made, good], checkpoint, read_event, arrived_at=NOON)
    assert reasons(sifted) == [reason]
    assert [entry.record.offset for entry in sifted.accepted] == [1]
    assert checkpoint.offsets == {0: 2}


def test_no_input_is_quoted_in_a_reason() -> None:
    """R-112."""
    secret = b"QWERT-ASDFG"
    for name in ("ce_time", "ce_specversion"):
        [parked] = foreign(record(headers=outside_headers(**{name: secret}), value=secret)).parked
        assert "QWERT" not in parked.detail


@given(value=st.none() | st.binary(max_size=50), headers=st.lists(st.tuples(st.text(), st.binary(max_size=30))))
def test_any_outside_message_is_accepted_or_parked(value: bytes | None, headers: list[tuple[str, bytes]]) -> None:
    """R-122."""
    for made in (record(value=value, headers=headers), record(value=value, headers=[*outside_headers(), *headers])):
        sifted = foreign(made)
        assert len(sifted.accepted) + len(sifted.parked) == 1


def test_a_reader_may_raise_only_two_errors() -> None:
    """Anything else it raises is a fault of ours: the worker stops and the log replays."""

    def unreadable(_: Envelope, __: bytes) -> Event:
        raise UnreadableEvent("no")

    def broken(_: Envelope, __: bytes) -> Event:
        raise ZeroDivisionError

    entries = numbered(ledger())
    assert reasons(sift(entries, by=position_check(read=unreadable))) == ["unreadable_event"] * 5
    with pytest.raises(ZeroDivisionError):
        sift(entries, by=position_check(read=broken))
