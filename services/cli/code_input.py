"""Reads whole codes and what tells of people from stdin, a prompt or a file: others can see command lines."""

import json
import re
import sys
from pathlib import Path
from typing import Any

import typer

from services.cli.failures import CommandFailed, ExitCode
from shared.rules.codes import TYPED_CHARACTERS_MAX, Code, MalformedCode, read_code

REF = re.compile(r"[0-9a-f]{32}")


def read_code_input() -> str:
    """Return a code as typed: from a prompt without echo at a terminal, otherwise the first line of stdin."""
    if sys.stdin.isatty():
        typed: str = typer.prompt("code", hide_input=True, err=True)
        return typed
    return sys.stdin.readline(TYPED_CHARACTERS_MAX + 2).strip("\n")


def parse_code_ref(argument: str) -> str:
    """Return `argument`, a code reference, or for `-` that of the whole code on stdin. Raises `CommandFailed`."""
    if argument == "-":
        return _read_code().ref
    if not REF.fullmatch(argument):
        # the argument may be a whole code, so the message does not repeat it
        message = "not a code reference (32 hexadecimal digits); for a whole code, use - and pass the code on stdin"
        raise CommandFailed(ExitCode.REFUSED, message)
    return argument


def read_json_input(path: str, *, option: str) -> Any:
    """Return the JSON value in a file, or for `-` on stdin. Raises `CommandFailed`, which repeats nothing of it."""
    try:
        return json.loads(sys.stdin.read() if path == "-" else Path(path).read_text(encoding="utf-8"))
    except ValueError:  # bytes that are not UTF-8 are such an error too
        raise CommandFailed(ExitCode.USAGE, f"malformed_json: {option}: {path} is not a JSON document") from None


def _read_code() -> Code:
    try:
        return read_code(read_code_input())
    except MalformedCode as malformed:
        raise CommandFailed(ExitCode.REFUSED, f"malformed: {malformed.message}") from None
