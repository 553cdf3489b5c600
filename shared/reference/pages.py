"""What the two pages show: the documents, put into the order in which people read."""

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from markupsafe import Markup

from shared.reasons import CATALOGUE
from shared.reference.glossary import FIELDS
from shared.reference.openapi import PROBLEM_JSON, Document, operations_of
from shared.reference.rows import Row, Schemas, form_of, marked, rows_of

LAST = ("operations", "reasons", "sandbox", "health")
BETWEEN_WORDS = re.compile(r"[^a-z0-9_]+")


@dataclass(frozen=True, slots=True)
class Refusal:
    """A problem that a route may answer."""

    status: str
    code: str
    meaning: str


@dataclass(frozen=True, slots=True)
class Answer:
    """A good answer, and an example of it."""

    status: str
    about: str
    media_type: str
    example: str


@dataclass(frozen=True, slots=True)
class Operation:
    """One route."""

    mark: str
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
    """One event or order."""

    mark: str
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

    mark: str
    name: str
    about: str
    what: str
    headers: tuple[Row, ...]
    messages: tuple[Message, ...]


def api_page(document: Document) -> Mapping[str, Any]:
    """Return what `api.html` shows: the routes by their tags."""
    groups: dict[str, list[Operation]] = {}
    for name, operation in operations_of(document):
        tag = operation.get("tags", ["other"])[0]
        groups.setdefault(tag, []).append(_operation(name, operation, document["components"]["schemas"]))
    # what both services have comes after what this one is there for
    ordered = dict(sorted(groups.items(), key=lambda group: LAST.index(group[0]) if group[0] in LAST else -1))
    return {"title": f"{document['info']['title']}: API", "version": document["info"]["version"], "groups": ordered}


def messages_page(document: Document) -> Mapping[str, Any]:
    """Return what `messages.html` shows: the topics with their messages."""
    info, schemas = document["info"], document["components"]["schemas"]
    channels = [_channel(name, channel, document, schemas) for name, channel in document["channels"].items()]
    return {"title": info["title"], "version": info["version"], "about": info["description"], "channels": channels}


# --- the API ------------------------------------------------------------------------------------


def _operation(name: str, operation: Document, schemas: Schemas) -> Operation:
    method, _, path = name.partition(" ")
    content = operation.get("requestBody", {}).get("content", {}).get("application/json", {})
    return Operation(
        mark=BETWEEN_WORDS.sub("-", name.lower()).strip("-"),
        method=method,
        path=path,
        summary=marked(operation["summary"]),
        about=marked(operation.get("description", "")),
        who=operation.get("x-who", ""),
        parameters=tuple(_parameter(each, schemas) for each in operation.get("parameters", ())),
        fields=tuple(rows_of(_object(content.get("schema", {})), schemas)),
        body=_written(content["example"]) if "example" in content else "",
        answers=tuple(_answers(operation)),
        refusals=tuple(_refusals(operation)),
    )


def _object(schema: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the object that a body may be: one that may be left out stands beside null."""
    options: list[Mapping[str, Any]] = schema.get("anyOf", [schema])
    return options[0]


def _parameter(parameter: Mapping[str, Any], schemas: Schemas) -> Row:
    place = {"path": "in the path", "query": "after the ?", "header": "header"}[parameter["in"]]
    about = parameter.get("description") or FIELDS.get(parameter["name"]) or parameter["schema"].get("description", "")
    example = f" For example `{parameter['example']}`." if "example" in parameter else ""
    form = f"{place}, {form_of(parameter['schema'], schemas)}"
    return Row(parameter["name"], marked(form), parameter.get("required", False), marked(f"{about}{example}".strip()))


def _answers(operation: Document) -> Iterator[Answer]:
    for status, response in operation["responses"].items():
        for media_type, content in response.get("content", {}).items():
            if media_type != PROBLEM_JSON:
                yield Answer(status, response["description"], media_type, _written(content.get("example", "")))


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
        mark=topic,
        name=topic,
        about=channel["description"],
        what=operation["summary"],
        headers=tuple(rows_of(own[0]["headers"], schemas)),
        messages=tuple(_message(topic, message, schemas) for message in own),
    )


def _message(topic: str, message: Document, schemas: Schemas) -> Message:
    example = message["examples"][0]
    return Message(
        mark=f"{topic}-{message['name']}",
        name=message["name"],
        version=message.get("x-version"),
        summary=marked(message["summary"]),
        about=marked(message.get("description", "")),
        key=message["bindings"]["kafka"]["key"]["description"],
        example_key=message["x-example-key"],
        fields=tuple(rows_of(message["payload"], schemas)),
        headers="\n".join(f"{name}: {value}" for name, value in example["headers"].items()),
        payload=_written(example["payload"]),
    )


def _written(example: Any) -> str:
    return example if isinstance(example, str) else json.dumps(example, indent=2, ensure_ascii=False)
