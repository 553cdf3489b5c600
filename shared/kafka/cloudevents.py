"""Events as CloudEvents 1.0 in Kafka's binary mode: the body is the event alone, the headers hold its metadata.

Writes and reads the headers. No topic, service or rule may come in here.
"""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from functools import cache
from typing import Any, NamedTuple
from uuid import UUID

from shared.calendar import instant
from shared.ledger.events import RecordedEvent
from shared.ledger.identity import uuid_or_none
from shared.ledger.slices import slice_of
from shared.messages import EVENT_TYPES, Event, decode
from shared.watching.traces import read_traceparent, trace_id_of

type Headers = Sequence[tuple[str, bytes]]

HEADER_CHARACTERS_MAX = 256
BIGINT_DIGITS_MAX = 18

FIXED: tuple[tuple[str, bytes], ...] = (
    ("ce_specversion", b"1.0"),
    ("content-type", b"application/json"),
)

SCHEMAS = "urn:perennial:schemas/"
"""What the URI of every schema begins with."""
SCHEMAS_PATH = "/schemas/"
"""What earlier releases wrote instead: strict readers of CloudEvents refuse it, and old records have it for ever."""

IGNORABLE = frozenset(key for key, event in EVENT_TYPES.items() if event.ignorable)


def schema_uri(type_name: str, version: int) -> str:
    """Return the URI of an event's JSON Schema. It ends in `/VERSION`, where earlier releases look for the version."""
    return f"{SCHEMAS}{type_name}/{version}"


def to_headers(entry: RecordedEvent, source: str) -> list[tuple[str, bytes]]:
    """Return the headers of a recorded event. `source` names the writing ledger, e.g. `/perennial/device`."""
    event = entry.event
    type_name, schema = _type_headers(event.type_name, event.schema_version)
    headers = [
        *FIXED,
        ("ce_id", str(event.event_id).encode()),
        ("ce_source", source.encode()),
        type_name,
        ("ce_time", instant(event.occurred_at).encode()),
        ("ce_subject", event.stream_id.encode()),
        schema,
        ("ce_recordedtime", instant(event.recorded_at).encode()),
        ("ce_streamversion", str(event.version).encode()),
        ("ce_correlationid", str(event.correlation_id).encode()),
        ("slice", str(event.slice_number).encode()),
        ("position", str(entry.position).encode()),
        ("hash", entry.hash.hex().encode()),
    ]
    if event.causation_id:
        headers.append(("ce_causationid", str(event.causation_id).encode()))
    if event.traceparent:
        headers.append(("traceparent", event.traceparent.encode()))
    if (event.type_name, event.schema_version) in IGNORABLE:
        headers.append(("ce_ignorable", b"true"))
    return headers


@cache
def _type_headers(type_name: str, version: int) -> tuple[tuple[str, bytes], tuple[str, bytes]]:
    return ("ce_type", type_name.encode()), ("ce_dataschema", schema_uri(type_name, version).encode())


def are_headers_of(entry: RecordedEvent, source: str, headers: Headers) -> bool:
    """Tell whether the headers are those of a recorded event, as this release or an earlier one writes them."""
    written = to_headers(entry, source)
    return list(headers) == written or with_schema_uri(headers) == written


def with_schema_uri(headers: Headers) -> list[tuple[str, bytes]]:
    """Return the headers with the path of the schema, which earlier releases wrote, replaced by its URI."""
    path = SCHEMAS_PATH.encode()
    return [
        (name, SCHEMAS.encode() + value.removeprefix(path))
        if name == "ce_dataschema" and (value or b"").startswith(path)
        else (name, value)
        for name, value in headers
    ]


class UnreadableEnvelope(Exception):
    """The headers are not those of a CloudEvent. The message names the header, never its value."""


class Envelope(NamedTuple):
    """The metadata in a message's headers: what it is, who wrote it, and when."""

    event_id: str
    source: str
    type_name: str
    schema_version: int
    subject: str
    occurred_at: datetime
    recorded_at: datetime
    correlation_id: UUID | None
    traceparent: str | None
    ignorable: bool = False
    """The writer's word that a reader may skip the event if it does not know its type."""


class SlicePosition(NamedTuple):
    """The position of a recorded event in its slice, and its hash in the slice's hash chain."""

    slice_number: int
    position: int
    hash: bytes


def header_texts(headers: Headers) -> dict[str, str]:
    """Return the headers as text. Raises `UnreadableEnvelope`."""
    try:
        texts = {name: value.decode() for name, value in headers if value is not None}
    except UnicodeDecodeError:
        raise UnreadableEnvelope("a header is not UTF-8") from None
    if "\x00" in "".join(texts.values()):
        raise UnreadableEnvelope("a header contains a NUL")
    return texts


def read_envelope(texts: Mapping[str, str]) -> Envelope:
    """Return the envelope in the headers. Raises `UnreadableEnvelope`."""
    if texts.get("ce_specversion") != "1.0":
        raise UnreadableEnvelope("ce_specversion is missing or not 1.0")
    occurred_at = _required(texts, "ce_time")
    schema = texts.get("ce_dataschema", "/1").rpartition("/")[2]
    return Envelope(
        event_id=_required(texts, "ce_id"),
        source=_required(texts, "ce_source"),
        type_name=_required(texts, "ce_type"),
        schema_version=_number("ce_dataschema", schema),
        subject=texts.get("ce_subject", ""),
        occurred_at=_moment("ce_time", occurred_at),
        recorded_at=_moment("ce_recordedtime", texts.get("ce_recordedtime", occurred_at)),
        correlation_id=_id("ce_correlationid", texts.get("ce_correlationid")),
        traceparent=read_traceparent(texts.get("traceparent")),
        ignorable=texts.get("ce_ignorable") == "true",
    )


def read_position(texts: Mapping[str, str], key: bytes | None) -> SlicePosition:
    """Return the event's position according to the headers.

    Raises `UnreadableEnvelope`, also if the record's key belongs to another stream or slice.
    """
    slice_number = _number("slice", _required(texts, "slice"))
    position = _number("position", _required(texts, "position"))
    subject = _required(texts, "ce_subject")
    if key is None or key != subject.encode():
        raise UnreadableEnvelope("the key differs from ce_subject")
    if slice_number != slice_of(subject):
        raise UnreadableEnvelope("slice does not match the key")
    if position < 1:
        raise UnreadableEnvelope("position is below 1")
    return SlicePosition(slice_number, position, _hash(_required(texts, "hash")))


def read_event(envelope: Envelope, data: bytes) -> Event:
    """Return the event in a ledger's record. Raises `UnknownEvent` or `UnreadableEvent`."""
    return decode(envelope.type_name, envelope.schema_version, data)


def log_context(headers: Headers) -> dict[str, Any]:
    """Return the correlation and trace id for a log line's `extra`, as far as the headers can be read."""
    texts = {name: (value or b"").decode("utf-8", "replace") for name, value in headers}
    correlation_id = uuid_or_none(texts.get("ce_correlationid", ""))
    return {"correlation_id": correlation_id, "trace_id": trace_id_of(read_traceparent(texts.get("traceparent")))}


def _required(texts: Mapping[str, str], name: str) -> str:
    if not (text := texts.get(name)):
        raise UnreadableEnvelope(f"{name} is missing")
    if len(text) > HEADER_CHARACTERS_MAX:
        raise UnreadableEnvelope(f"{name} is longer than {HEADER_CHARACTERS_MAX} characters")
    if not text.isprintable():
        # PostgreSQL's text cannot hold a NUL, and a log line no line break
        raise UnreadableEnvelope(f"{name} contains a control character")
    return text


def _number(name: str, text: str) -> int:
    # isdecimal alone would accept digits of other scripts
    if not (text.isascii() and text.isdecimal() and len(text) <= BIGINT_DIGITS_MAX):
        raise UnreadableEnvelope(f"{name} is not a number")
    return int(text)


def _moment(name: str, text: str) -> datetime:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise UnreadableEnvelope(f"{name} is not a time") from None
    if moment.tzinfo is None:
        raise UnreadableEnvelope(f"{name} has no time zone")
    try:
        return moment.astimezone(UTC)
    except OverflowError:
        raise UnreadableEnvelope(f"{name} is beyond the calendar") from None


def _id(name: str, text: str | None) -> UUID | None:
    try:
        return UUID(text) if text else None
    except ValueError:
        raise UnreadableEnvelope(f"{name} is not a UUID") from None


def _hash(text: str) -> bytes:
    try:
        return bytes.fromhex(text)
    except ValueError:
        raise UnreadableEnvelope("hash is not hexadecimal") from None
