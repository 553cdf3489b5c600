"""Reads whole codes from a prompt or stdin: other users of the machine can see command lines."""

import re
import sys

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


def _read_code() -> Code:
    try:
        return read_code(read_code_input())
    except MalformedCode as malformed:
        raise CommandFailed(ExitCode.REFUSED, f"malformed: {malformed.message}") from None
