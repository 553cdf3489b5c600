"""Reads a policy from a file, and tells a person which key on which line is wrong.

A policy file is one flat JSON object. No rule may come in here.
"""

import json
from collections.abc import Iterator
from difflib import get_close_matches
from pathlib import Path
from typing import NoReturn

from pydantic import ValidationError

from shared.rules.policy import Policy

FILE_BYTES_MAX = 100_000
_SPACE = " \t\r\n"
LAST = FILE_BYTES_MAX + 1


class PolicyWrong(ValueError):
    """The file is not a valid policy. `code` is stable; `key` and `line` say where the error is, if known."""

    def __init__(self, code: str, detail: str, *, key: str | None = None, line: int | None = None) -> None:
        super().__init__(f"line {line}: {detail}" if line else detail)
        self.code = code
        self.detail = detail
        self.key = key
        self.line = line


def read_policy(path: Path) -> Policy:
    """Return the policy in the file. Raises `PolicyWrong`, or `OSError` if the file cannot be read."""
    with path.open("rb") as file:
        data = file.read(FILE_BYTES_MAX + 1)
    if len(data) > FILE_BYTES_MAX:
        raise PolicyWrong("policy_too_large", f"a policy file can have at most {FILE_BYTES_MAX:,} bytes")
    try:
        return parse_policy(data.decode())
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise PolicyWrong("policy_not_json", "this is not UTF-8 text", line=line) from None


def parse_policy(text: str) -> Policy:
    """Return the policy in a JSON text. Raises `PolicyWrong`."""
    lines = _lines_of_keys(text)
    try:
        return Policy.model_validate_json(text)
    except ValidationError as error:
        _refuse(error, lines)


def _lines_of_keys(text: str) -> dict[str, int]:
    """Return the line of each key. Refuses text that is not a JSON object, and duplicate keys."""
    lines: dict[str, int] = {}
    try:
        if not isinstance(json.loads(text), dict):
            raise PolicyWrong("policy_not_an_object", "a policy must be a JSON object", line=1)
        for key, offset in _keys(text):
            line = text.count("\n", 0, offset) + 1
            if key in lines:
                detail = f"{key} is a duplicate; the first one is on line {lines[key]}"
                raise PolicyWrong("policy_key_twice", detail, key=key, line=line)
            lines[key] = line
    except json.JSONDecodeError as error:
        raise PolicyWrong("policy_not_json", f"this is not JSON: {error.msg}", line=error.lineno) from None
    except RecursionError:
        raise PolicyWrong("policy_not_json", "this is nested too deeply", line=1) from None
    return lines


def _keys(text: str) -> Iterator[tuple[str, int]]:
    """Yield each key of the JSON object in `text`, with its offset."""
    decoder = json.JSONDecoder()
    offset = _after_space(text, _after_space(text, 0) + 1)
    while text[offset] != "}":
        key, after = decoder.raw_decode(text, offset)
        yield key, offset
        value_at = _after_space(text, _after_space(text, after) + 1)
        _, after = decoder.raw_decode(text, value_at)
        offset = _after_space(text, after)
        if text[offset] == ",":
            offset = _after_space(text, offset + 1)


def _after_space(text: str, offset: int) -> int:
    while text[offset] in _SPACE:
        offset += 1
    return offset


def _refuse(error: ValidationError, lines: dict[str, int]) -> NoReturn:
    """Report the first error in the text, without repeating the value."""
    problem = min(error.errors(include_input=False, include_url=False), key=lambda one: _line_of(one["loc"], lines))
    key = str(problem["loc"][0]) if problem["loc"] else None
    line = lines.get(key or "")
    if problem["type"] == "missing":
        raise PolicyWrong("policy_key_missing", f"{key} is missing", key=key)
    if problem["type"] == "extra_forbidden":
        detail = f"{key!r} is not a policy key{_suggestion(key or '')}"
        raise PolicyWrong("policy_key_unknown", detail, key=key, line=line)
    what = problem["msg"][:1].lower() + problem["msg"][1:]
    raise PolicyWrong("policy_value_wrong", f"{key}: {what}", key=key, line=line)


def _line_of(location: tuple[int | str, ...], lines: dict[str, int]) -> int:
    return lines.get(str(location[0]), LAST) if location else 0


def _suggestion(key: str) -> str:
    near = get_close_matches(key, Policy.model_fields, n=1)
    return f"; did you mean {near[0]}?" if near else ""
