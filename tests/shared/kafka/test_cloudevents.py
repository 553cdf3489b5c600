"""The headers of a message: they are read as written, and a wrong one is named, never quoted."""

from copy import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.kafka.cloudevents import (
    HEADER_CHARACTERS_MAX,
    Envelope,
    SlicePosition,
    UnreadableEnvelope,
    header_texts,
    read_envelope,
    read_position,
    to_headers,
)
from shared.ledger.events import RecordedEvent
from shared.ledger.identity import new_id
from shared.ledger.slices import slice_of
from tests.shared.records import NOON, SOURCE, packed, recorded

SECRET = "QWERT-ASDFG"
KEY = b"device-1"
TRACE = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
HEADERS = {
    "ce_specversion": "1.0",
    "ce_id": "1",
    "ce_source": "/shop",
    "ce_type": "CodeAdded",
    "ce_time": "2026-03-01T12:00:00.000Z",
    "ce_subject": "device-1",
    "slice": str(slice_of("device-1")),
    "position": "1",
    "hash": "00" * 32,
}


def entry() -> RecordedEvent:
    event = replace(packed("device-1"), causation_id=new_id(), traceparent=TRACE)
    return recorded([event])[0]


def test_headers_are_read_as_they_were_written() -> None:
    written = entry()
    texts = header_texts(to_headers(written, SOURCE))
    event = written.event
    assert read_envelope(texts) == Envelope(
        event_id=str(event.event_id),
        source=SOURCE,
        type_name="CodeBlocked",
        schema_version=1,
        subject="device-1",
        occurred_at=NOON,
        recorded_at=NOON,
        correlation_id=event.correlation_id,
        traceparent=TRACE,
    )
    assert read_position(texts, KEY) == SlicePosition(event.slice_number, 1, written.hash)


def test_the_headers_are_those_of_a_cloudevent_in_binary_mode() -> None:
    names = [name for name, _ in to_headers(entry(), SOURCE)]
    assert len(set(names)) == len(names)
    assert set(names) - {name for name in names if name.startswith("ce_")} == {
        "content-type",
        "traceparent",
        "slice",
        "position",
        "hash",
    }
    # the attribute names that the specification allows: lower-case letters and digits
    assert all(name[3:].isascii() and name[3:].isalnum() and name[3:].islower() for name in names if name[:3] == "ce_")


def test_a_missing_field_of_an_event_has_no_header() -> None:
    event = replace(packed("device-1"), causation_id=None, traceparent=None)
    names = {name for name, _ in to_headers(recorded([event])[0], SOURCE)}
    assert not names & {"ce_causationid", "traceparent"}


@pytest.mark.parametrize("name", ["ce_specversion", "ce_id", "ce_source", "ce_type", "ce_time"])
@pytest.mark.parametrize("value", [None, ""])
def test_a_missing_header_is_named(name: str, value: str | None) -> None:
    with pytest.raises(UnreadableEnvelope, match=f"^{name} is missing"):
        read_envelope(_with(name, value))


@pytest.mark.parametrize("name", ["slice", "position", "hash", "ce_subject"])
@pytest.mark.parametrize("value", [None, ""])
def test_a_missing_position_header_is_named(name: str, value: str | None) -> None:
    with pytest.raises(UnreadableEnvelope, match=f"^{name} is missing"):
        read_position(_with(name, value), KEY)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("ce_specversion", SECRET),
        ("ce_specversion", "0.3"),
        ("ce_time", SECRET),
        ("ce_time", "2026-03-01T12:00:00"),
        ("ce_time", "2026-02-30T12:00:00Z"),
        ("ce_recordedtime", SECRET),
        ("ce_correlationid", SECRET),
        ("ce_dataschema", f"/schemas/CodeAdded/{SECRET}"),
        ("ce_dataschema", "/schemas/CodeAdded/-1"),
        ("ce_dataschema", "/schemas/CodeAdded/1/"),
        ("ce_id", SECRET * 100),
        ("ce_source", SECRET * 100),
        ("ce_type", SECRET * 100),
        ("ce_time", SECRET * 100),
    ],
)
def test_a_malformed_header_is_named_and_never_quoted(name: str, value: str) -> None:
    """R-112."""
    with pytest.raises(UnreadableEnvelope, match=f"^{name} ") as refused:
        read_envelope(_with(name, value))
    assert value not in str(refused.value)
    assert SECRET not in str(refused.value)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("slice", SECRET),
        ("slice", "-1"),
        ("slice", "٣"),
        ("slice", "1e3"),
        ("position", SECRET),
        ("position", "0"),
        ("position", "-1"),
        ("position", "9" * 19),
        ("hash", SECRET),
        ("hash", "0"),
    ],
)
def test_a_malformed_position_header_is_named_and_never_quoted(name: str, value: str) -> None:
    """R-112."""
    with pytest.raises(UnreadableEnvelope, match=f"^{name} ") as refused:
        read_position(_with(name, value), KEY)
    assert SECRET not in str(refused.value)


@pytest.mark.parametrize("key", [None, b"", b"device-2", KEY + b"\xff", SECRET.encode()])
def test_a_key_that_is_not_the_subject_is_refused(key: bytes | None) -> None:
    with pytest.raises(UnreadableEnvelope, match="key") as refused:
        read_position(HEADERS, key)
    assert SECRET not in str(refused.value)


def test_a_slice_that_is_not_that_of_the_key_is_refused() -> None:
    with pytest.raises(UnreadableEnvelope, match="slice"):
        read_position(_with("slice", str(slice_of("device-1") + 1)), KEY)


def test_bytes_that_are_not_text_are_refused_without_quoting_them() -> None:
    with pytest.raises(UnreadableEnvelope) as refused:
        header_texts([("ce_id", SECRET.encode() + b"\xff")])
    assert SECRET not in str(refused.value)


def test_a_header_as_long_as_allowed_is_read() -> None:
    text = "x" * HEADER_CHARACTERS_MAX
    assert read_envelope(_with("ce_id", text)).event_id == text


values = (
    st.binary(max_size=40)
    | st.text(max_size=40).map(lambda text: text.encode("utf-8", "ignore"))
    | st.sampled_from(list(HEADERS.values())).map(str.encode)
    | st.datetimes().map(lambda moment: moment.isoformat().encode())
    | st.uuids().map(lambda each: str(each).encode())
    | st.integers().map(lambda number: str(number).encode())
)
names = st.sampled_from([*HEADERS, "ce_dataschema", "ce_recordedtime", "ce_correlationid", "traceparent", "other"])


@given(
    changes=st.dictionaries(names, st.none() | values, max_size=4),
    complete=st.booleans(),
    key=st.none() | st.just(KEY) | st.binary(max_size=20),
)
def test_whatever_the_headers_nothing_else_is_raised(
    changes: dict[str, bytes | None], *, complete: bool, key: bytes | None
) -> None:
    """R-122."""
    base: dict[str, bytes | None] = {name: value.encode() for name, value in HEADERS.items()} if complete else {}
    try:
        # Kafka has headers without a value
        texts = header_texts(list((base | changes).items()))  # type: ignore[arg-type]
        read_envelope(texts)
        read_position(texts, key)
    except UnreadableEnvelope:
        return


def _with(name: str, value: str | None) -> dict[str, str]:
    changed = {**HEADERS, name: value}
    return {each: text for each, text in changed.items() if text is not None}
