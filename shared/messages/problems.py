"""What is wrong with a message: where, and of what kind. Never its input, which may hold what must not be logged."""

import re
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
from pydantic import ValidationError

from shared.messages.facts import Fact
from shared.messages.forms import Place, named

FIELD = re.compile("[0-9]{1,4}|[a-z_-]{1,19}")
"""A field name of ours, or a place in a list: shorter than a code without its hyphens, and never both."""

_MSGSPEC = {
    "Object missing required field": "missing",
    "Expected `str": "string_type",
    "Expected `int": "int_type",
    "Expected `bool": "bool_type",
    "Expected `datetime` with a timezone": "timezone_aware",
    "Expected `datetime": "datetime_type",
    "Expected `uuid": "uuid_type",
    "Expected `array": "tuple_type",
    "Expected `object": "model_type",
    "Invalid enum value": "literal_error",
    "Invalid RFC3339 encoded datetime": "datetime_parsing",
    "Invalid UUID": "uuid_parsing",
    "Integer value out of range": "int_parsing_size",
}
"""How what msgspec says begins, and the word by which pydantic names the same."""
_END = re.compile(r"(?: required field `(\w+)`)?(?: - at `\$([^`]*)`)?$")
"""How it ends: with the field that is missing, and where in the message."""


def first_problem(error: ValueError | RecursionError, *, within: type[Fact] | None = None) -> str:
    """Return where the first problem is, of what kind, and what to write instead if we know.

    `within` is the event whose values were checked, if any.
    """
    hint = None
    match error:
        case ValidationError():
            problem = error.errors(include_input=False, include_url=False)[0]
            place, kind = problem["loc"] if within is None else named(within, problem["loc"]), problem["type"]
            hint = hint_of(problem)
        case msgspec.ValidationError():
            place, kind = _read_off(str(error))
        case _:
            place, kind = (), "json_invalid"
    said = f"{field_name(place) or 'body'}: {kind}"
    return f"{said}, {hint}" if hint else said


def hint_of(problem: Mapping[str, Any]) -> str | None:
    """Return what to write instead, from a problem of pydantic's: words of ours, never of the input."""
    hint: str | None = problem.get("ctx", {}).get("hint") if problem["type"] == "not_a_country" else None
    return hint


def _read_off(said: str) -> tuple[Place, str]:
    """Return place and kind of what msgspec says, which names the value too."""
    found = _END.search(said)
    missing, path = found.groups("") if found else ("", "")
    kind = next((word for beginning, word in _MSGSPEC.items() if said.startswith(beginning)), "invalid")
    return [*re.findall(r"\w+", path), *filter(None, [missing])], kind


def field_name(parts: Sequence[int | str]) -> str:
    """Return where a problem is. What does not look like a field of ours is input, and input is not repeated."""
    return ".".join(str(part) if FIELD.fullmatch(str(part)) else "?" for part in parts)
