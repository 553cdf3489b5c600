"""The fields of a JSON schema as rows that people read: name, form, whether it must be there, and what it is."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from markupsafe import Markup, escape

from shared.reasons import CATALOGUE
from shared.reference.glossary import FIELDS

type Schema = Mapping[str, Any]
type Schemas = Mapping[str, Schema]


@dataclass(frozen=True, slots=True)
class Row:
    """One field. `words` are the values that it may have, each with whether the catalogue explains it."""

    name: str
    form: Markup
    required: bool
    about: Markup
    words: tuple[tuple[str, bool], ...] = ()


def marked(text: str) -> Markup:
    """Return a text in which what stands between backticks is code."""
    parts = [
        Markup("<code>{}</code>").format(part) if odd % 2 else escape(part) for odd, part in enumerate(text.split("`"))
    ]
    return Markup("").join(parts)


def rows_of(schema: Schema, schemas: Schemas) -> list[Row]:
    """Return the fields of an object, in the order of the code."""
    return list(_rows(_resolved(schema, schemas), schemas))


def _rows(schema: Schema, schemas: Schemas, prefix: str = "") -> Iterator[Row]:
    required = schema.get("required", ())
    for name, told in schema.get("properties", {}).items():
        inner = _resolved(told, schemas)
        yield Row(
            prefix + name,
            marked(form_of(told, schemas)),
            name in required,
            marked(_about(prefix + name, told, inner)),
            tuple((word, bool(CATALOGUE.about(word))) for word in _words(inner, schemas)),
        )
        if item := _object_in(inner, schemas):
            yield from _rows(item, schemas, f"{prefix}{name}[].")


def form_of(schema: Schema, schemas: Schemas) -> str:
    """Return in few words which values are possible."""
    told = _resolved(schema, schemas)
    if options := told.get("anyOf"):
        return " or ".join(dict.fromkeys(form_of(option, schemas) for option in options))
    if "const" in told:
        return f'"{told["const"]}"'
    if "enum" in told:
        return "one of"
    if told.get("type") == "array":
        return f"list of {form_of(told.get('items', {}), schemas)}"
    kind = str(told.get("format") or told.get("type") or "anything")
    return f"{FORMS.get(kind, kind)}{_limits(told)}"


FORMS = {
    "string": "text",
    "integer": "whole number",
    "boolean": "true or false",
    "date-time": "time (RFC 3339)",
    "uuid": "UUID",
    "null": "null",
    "password": "text",
}


def _limits(told: Schema) -> str:
    if pattern := told.get("pattern"):
        return f" like `{pattern}`"
    low, high = told.get("minimum"), told.get("maximum")
    if low is not None or high is not None:
        return f" {'' if low is None else low} to {'' if high is None else high}".rstrip()
    if longest := told.get("maxLength"):
        return f" of at most {longest} characters"
    return ""


def _about(name: str, told: Schema, inner: Schema) -> str:
    about = told.get("description") or FIELDS.get(name) or inner.get("description") or ""
    default = told.get("default")
    usual = "" if default in (None, [], "") else f" Usually `{json.dumps(default).strip('"')}`."
    return f"{' '.join(about.split())}{usual}".strip()


def _words(schema: Schema, schemas: Schemas) -> list[str]:
    if "enum" in schema:
        return [str(word) for word in schema["enum"]]
    inner = [*schema.get("anyOf", ()), *([schema["items"]] if isinstance(schema.get("items"), Mapping) else [])]
    return [word for each in inner for word in _words(_resolved(each, schemas), schemas)]


def _object_in(schema: Schema, schemas: Schemas) -> Schema | None:
    """Return the object that a list is made of."""
    items = _resolved(schema.get("items", {}), schemas)
    return items if items.get("properties") else None


def _resolved(schema: Schema, schemas: Schemas) -> Schema:
    if "$ref" in schema:
        return schemas[schema["$ref"].rpartition("/")[2]]
    return schema
