"""The fields of a JSON schema as table rows: name, type, whether it is required, and its meaning."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from markupsafe import Markup, escape

from shared.reasons import CATALOGUE
from shared.reference.field_texts import FIELDS

type Schema = Mapping[str, Any]
type Schemas = Mapping[str, Schema]


@dataclass(frozen=True, slots=True)
class Row:
    """One field. `values` are its possible values, each with whether the catalogue explains it."""

    name: str
    type: Markup
    required: bool
    about: Markup
    values: tuple[tuple[str, bool], ...] = ()


def with_code(text: str) -> Markup:
    """Return a text as HTML, with what is between backticks as code."""
    parts = [
        Markup("<code>{}</code>").format(part) if odd % 2 else escape(part) for odd, part in enumerate(text.split("`"))
    ]
    return Markup("").join(parts)


def rows_of(schema: Schema, schemas: Schemas) -> list[Row]:
    """Return the fields of an object, in source order."""
    return list(_rows(_resolved(schema, schemas), schemas))


def _rows(schema: Schema, schemas: Schemas, prefix: str = "") -> Iterator[Row]:
    required = schema.get("required", ())
    for name, field in schema.get("properties", {}).items():
        inner = _resolved(field, schemas)
        yield Row(
            prefix + name,
            with_code(type_of(field, schemas)),
            name in required,
            with_code(_about(prefix + name, field, inner)),
            tuple((value, bool(CATALOGUE.about(value))) for value in _values(inner, schemas)),
        )
        if item := _object_in(inner, schemas):
            yield from _rows(item, schemas, f"{prefix}{name}[].")


def type_of(schema: Schema, schemas: Schemas) -> str:
    """Return the type in a few words."""
    resolved = _resolved(schema, schemas)
    if options := resolved.get("anyOf"):
        return " or ".join(dict.fromkeys(type_of(option, schemas) for option in options))
    if "const" in resolved:
        return f'"{resolved["const"]}"'
    if "enum" in resolved:
        return "one of"
    if resolved.get("type") == "array":
        return f"list of {type_of(resolved.get('items', {}), schemas)}"
    kind = str(resolved.get("format") or resolved.get("type") or "anything")
    return f"{TYPES.get(kind, kind)}{_limits(resolved)}"


TYPES = {
    "string": "text",
    "integer": "whole number",
    "boolean": "true or false",
    "date-time": "time (RFC 3339)",
    "uuid": "UUID",
    "null": "null",
    "password": "text",
}


def _limits(schema: Schema) -> str:
    if pattern := schema.get("pattern"):
        return f" like `{pattern}`"
    low, high = schema.get("minimum"), schema.get("maximum")
    if low is not None or high is not None:
        return f" {'' if low is None else low} to {'' if high is None else high}".rstrip()
    if longest := schema.get("maxLength"):
        return f" of at most {longest} characters"
    return ""


def _about(name: str, field: Schema, inner: Schema) -> str:
    about = field.get("description") or FIELDS.get(name) or inner.get("description") or ""
    default = field.get("default")
    default_text = "" if default in (None, [], "") else f" Default: `{json.dumps(default).strip('"')}`."
    return f"{' '.join(about.split())}{default_text}".strip()


def _values(schema: Schema, schemas: Schemas) -> list[str]:
    if "enum" in schema:
        return [str(value) for value in schema["enum"]]
    inner = [*schema.get("anyOf", ()), *([schema["items"]] if isinstance(schema.get("items"), Mapping) else [])]
    return [value for each in inner for value in _values(_resolved(each, schemas), schemas)]


def _object_in(schema: Schema, schemas: Schemas) -> Schema | None:
    """Return the schema of a list's items, if they are objects."""
    items = _resolved(schema.get("items", {}), schemas)
    return items if items.get("properties") else None


def _resolved(schema: Schema, schemas: Schemas) -> Schema:
    if "$ref" in schema:
        return schemas[schema["$ref"].rpartition("/")[2]]
    return schema
