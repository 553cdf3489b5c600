"""Orders of other people's tools: read in whatever form CloudEvents 1.0 allows, binary or structured (R-143).

Our own logs are read strictly, by `cloudevents`. No topic, service or rule may come in here.
"""

import binascii
import unicodedata
from base64 import b64decode
from collections.abc import Mapping
from datetime import datetime
from typing import Any, NamedTuple

from pydantic import TypeAdapter, ValidationError
from pydantic_core import from_json, to_json

from shared.kafka.cloudevents import HEADER_CHARACTERS_MAX, Envelope, Headers, UnreadableEnvelope
from shared.ledger.identity import uuid_or_none
from shared.messages import ToldMoment
from shared.watching.traces import read_traceparent

CLOUDEVENTS = "application/cloudevents"
"""The content type of structured mode begins so (Kafka protocol binding 1.0.2, section 3)."""
STRUCTURED = "application/cloudevents+json"
CONTEXT = ("specversion", "id", "source", "type", "time", "subject")
EXTENSIONS = ("correlationid", "traceparent")
"""What is read beside the context, if it is as we need it. All other attributes may say what they like."""
READ = frozenset({"content-type", "traceparent", *(f"ce_{name}" for name in (*CONTEXT, *EXTENSIONS))})

_MOMENT = TypeAdapter[datetime](ToldMoment)


class Order(NamedTuple):
    """An order's metadata and its body."""

    envelope: Envelope
    data: bytes


def read_order(headers: Headers, value: bytes | None, *, arrived_at: datetime) -> Order:
    """Return the order in a record, dated by its arrival if it has no time. Raises `UnreadableEnvelope`."""
    texts = _texts(headers)
    media_type = texts.get("content-type", "").partition(";")[0].strip().lower()
    if not media_type.startswith(CLOUDEVENTS):
        return Order(_envelope(texts, arrived_at), value or b"")
    if media_type != STRUCTURED:
        raise UnreadableEnvelope(f"content-type: of structured mode, only {STRUCTURED} is read")
    event = _event(value or b"")
    return Order(_envelope(_attributes(event) | _trace(texts), arrived_at), _data(event))


def _texts(headers: Headers) -> dict[str, str]:
    """Return the headers that are read as text: what other tools write beside them concerns nobody here."""
    try:
        return {name: value.decode() for name, value in headers if name in READ and value is not None}
    except UnicodeDecodeError:
        raise UnreadableEnvelope("a header is not UTF-8") from None


def _event(value: bytes) -> Mapping[str, Any]:
    try:
        event = from_json(value)
    except (ValueError, RecursionError):
        event = None
    if not isinstance(event, dict):
        raise UnreadableEnvelope("the body is not a CloudEvent in JSON")
    return event


def _attributes(event: Mapping[str, Any]) -> dict[str, str]:
    told = {name: _text(f"ce_{name}", event[name]) for name in CONTEXT if event.get(name) is not None}
    told |= {name: event[name] for name in EXTENSIONS if isinstance(event.get(name), str)}
    return {f"ce_{name}": text for name, text in told.items()}


def _trace(texts: Mapping[str, str]) -> dict[str, str]:
    return {name: text for name, text in texts.items() if name == "traceparent"}


def _text(name: str, value: object) -> str:
    if not isinstance(value, str):
        raise UnreadableEnvelope(f"{name} is not a text")
    return value


def _data(event: Mapping[str, Any]) -> bytes:
    """Return the body of an order in structured mode (JSON event format 1.0.2, section 3.1)."""
    if "data_base64" not in event:
        return to_json(event["data"]) if "data" in event else b""
    try:
        return b64decode(_text("data_base64", event["data_base64"]), validate=True)
    except (binascii.Error, ValueError):
        raise UnreadableEnvelope("data_base64 is not in Base64") from None


def _envelope(texts: Mapping[str, str], arrived_at: datetime) -> Envelope:
    if texts.get("ce_specversion") != "1.0":
        raise UnreadableEnvelope("ce_specversion is missing or not 1.0")
    sent_at = _moment(texts["ce_time"]) if texts.get("ce_time") else arrived_at
    return Envelope(
        event_id=_required(texts, "ce_id"),
        source=_required(texts, "ce_source"),
        type_name=_required(texts, "ce_type"),
        schema_version=1,  # a schema that a sender names is its own
        subject=texts.get("ce_subject", ""),
        occurred_at=sent_at,
        recorded_at=sent_at,
        correlation_id=uuid_or_none(texts.get("ce_correlationid", "")),
        traceparent=_traceparent(texts),
    )


def _traceparent(texts: Mapping[str, str]) -> str | None:
    # the header of W3C, or the attribute of the CloudEvents extension for distributed tracing
    told = (read_traceparent(texts.get(name)) for name in ("traceparent", "ce_traceparent"))
    return next(filter(None, told), None)


def _required(texts: Mapping[str, str], name: str) -> str:
    if not (text := texts.get(name)):
        raise UnreadableEnvelope(f"{name} is missing")
    if len(text) > HEADER_CHARACTERS_MAX:
        raise UnreadableEnvelope(f"{name} is longer than {HEADER_CHARACTERS_MAX} characters")
    if any(unicodedata.category(character) == "Cc" for character in text):
        raise UnreadableEnvelope(f"{name} contains a control character")
    return text


def _moment(text: str) -> datetime:
    try:
        return _MOMENT.validate_python(text)
    except ValidationError:
        raise UnreadableEnvelope(
            "ce_time is not a time as RFC 3339 writes it, with a zone, that UTC can tell"
        ) from None
