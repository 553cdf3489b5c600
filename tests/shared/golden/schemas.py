"""What may change in an event's schema: a field may be added with a default. Anything else is a new version.

Ledgers keep events for ever and others read our topics with the schema they know, so both must go on: the event of
yesterday read today, and the event of today read with yesterday's schema.
"""

from collections.abc import Iterable
from typing import Any

from shared.messages import Event, as_model

type Schema = dict[str, Any]

MISSING = object()
WORDS_ONLY = ("title", "description", "examples")


def schema_of(event_type: type[Event]) -> Schema:
    """Return the JSON schema of an event, without the words that explain it."""
    schema = as_model(event_type).model_json_schema()
    return {
        "properties": {name: _plain(field, schema) for name, field in sorted(schema["properties"].items())},
        "required": sorted(schema.get("required", ())),
    }


def breaking_changes(name: str, pinned: Schema, today: Schema) -> list[str]:
    """Return what others could not read, each with what to do."""
    return [f"{name}: {change}; leave it as it was and make a new version" for change in _changes(pinned, today)]


def added_fields(pinned: Schema, today: Schema) -> list[str]:
    """Return the fields that are not pinned yet."""
    return sorted(set(today["properties"]) - set(pinned["properties"]))


def _changes(pinned: Schema, today: Schema) -> Iterable[str]:
    for field, before in pinned["properties"].items():
        now = today["properties"].get(field, MISSING)
        if now is MISSING:
            yield f"field {field} was removed or renamed"
        elif now != before:
            yield f"field {field} takes other values: {_difference(before, now)}"
        elif (field in pinned["required"]) != (field in today["required"]):
            yield f"field {field} is {'' if field in today['required'] else 'not '}required now"
    for field in added_fields(pinned, today):
        if field in today["required"]:
            yield f"new field {field} has no default, and the events that exist do not have it"


def _difference(before: Schema, now: Schema) -> str:
    """Return what differs, shortly: the values of an enumeration, or the whole of both."""
    values_before, values_now = set(before.get("enum", ())), set(now.get("enum", ()))
    if values_before and values_now:
        gone, new = sorted(values_before - values_now), sorted(values_now - values_before)
        return f"without {gone}, with new {new}"
    return f"{before} became {now}"


def _plain(node: Any, schema: Schema) -> Any:
    """Return a part of a schema with its references resolved."""
    if isinstance(node, list):
        return [_plain(each, schema) for each in node]
    if not isinstance(node, dict):
        return node
    if "$ref" in node:
        node = schema["$defs"][node["$ref"].rpartition("/")[2]]
    return {name: _plain(each, schema) for name, each in node.items() if name not in WORDS_ONLY}
