"""Orders of other people's tools: whatever CloudEvents 1.0 allows is read, and what is wrong is named, never quoted."""

import json
from base64 import b64encode
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.kafka.cloudevents import HEADER_CHARACTERS_MAX, UnreadableEnvelope, header_texts, read_envelope
from shared.kafka.orders import Order, read_order
from shared.ledger.identity import new_id
from tests.shared.moments import NO_MOMENTS
from tests.shared.records import NOON, blocked, outside_headers

SECRET = "QWERT-ASDFG"
TRACE = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
ARRIVED_AT = NOON + timedelta(days=1)
BODY = {"device_id": "d", "replace": True, "note": "Grüße"}
STRUCTURED = [("content-type", b"application/cloudevents+json")]
EVENT: dict[str, Any] = {
    "specversion": "1.0",
    "id": "1",
    "source": "/shop",
    "type": "CodeBlocked",
    "time": "2026-03-01T12:00:00Z",
    "data": BODY,
}


def binary(**headers: bytes | None) -> Order:
    """Return the order in a record in binary mode; `headers` have another value, or None: are missing."""
    return read_order(outside_headers(**headers), blocked(), arrived_at=ARRIVED_AT)


def structured(headers: Any = STRUCTURED, /, **attributes: Any) -> Order:
    """Return the order in a record in structured mode; `attributes` have another value, or None."""
    return read_order(headers, json.dumps(EVENT | attributes).encode(), arrived_at=ARRIVED_AT)


def refused(headers: Any, value: bytes | None) -> str:
    with pytest.raises(UnreadableEnvelope) as error:
        read_order(headers, value, arrived_at=ARRIVED_AT)
    assert SECRET not in str(error.value)
    return str(error.value)


def test_an_order_needs_only_four_attributes() -> None:
    """R-143."""
    envelope, data = binary(ce_time=None)
    assert data == blocked()
    assert (envelope.event_id, envelope.source, envelope.type_name) == ("1", "/shop", "CodeBlocked")
    assert (envelope.subject, envelope.correlation_id, envelope.traceparent) == ("", None, None)


def test_structured_mode_says_the_same_as_binary_mode() -> None:
    """R-143."""
    envelope, data = structured()
    assert envelope == binary().envelope
    assert json.loads(data) == BODY


@pytest.mark.parametrize("untold", [None, ""])
def test_an_order_without_a_time_is_dated_by_its_arrival(untold: str | None) -> None:
    """R-143."""
    assert binary(ce_time=None if untold is None else untold.encode()).envelope.occurred_at == ARRIVED_AT
    assert structured(time=untold).envelope.occurred_at == ARRIVED_AT


@pytest.mark.parametrize(
    ("told", "taken"),
    [
        ("2026-03-01t12:00:00z", NOON),
        ("2026-03-01T12:00:00+00:00", NOON),
        ("2026-03-01T12:00:00-00:00", NOON),
        ("2026-03-01T13:30:00+01:30", NOON),
        ("2026-03-01T12:00:00.25Z", NOON + timedelta(milliseconds=250)),
        ("2026-03-01T12:00:00.250001Z", NOON + timedelta(microseconds=250_001)),
        ("2026-03-01T12:00:00.250001999999Z", NOON + timedelta(microseconds=250_001)),
        ("0001-01-01T00:00:00Z", datetime(1, 1, 1, tzinfo=UTC)),
    ],
)
def test_a_time_is_read_as_rfc_3339_allows_it(told: str, taken: datetime) -> None:
    """R-143."""
    assert binary(ce_time=told.encode()).envelope.occurred_at == taken
    assert structured(time=told).envelope.occurred_at == taken


@pytest.mark.parametrize("told", [moment for moment in NO_MOMENTS if isinstance(moment, str)])
def test_a_time_of_another_form_or_beyond_utc_is_refused(told: str) -> None:
    """R-122, R-134."""
    assert refused(outside_headers(ce_time=told.encode()), b"").startswith("ce_time ")


@pytest.mark.parametrize(
    "attribute",
    [
        {"dataschema": "https://shop.example/schemas/order.json"},
        {"dataschema": "urn:perennial:schemas/CodeBlocked/7"},
        {"correlationid": "order 4711"},
        {"recordedtime": "yesterday"},
        {"partitionkey": "a" * 32},
        {"datacontenttype": "application/json; charset=utf-8"},
        {"subject": "a" * 1_000},
        {"traceparent": "nonsense"},
        {"traceparent": "x" * 60_000},
        {"stránge": "a\x00b"},
    ],
)
def test_what_else_a_sender_says_is_its_own_matter(attribute: dict[str, str]) -> None:
    """R-143."""
    ((name, text),) = attribute.items()
    for envelope in (binary(**{f"ce_{name}": text.encode()}).envelope, structured(**attribute).envelope):
        assert envelope._replace(subject="") == binary().envelope


@pytest.mark.parametrize("value", [7, True, {"deep": [None]}])
@pytest.mark.parametrize("name", ["correlationid", "traceparent", "sequence"])
def test_an_extension_of_another_type_is_no_hindrance(name: str, value: Any) -> None:
    """R-143."""
    assert structured(**{name: value}).envelope == binary().envelope


def test_headers_of_others_need_not_be_text() -> None:
    """R-143: tracers and brokers add what they like."""
    headers = [*outside_headers(), ("x-span", b"\xff\x00"), ("ce_blob", b"\xff"), ("empty", None)]
    assert read_order(headers, b"", arrived_at=ARRIVED_AT).envelope == binary().envelope  # type: ignore[arg-type]


def test_a_senders_word_that_its_order_may_be_skipped_counts_for_nothing() -> None:
    """R-122: an order of an unknown name is parked; nothing paid is lost without a word."""
    assert not binary(ce_ignorable=b"true").envelope.ignorable


def test_a_uuid_that_correlates_and_a_trace_are_passed_on() -> None:
    correlation_id = new_id()
    told = {"correlationid": str(correlation_id), "traceparent": TRACE}
    headers = {f"ce_{name}": text.encode() for name, text in told.items()}
    for envelope in (binary(**headers).envelope, structured(**told).envelope):
        assert (envelope.correlation_id, envelope.traceparent) == (correlation_id, TRACE)
    for base in (outside_headers(), STRUCTURED):
        value = json.dumps(EVENT).encode()
        traced = [*base, ("traceparent", TRACE.encode())]
        assert read_order(traced, value, arrived_at=ARRIVED_AT).envelope.traceparent == TRACE


@pytest.mark.parametrize("name", ["specversion", "id", "source", "type"])
@pytest.mark.parametrize("value", [None, ""])
def test_an_attribute_that_is_missing_is_named(name: str, value: str | None) -> None:
    header = None if value is None else value.encode()
    assert refused(outside_headers(**{f"ce_{name}": header}), b"").startswith(f"ce_{name} is missing")
    assert refused(STRUCTURED, json.dumps(EVENT | {name: value}).encode()).startswith(f"ce_{name} is missing")


@pytest.mark.parametrize("name", ["id", "source", "type"])
@pytest.mark.parametrize("value", [SECRET * 100, f"{SECRET}\x00", f"{SECRET}\n", f"{SECRET}\x7f", f"{SECRET}\x9f"])
def test_an_attribute_that_no_table_or_log_line_can_hold_is_named_and_never_quoted(name: str, value: str) -> None:
    """R-112, R-122."""
    assert refused(outside_headers(**{f"ce_{name}": value.encode()}), b"").startswith(f"ce_{name} ")
    assert refused(STRUCTURED, json.dumps(EVENT | {name: value}).encode()).startswith(f"ce_{name} ")


@pytest.mark.parametrize("text", ["x" * HEADER_CHARACTERS_MAX, "Bestellung\u00a0№\u00a07", "soft\u00adhyphen"])
def test_an_id_may_hold_whatever_else_cloudevents_allows(text: str) -> None:
    """R-143."""
    assert binary(ce_id=text.encode()).envelope.event_id == text


@pytest.mark.parametrize(
    "content_type",
    [
        "application/cloudevents+json; charset=utf-8",
        "Application/CloudEvents+JSON",
        " application/cloudevents+json;v=1",
    ],
)
def test_structured_mode_is_known_by_its_content_type(content_type: str) -> None:
    """R-143: also where the sender copied the attributes into headers."""
    headers = [*outside_headers(ce_id=b"2"), ("content-type", content_type.encode())]
    assert structured(headers).envelope.event_id == "1"


def test_a_body_in_base64_is_read() -> None:
    """R-143."""
    event = {name: value for name, value in EVENT.items() if name != "data"}
    value = json.dumps({**event, "data_base64": b64encode(blocked()).decode()}).encode()
    assert read_order(STRUCTURED, value, arrived_at=ARRIVED_AT).data == blocked()


def test_an_order_without_a_body_has_an_empty_one() -> None:
    event = {name: value for name, value in EVENT.items() if name != "data"}
    assert read_order(STRUCTURED, json.dumps(event).encode(), arrived_at=ARRIVED_AT).data == b""
    assert read_order(outside_headers(), None, arrived_at=ARRIVED_AT).data == b""


@pytest.mark.parametrize(
    "content_type",
    [
        "application/cloudevents",
        "application/cloudevents+avro",
        "application/cloudevents+protobuf",
        "application/cloudevents-batch+json",
    ],
)
def test_what_is_not_read_of_structured_mode_is_refused_by_its_name(content_type: str) -> None:
    """R-122, R-143."""
    assert refused([("content-type", content_type.encode())], b"[]").startswith("content-type: of structured mode")


@pytest.mark.parametrize(
    "value",
    [None, b"", b"[]", b"{", b"\xff", b"[" * 200_000, b'{"id": "\\ud800"}', f'["{SECRET}"]'.encode()],
)
def test_a_structured_body_that_is_no_event_is_refused(value: bytes | None) -> None:
    """R-122."""
    assert refused(STRUCTURED, value) == "the body is not a CloudEvent in JSON"


@pytest.mark.parametrize("name", ["specversion", "id", "source", "type", "time", "subject"])
def test_an_attribute_that_is_no_text_is_named(name: str) -> None:
    """R-134."""
    assert refused(STRUCTURED, json.dumps(EVENT | {name: 1}).encode()) == f"ce_{name} is not a text"


@pytest.mark.parametrize("value", [SECRET, 7, "ü", None])
def test_base64_that_is_none_is_refused(value: Any) -> None:
    assert refused(STRUCTURED, json.dumps(EVENT | {"data_base64": value}).encode()).startswith("data_base64 is not ")


@pytest.mark.parametrize("header", ["ce_dataschema", "ce_correlationid", "ce_time"])
def test_our_own_logs_stay_strict(header: str) -> None:
    """R-127: what a ledger writes has one form."""
    with pytest.raises(UnreadableEnvelope):
        read_envelope(header_texts(outside_headers(**{header: b"2026-03-01T12:00:00z"})))
    with pytest.raises(UnreadableEnvelope):
        read_envelope(header_texts(outside_headers(ce_time=None)))


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=6,
)
attributes = st.dictionaries(st.sampled_from([*EVENT, "data_base64", "correlationid", "traceparent"]), json_values)


@given(headers=st.lists(st.tuples(st.text(), st.none() | st.binary(max_size=30)), max_size=3), changed=attributes)
def test_whatever_the_record_nothing_else_is_raised(headers: list[tuple[str, bytes]], changed: dict[str, Any]) -> None:
    """R-122."""
    for base in (STRUCTURED, outside_headers()):
        try:
            read_order([*headers, *base], json.dumps(EVENT | changed).encode(), arrived_at=ARRIVED_AT)
        except UnreadableEnvelope:
            continue
