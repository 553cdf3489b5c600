"""While two releases run side by side, the older one reads what the newer one writes."""

from copy import replace

import pytest

from shared.kafka.cloudevents import to_headers
from shared.messages import EVENT_TYPES
from tests.shared.kafka.test_inbox import ONE, accepted, ids, numbered, reasons, sift, start
from tests.shared.records import SOURCE, packed, record_of, recorded, stream_in


def test_an_unknown_event_that_its_writer_marks_as_ignorable_is_skipped() -> None:
    """R-122: no reader needs to act on it, so nothing waits for a newer release."""
    events = [packed(stream_in(ONE), version) for version in (1, 2, 3)]
    events[1] = replace(events[1], type_name="CodeAdmired")
    entries = recorded(events)
    records = numbered(entries)
    records[1] = record_of(entries[1], offset=records[1].offset, ce_ignorable=b"true")
    vector = start()
    sifted = sift(records, vector)
    assert reasons(sifted) == []
    assert accepted(sifted) == ids([entries[0], entries[2]])
    assert vector.slices[ONE] == (3, entries[2].hash)


@pytest.mark.parametrize("said", [None, b"false", b"1", b"TRUE"])
def test_every_other_unknown_event_is_parked_for_a_newer_release(said: bytes | None) -> None:
    """R-122."""
    event = replace(packed(stream_in(ONE)), type_name="SeatSold")
    entry = recorded([event])[0]
    assert reasons(sift([record_of(entry, offset=0, ce_ignorable=said)])) == ["unknown_event"]


def test_a_known_event_is_handled_even_if_it_is_marked_as_ignorable() -> None:
    """R-122: a reader that knows it decides for itself."""
    entry = recorded([packed(stream_in(ONE))])[0]
    assert accepted(sift([record_of(entry, offset=0, ce_ignorable=b"true")])) == ids([entry])


def test_only_event_types_declared_ignorable_are_marked_so() -> None:
    ignorable = {place for place, event in EVENT_TYPES.items() if event.ignorable}
    headers = dict(to_headers(recorded([packed(stream_in(ONE))])[0], SOURCE))
    assert ("CodeBlocked", 1) not in ignorable
    assert "ce_ignorable" not in headers
