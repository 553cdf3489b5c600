"""Reads what must not stand in a command line, which other users of the machine can see: whole codes."""

import re
import sys

import typer

from services.cli.failures import CommandFailed, ExitCode
from shared.rules.codes import TYPED_CHARACTERS_MAX, Code, MalformedCode, read_code

REF = re.compile(r"[0-9a-f]{32}")


def read_code_input() -> str:
    """Return a code as it was typed: asked for without an echo, or the first line of stdin."""
    if sys.stdin.isatty():
        typed: str = typer.prompt("code", hide_input=True, err=True)
        return typed
    return sys.stdin.readline(TYPED_CHARACTERS_MAX + 2).strip("\n")


def parse_code_ref(argument: str) -> str:
    """Return the reference that was given, or with `-` that of a whole code from stdin. Raises `CommandFailed`."""
    if argument == "-":
        return _read().ref
    if not REF.fullmatch(argument):
        # what was given may be a whole code: it is not repeated
        message = "this is no code reference (32 hexadecimal digits); for a whole code write - and give it on stdin"
        raise CommandFailed(ExitCode.REFUSED, message)
    return argument


def _read() -> Code:
    try:
        return read_code(read_code_input())
    except MalformedCode as malformed:
        raise CommandFailed(ExitCode.REFUSED, f"malformed: {malformed.message}") from None
