"""Whatever we write is a valid CloudEvent for the strictest reader, and what earlier releases wrote stays readable."""

import re
from collections.abc import Mapping

import pytest
from pydantic import AnyUrl, TypeAdapter, ValidationError

from shared.kafka.cloudevents import (
    are_headers_of,
    header_texts,
    read_envelope,
    read_position,
    schema_uri,
    to_headers,
    with_schema_uri,
)
from shared.kafka.hash_check import continues_chain
from shared.ledger.events import RecordedEvent
from shared.ledger.hash_chain import GENESIS
from shared.ledger.identity import new_id
from shared.messages import EVENT_TYPES
from shared.reference.examples import examples
from tests.shared.golden.files import VERSIONS, Version, version_of
from tests.shared.records import packed, record_of, recorded

SOURCES = ("/perennial/device", "/perennial/sandbox/activation")
ATTRIBUTES = {"specversion", "id", "source", "type", "time", "subject", "dataschema"}
TRACE = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"

# RFC 3986 appendix A, as far as it concerns us
PCHAR = r"(?:[A-Za-z0-9._~!$&'()*+,;=:@-]|%[0-9A-Fa-f]{2})"
ABSOLUTE_URI = re.compile(rf"[A-Za-z][A-Za-z0-9+.-]*:(?:{PCHAR}|/)+(?:\?(?:{PCHAR}|[/?])*)?")
URI_REFERENCE = re.compile(rf"(?:{PCHAR}|[/?#])+")
# RFC 8141 section 2
URN = re.compile(rf"urn:[A-Za-z0-9][A-Za-z0-9-]{{0,30}}[A-Za-z0-9]:{PCHAR}(?:{PCHAR}|/)*")
# RFC 3339 section 5.6
TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?(?:Z|[+-]\d\d:\d\d)")
# CloudEvents 1.0, "Attribute Naming Convention"
NAME = re.compile(r"[a-z0-9]{1,20}")

EVENTS = {version_of(event): event for event in examples()}
URL = TypeAdapter(AnyUrl)


def entry_of(version: Version) -> RecordedEvent:
    """Return the event's example as a ledger records it, with every header that an event can have."""
    event = packed("stream-1", event=EVENTS[version])
    return recorded([event._replace(causation_id=new_id(), traceparent=TRACE)])[0]


def before(entry: RecordedEvent) -> bytes:
    """Return how earlier releases named the schema."""
    return f"/schemas/{entry.event.type_name}/{entry.event.schema_version}".encode()


@pytest.fixture(params=VERSIONS, ids=lambda version: ".".join(map(str, version)))
def entry(request: pytest.FixtureRequest) -> RecordedEvent:
    """One event of every type and version."""
    return entry_of(request.param)


@pytest.fixture
def attributes(entry: RecordedEvent) -> Mapping[str, str]:
    """The attributes of the event as a CloudEvent."""
    texts = header_texts(to_headers(entry, SOURCES[0]))
    return {name.removeprefix("ce_"): text for name, text in texts.items() if name.startswith("ce_")}


def test_there_is_an_example_of_every_version() -> None:
    assert set(EVENTS) == set(EVENT_TYPES)


@pytest.mark.parametrize("source", SOURCES)
def test_every_header_set_is_a_valid_cloudevent(entry: RecordedEvent, source: str) -> None:
    texts = header_texts(to_headers(entry, source))
    names = [name.removeprefix("ce_") for name in texts if name.startswith("ce_")]
    assert set(names) >= ATTRIBUTES
    assert all(NAME.fullmatch(name) for name in names)
    assert all(text and text.isprintable() for text in texts.values())
    assert texts["ce_specversion"] == "1.0"
    assert URI_REFERENCE.fullmatch(texts["ce_source"])
    assert ABSOLUTE_URI.fullmatch(texts["ce_dataschema"])
    assert TIME.fullmatch(texts["ce_time"])
    assert texts["content-type"] == "application/json"


def test_the_schema_is_named_by_a_urn_that_stays_for_ever() -> None:
    assert schema_uri("CodeVerified", 1) == "urn:perennial:schemas/CodeVerified/1"


def test_the_urn_of_every_schema_is_one_by_its_rfc(attributes: Mapping[str, str]) -> None:
    assert URN.fullmatch(attributes["dataschema"])


def test_a_strict_parser_of_urls_takes_the_urn_as_it_is_and_refuses_the_path(entry: RecordedEvent) -> None:
    """pydantic's parser is the one that refused the path in CloudEvents' Rust library."""
    uri = schema_uri(entry.event.type_name, entry.event.schema_version)
    assert str(URL.validate_python(uri)) == uri
    with pytest.raises(ValidationError, match="relative URL without a base"):
        URL.validate_python(before(entry).decode())


def test_both_ways_to_name_the_schema_are_read(entry: RecordedEvent) -> None:
    texts = header_texts(to_headers(entry, SOURCES[0]))
    envelope = read_envelope(texts)
    assert (envelope.type_name, envelope.schema_version) == (entry.event.type_name, entry.event.schema_version)
    assert read_envelope({**texts, "ce_dataschema": before(entry).decode()}) == envelope


def test_earlier_releases_find_the_version_in_the_urn(entry: RecordedEvent) -> None:
    """They take what follows the last slash, in the text and in the bytes; a rolling upgrade runs both releases."""
    header = dict(to_headers(entry, SOURCES[0]))["ce_dataschema"]
    assert int(header.decode().rpartition("/")[2]) == entry.event.schema_version
    assert int(header.rpartition(b"/")[2]) == entry.event.schema_version


@pytest.mark.parametrize(
    "header", [b"/schemas/CodeBlocked/1", b"urn:perennial:schemas/CodeBlocked/1", b"urn:x:y/2", None]
)
def test_the_chain_does_not_cover_how_the_schema_is_named(header: bytes | None) -> None:
    """So a slice goes on from the records of an earlier release to those of this one."""
    [entry] = recorded([packed("stream-1")])
    record = record_of(entry, offset=0, ce_dataschema=header)
    texts = header_texts(record.headers)
    assert continues_chain(record, texts, read_position(texts, record.key), GENESIS)


def test_the_headers_of_earlier_releases_are_still_those_of_the_event(entry: RecordedEvent) -> None:
    written = to_headers(entry, SOURCES[0])
    earlier = [(name, before(entry) if name == "ce_dataschema" else value) for name, value in written]
    assert earlier != written == with_schema_uri(earlier)
    assert are_headers_of(entry, SOURCES[0], written)
    assert are_headers_of(entry, SOURCES[0], earlier)


@pytest.mark.parametrize("header", [b"/schemas/CodeBlocked/2", b"/schemas/CodeAdded/1", b"schemas/CodeBlocked/1", b""])
def test_another_schema_is_not_that_of_the_event(header: bytes) -> None:
    [entry] = recorded([packed("stream-1")])
    changed = record_of(entry, offset=0, ce_dataschema=header).headers
    assert not are_headers_of(entry, "/perennial/test", changed)
