"""The content of the two pages: the documents, arranged for people to read."""

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from markupsafe import Markup

from shared.reasons import CATALOGUE
from shared.reference.field_texts import FIELDS
from shared.reference.openapi import PROBLEM_JSON, Document, operations_of
from shared.reference.rows import Row, Schemas, rows_of, type_of, with_code

LAST = ("operations", "schemas", "reasons", "sandbox", "health")
NON_WORD = re.compile(r"[^a-z0-9_]+")


@dataclass(frozen=True, slots=True)
class Refusal:
    """A problem that a route may return."""

    status: str
    code: str
    meaning: str


@dataclass(frozen=True, slots=True)
class Answer:
    """A success answer with an example."""

    status: str
    about: str
    media_type: str
    example: str


@dataclass(frozen=True, slots=True)
class Operation:
    """One route."""

    anchor: str
    method: str
    path: str
    summary: Markup
    about: Markup
    who: str
    parameters: tuple[Row, ...]
    fields: tuple[Row, ...]
    body: str
    answers: tuple[Answer, ...]
    refusals: tuple[Refusal, ...]


@dataclass(frozen=True, slots=True)
class Message:
    """One event or command."""

    anchor: str
    name: str
    version: int | None
    summary: Markup
    about: Markup
    key: str
    example_key: str
    fields: tuple[Row, ...]
    headers: str
    payload: str


@dataclass(frozen=True, slots=True)
class Channel:
    """One topic."""

    anchor: str
    name: str
    about: str
    operation: str
    headers: tuple[Row, ...]
    messages: tuple[Message, ...]


def api_page(document: Document) -> Mapping[str, Any]:
    """Return the content of `api.html`: the routes by tag."""
    groups: dict[str, list[Operation]] = {}
    for name, operation in operations_of(document):
        tag = operation.get("tags", ["other"])[0]
        groups.setdefault(tag, []).append(_operation(name, operation, document["components"]["schemas"]))
    # the routes of both services come after those of this service
    ordered = dict(sorted(groups.items(), key=lambda group: LAST.index(group[0]) if group[0] in LAST else -1))
    return {"title": f"{document['info']['title']}: API", "version": document["info"]["version"], "groups": ordered}


def messages_page(document: Document) -> Mapping[str, Any]:
    """Return the content of `messages.html`: the topics with their messages."""
    info, schemas = document["info"], document["components"]["schemas"]
    channels = [_channel(name, channel, document, schemas) for name, channel in document["channels"].items()]
    return {"title": info["title"], "version": info["version"], "about": info["description"], "channels": channels}


# --- the API ------------------------------------------------------------------------------------


def _operation(name: str, operation: Document, schemas: Schemas) -> Operation:
    method, _, path = name.partition(" ")
    content = operation.get("requestBody", {}).get("content", {}).get("application/json", {})
    return Operation(
        anchor=NON_WORD.sub("-", name.lower()).strip("-"),
        method=method,
        path=path,
        summary=with_code(operation["summary"]),
        about=with_code(operation.get("description", "")),
        who=operation.get("x-who", ""),
        parameters=tuple(_parameter(each, schemas) for each in operation.get("parameters", ())),
        fields=tuple(rows_of(_object(content.get("schema", {})), schemas)),
        body=_example(content["example"]) if "example" in content else "",
        answers=tuple(_answers(operation)),
        refusals=tuple(_refusals(operation)),
    )


def _object(schema: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the schema of a body; an optional body is a choice between it and null."""
    options: list[Mapping[str, Any]] = schema.get("anyOf", [schema])
    return options[0]


def _parameter(parameter: Mapping[str, Any], schemas: Schemas) -> Row:
    place = {"path": "in the path", "query": "after the ?", "header": "header"}[parameter["in"]]
    about = parameter.get("description") or FIELDS.get(parameter["name"]) or parameter["schema"].get("description", "")
    example = f" For example `{parameter['example']}`." if "example" in parameter else ""
    type_ = f"{place}, {type_of(parameter['schema'], schemas)}"
    return Row(
        parameter["name"], with_code(type_), parameter.get("required", False), with_code(f"{about}{example}".strip())
    )


def _answers(operation: Document) -> Iterator[Answer]:
    for status, response in operation["responses"].items():
        for media_type, content in response.get("content", {}).items():
            if media_type != PROBLEM_JSON:
                yield Answer(status, response["description"], media_type, _example(content.get("example", "")))


def _refusals(operation: Document) -> Iterator[Refusal]:
    for status, response in operation["responses"].items():
        for code in response.get("content", {}).get(PROBLEM_JSON, {}).get("examples", {}):
            yield Refusal(status, code, CATALOGUE.about(code)[0].meaning)


# --- the messages -------------------------------------------------------------------------------


def _channel(topic: str, channel: Document, document: Document, schemas: Schemas) -> Channel:
    messages = document["components"]["messages"]
    own = [messages[each["$ref"].rpartition("/")[2]] for each in channel["messages"].values()]
    operation = next(each for each in document["operations"].values() if each["channel"]["$ref"].endswith(topic))
    return Channel(
        anchor=topic,
        name=topic,
        about=channel["description"],
        operation=operation["summary"],
        headers=tuple(rows_of(own[0]["headers"], schemas)),
        messages=tuple(_message(topic, message, schemas) for message in own),
    )


def _message(topic: str, message: Document, schemas: Schemas) -> Message:
    example = message["examples"][0]
    return Message(
        anchor=f"{topic}-{message['name']}",
        name=message["name"],
        version=message.get("x-version"),
        summary=with_code(message["summary"]),
        about=with_code(message.get("description", "")),
        key=message["bindings"]["kafka"]["key"]["description"],
        example_key=message["x-example-key"],
        fields=tuple(rows_of(message["payload"], schemas)),
        headers="\n".join(f"{name}: {value}" for name, value in example["headers"].items()),
        payload=_example(example["payload"]),
    )


def _example(example: Any) -> str:
    return example if isinstance(example, str) else json.dumps(example, indent=2, ensure_ascii=False)
