"""Every schema that a record names is served by both services, and the event's own example has its shape."""

import json
import re
from collections.abc import Callable, Iterator, Mapping
from datetime import datetime
from typing import Any
from uuid import UUID

import pytest

from shared.messages import UnreadableEvent, decode, encode
from shared.reference.topics import EVENT_TOPICS, EXAMPLES
from tests.reference.served import Reader
from tests.shared.golden.files import VERSIONS, Version

type Schema = Mapping[str, Any]

KINDS: Mapping[str, type | tuple[type, ...]] = {
    "string": str,
    "integer": int,
    "boolean": bool,
    "array": list,
    "object": dict,
    "null": type(None),
}
FORMATS: Mapping[str, Callable[[str], object]] = {"date-time": datetime.fromisoformat, "uuid": UUID}
UNDERSTOOD = {"$ref", "anyOf", "type", "enum", "pattern", "format", "minLength", "maxLength", "items"}
UNDERSTOOD |= {"minimum", "maximum", "properties", "required"}
WORDS_ONLY = {"title", "description", "default", "examples", "$defs", "$schema", "$id"}


@pytest.fixture(scope="session")
def served(client: Reader) -> Mapping[Version, Schema]:
    """Every schema, as one service serves it."""
    return {version: client.get(f"/schemas/{version[0]}/{version[1]}").json() for version in VERSIONS}


def problems(value: Any, schema: Schema, root: Schema, at: str = "$") -> Iterator[str]:
    """Yield where a value does not have the shape of a schema, as far as our schemas go."""
    assert set(schema) <= UNDERSTOOD | WORDS_ONLY, f"{at}: {sorted(schema)}"
    if "$ref" in schema:
        yield from problems(value, root["$defs"][schema["$ref"].removeprefix("#/$defs/")], root, at)
    if "anyOf" in schema and all([*problems(value, option, root, at)] for option in schema["anyOf"]):
        yield f"{at} fits no option"
    if "type" in schema and not _is_a(value, schema["type"]):
        yield f"{at} is not of type {schema['type']}"
    if value not in schema.get("enum", [value]):
        yield f"{at} is not an allowed value"
    if isinstance(value, int) and not schema.get("minimum", value) <= value <= schema.get("maximum", value):
        yield f"{at} is too large or too small"
    if isinstance(value, str):
        yield from _text_problems(value, schema, at)
    yield from _inner_problems(value, schema, root, at)


def _inner_problems(value: Any, schema: Schema, root: Schema, at: str) -> Iterator[str]:
    if isinstance(value, list):
        for number, item in enumerate(value):
            yield from problems(item, schema.get("items", {}), root, f"{at}[{number}]")
    if isinstance(value, dict):
        yield from (f"{at}.{name} is missing" for name in schema.get("required", ()) if name not in value)
        fields = schema.get("properties", {})
        for name in fields.keys() & value.keys():
            yield from problems(value[name], fields[name], root, f"{at}.{name}")


def _is_a(value: Any, kind: str) -> bool:
    return isinstance(value, KINDS[kind]) and (kind == "boolean") == isinstance(value, bool)


def _text_problems(value: str, schema: Schema, at: str) -> Iterator[str]:
    if not re.search(schema.get("pattern", ""), value):
        yield f"{at} does not match"
    if not schema.get("minLength", 0) <= len(value) <= schema.get("maxLength", len(value)):
        yield f"{at} is too long or too short"
    try:
        FORMATS.get(schema.get("format", ""), str)(value)
    except ValueError:
        yield f"{at} has another format"


def test_the_schema_that_a_record_names_is_served(client: Reader) -> None:
    """The path is the URN without `urn:perennial:`, for every event of both topics."""
    for topic in EVENT_TOPICS:
        for event in topic.events:
            urn = topic.headers_of(EXAMPLES[event.__name__])["ce_dataschema"]
            answer = client.get(f"/{urn.removeprefix('urn:perennial:')}")
            assert answer.status_code == 200, urn
            assert answer.headers["content-type"] == "application/schema+json"
            assert "max-age" in answer.headers["cache-control"]
            assert answer.json()["$id"] == urn
            assert answer.json()["$schema"] == "https://json-schema.org/draft/2020-12/schema"
            assert answer.json()["title"] == event.__name__


def test_an_events_own_example_has_the_shape_of_its_schema(served: Mapping[Version, Schema]) -> None:
    for version, schema in served.items():
        body = json.loads(encode(EXAMPLES[version[0]]))
        assert list(problems(body, schema, schema)) == [], version
        assert set(body) <= set(schema["properties"])


def test_what_a_schema_refuses_the_code_refuses(served: Mapping[Version, Schema]) -> None:
    for version, schema in served.items():
        body = json.loads(encode(EXAMPLES[version[0]]))
        for name in body:
            other = {**body, name: {"neither": "text nor number"}}
            assert list(problems(other, schema, schema)), (version, name)
            with pytest.raises(UnreadableEvent):
                decode(*version, json.dumps(other).encode())


@pytest.mark.parametrize(
    "path", ["CodeVerified/2", "CodeVerified/0", "CodeVerified/01", "CodeVerified/one", "codeverified/1", "Nothing/1"]
)
def test_an_unknown_schema_is_a_problem(client: Reader, path: str) -> None:
    answer = client.get(f"/schemas/{path}")
    assert answer.status_code == 404
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["code"] == "not_found"


def test_the_page_of_messages_links_to_every_schema(client: Reader) -> None:
    page = client.get("/docs/messages").text
    for name, version in VERSIONS:
        assert f'href="/schemas/{name}/{version}"' in page
