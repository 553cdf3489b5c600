"""The messages of one service as an AsyncAPI 3.0 document, generated from the types that its code reads and writes."""

import inspect
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from pydantic import BaseModel

from shared.messages import Event, as_model, encode
from shared.reference.headers import EVENT_HEADERS, ORDER_HEADERS
from shared.reference.topics import EXAMPLES, EventTopic

SCHEMAS = "#/components/schemas/"
MESSAGES = "#/components/messages/"
JSON = "application/json"
SERVICE_FIELDS = frozenset({"at", "request_id"})
"""Fields of a command that the service sets itself; a message with one of them is refused."""

type Document = dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class CommandTopic:
    """A topic with commands from other tools: their types, an example body of each, and the sender."""

    topic: str
    about: str
    key: str
    source: str
    types: tuple[type[BaseModel], ...]
    examples: Mapping[str, Mapping[str, Any]]
    optional: frozenset[str] = field(default=frozenset())
    """Fields that a message may omit although the command requires them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Application:
    """What one service sends and receives."""

    name: str
    sends: EventTopic
    receives: EventTopic
    commands: CommandTopic


def asyncapi_of(application: Application, *, version: str) -> Document:
    """Return the AsyncAPI document."""
    schemas: Document = {}
    return {
        "asyncapi": "3.0.0",
        "info": {
            "title": f"Perennial {application.name} service: messages",
            "version": version,
            "description": "CloudEvents 1.0 in Kafka's binary mode: the body is JSON, all else is in the headers. "
            "Commands are read in structured mode too. "
            "An activation code never travels in full; it is named by its reference and its last group.",
        },
        "defaultContentType": JSON,
        "channels": dict(_channels(application)),
        "operations": dict(_operations(application)),
        "components": {"messages": dict(_messages(application, schemas)), "schemas": schemas},
    }


# --- channels and operations --------------------------------------------------------------------


def _channels(application: Application) -> Iterator[tuple[str, Document]]:
    for topic in (application.sends, application.receives):
        yield topic.name, _channel(topic.name, topic.about, [event.__name__ for event in topic.events])
    commands = application.commands
    yield commands.topic, _channel(commands.topic, commands.about, [command.__name__ for command in commands.types])


def _channel(topic: str, about: str, names: list[str]) -> Document:
    return {
        "address": topic,
        "description": about,
        "messages": {name: {"$ref": MESSAGES + _id(topic, name)} for name in names},
        "bindings": {"kafka": {"topic": topic, "bindingVersion": "0.5.0"}},
    }


def _operations(application: Application) -> Iterator[tuple[str, Document]]:
    yield "tell", _operation("send", application.sends.name, "Publish everything that happens")
    yield "hear", _operation("receive", application.receives.name, "Receive what the other service publishes")
    summary = "Receive commands from other tools; what cannot be read is parked"
    yield "takeOrders", _operation("receive", application.commands.topic, summary)


def _operation(action: str, topic: str, summary: str) -> Document:
    return {"action": action, "channel": {"$ref": f"#/channels/{topic}"}, "summary": summary}


def _id(topic: str, name: str) -> str:
    """Return the name of a message in the document. A message on both topics has two: its keys differ."""
    return f"{topic.partition('.')[0]}.{name}"


# --- messages -----------------------------------------------------------------------------------


def _messages(application: Application, schemas: Document) -> Iterator[tuple[str, Document]]:
    schemas |= {"EventHeaders": EVENT_HEADERS, "OrderHeaders": ORDER_HEADERS}
    for topic in (application.sends, application.receives):
        for event in topic.events:
            yield _id(topic.name, event.__name__), _event(topic, event, schemas)
    commands = application.commands
    for command in commands.types:
        yield _id(commands.topic, command.__name__), _command(commands, command, schemas)


def _event(topic: EventTopic, event_type: type[Event], schemas: Document) -> Document:
    name, example = event_type.__name__, EXAMPLES[event_type.__name__]
    return {
        **_message(name, event_type, headers="EventHeaders", key=topic.key),
        "payload": {"$ref": SCHEMAS + _add_schema(as_model(event_type), schemas)},
        "correlationId": {"location": "$message.header#/ce_correlationid"},
        "examples": [{"headers": topic.headers_of(example), "payload": json.loads(encode(example))}],
        "x-version": event_type.schema_version,
        "x-example-key": topic.key_of(example),
    }


def _command(commands: CommandTopic, command_type: type[BaseModel], schemas: Document) -> Document:
    name, body = command_type.__name__, dict(commands.examples[command_type.__name__])
    schema = schemas[_add_schema(command_type, schemas)]
    schema["properties"] = {key: value for key, value in schema["properties"].items() if key not in SERVICE_FIELDS}
    schema["required"] = [key for key in schema["required"] if key not in SERVICE_FIELDS | commands.optional]
    key = str(body[next(iter(schema["properties"]))])
    headers = {
        "ce_specversion": "1.0",
        "ce_id": "4711",
        "ce_source": commands.source,
        "ce_type": name,
        "ce_time": "2026-03-01T12:00:00.250Z",
    }
    return {
        **_message(name, command_type, headers="OrderHeaders", key=commands.key),
        "payload": {"$ref": SCHEMAS + name},
        "examples": [{"headers": headers, "payload": body}],
        "x-example-key": key,
    }


def _message(name: str, message: type, *, headers: str, key: str) -> Document:
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


def _add_schema(message: type[BaseModel], schemas: Document) -> str:
    """Add the message's JSON schema, and those it refers to, to the document; return its name."""
    schema = message.model_json_schema(ref_template=SCHEMAS + "{model}")
    schemas |= schema.pop("$defs", {})
    schemas[message.__name__] = schema
    return message.__name__
