"""The messages of one service as an AsyncAPI 3.0 document, made from the types that its code reads and writes."""

import inspect
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from pydantic import BaseModel

from shared.messages import Event
from shared.reference.headers import EVENT_HEADERS, ORDER_HEADERS
from shared.reference.topics import EXAMPLES, EventTopic

SCHEMAS = "#/components/schemas/"
MESSAGES = "#/components/messages/"
JSON = "application/json"
FILLED_IN = frozenset({"at", "request_id"})
"""Fields of an order that the service itself fills in; a message that has one is refused."""

type Document = dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Orders:
    """The orders of outside tools on one topic: their types, an example body of each, and who sends them."""

    topic: str
    about: str
    key: str
    source: str
    types: tuple[type[BaseModel], ...]
    examples: Mapping[str, Mapping[str, Any]]
    optional: frozenset[str] = field(default=frozenset())
    """Fields that a message may leave out though the order must have them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Application:
    """What one service sends and hears."""

    name: str
    sends: EventTopic
    hears: EventTopic
    orders: Orders


def asyncapi_of(application: Application, *, version: str) -> Document:
    """Return the document."""
    schemas: Document = {}
    return {
        "asyncapi": "3.0.0",
        "info": {
            "title": f"Perennial {application.name} service: messages",
            "version": version,
            "description": "CloudEvents 1.0 in Kafka's binary mode: the body is JSON, the headers say the rest. "
            "An activation code never travels in full; it is named by its reference and its last group.",
        },
        "defaultContentType": JSON,
        "channels": dict(_channels(application)),
        "operations": dict(_operations(application)),
        "components": {"messages": dict(_messages(application, schemas)), "schemas": schemas},
    }


# --- channels and operations --------------------------------------------------------------------


def _channels(application: Application) -> Iterator[tuple[str, Document]]:
    for topic in (application.sends, application.hears):
        yield topic.name, _channel(topic.name, topic.about, [event.__name__ for event in topic.events])
    orders = application.orders
    yield orders.topic, _channel(orders.topic, orders.about, [order.__name__ for order in orders.types])


def _channel(topic: str, about: str, names: list[str]) -> Document:
    return {
        "address": topic,
        "description": about,
        "messages": {name: {"$ref": MESSAGES + _id(topic, name)} for name in names},
        "bindings": {"kafka": {"topic": topic, "bindingVersion": "0.5.0"}},
    }


def _operations(application: Application) -> Iterator[tuple[str, Document]]:
    sends, hears, orders = application.sends.name, application.hears.name, application.orders.topic
    yield "tell", _operation("send", sends, "Tell everything that happened")
    yield "hear", _operation("receive", hears, "Hear what the other service tells")
    yield "takeOrders", _operation("receive", orders, "Take orders of outside tools; what cannot be read is parked")


def _operation(action: str, topic: str, summary: str) -> Document:
    return {"action": action, "channel": {"$ref": f"#/channels/{topic}"}, "summary": summary}


def _id(topic: str, name: str) -> str:
    """Return under which name a message stands in the document: on two topics it has two keys."""
    return f"{topic.partition('.')[0]}.{name}"


# --- messages -----------------------------------------------------------------------------------


def _messages(application: Application, schemas: Document) -> Iterator[tuple[str, Document]]:
    schemas |= {"EventHeaders": EVENT_HEADERS, "OrderHeaders": ORDER_HEADERS}
    for topic in (application.sends, application.hears):
        for event in topic.events:
            yield _id(topic.name, event.__name__), _event(topic, event, schemas)
    orders = application.orders
    for order in orders.types:
        yield _id(orders.topic, order.__name__), _order(orders, order, schemas)


def _event(topic: EventTopic, event_type: type[Event], schemas: Document) -> Document:
    name, example = event_type.__name__, EXAMPLES[event_type.__name__]
    return {
        **_message(name, event_type, headers="EventHeaders", key=topic.key),
        "payload": {"$ref": SCHEMAS + _hoisted(event_type, schemas)},
        "correlationId": {"location": "$message.header#/ce_correlationid"},
        "examples": [{"headers": topic.headers_of(example), "payload": example.model_dump(mode="json")}],
        "x-version": event_type.schema_version,
        "x-example-key": topic.key_of(example),
    }


def _order(orders: Orders, order_type: type[BaseModel], schemas: Document) -> Document:
    name, body = order_type.__name__, dict(orders.examples[order_type.__name__])
    schema = schemas[_hoisted(order_type, schemas)]
    schema["properties"] = {key: value for key, value in schema["properties"].items() if key not in FILLED_IN}
    schema["required"] = [key for key in schema["required"] if key not in FILLED_IN | orders.optional]
    key = str(body[next(iter(schema["properties"]))])
    headers = {
        "ce_specversion": "1.0",
        "ce_id": "4711",
        "ce_source": orders.source,
        "ce_type": name,
        "ce_time": "2026-03-01T12:00:00.250Z",
    }
    return {
        **_message(name, order_type, headers="OrderHeaders", key=orders.key),
        "payload": {"$ref": SCHEMAS + name},
        "examples": [{"headers": headers, "payload": body}],
        "x-example-key": key,
    }


def _message(name: str, message: type[BaseModel], *, headers: str, key: str) -> Document:
    summary, _, description = inspect.cleandoc(message.__doc__ or "").partition("\n\n")
    return {
        "name": name,
        "title": name,
        "summary": " ".join(summary.split()),
        **({"description": " ".join(description.split())} if description else {}),
        "contentType": JSON,
        "headers": {"$ref": SCHEMAS + headers},
        "bindings": {"kafka": {"key": {"type": "string", "description": key}, "bindingVersion": "0.5.0"}},
    }


def _hoisted(message: type[BaseModel], schemas: Document) -> str:
    """Put the message's JSON schema, and those that it refers to, among the document's, and return its name."""
    schema = message.model_json_schema(ref_template=SCHEMAS + "{model}")
    schemas |= schema.pop("$defs", {})
    schemas[message.__name__] = schema
    return message.__name__
