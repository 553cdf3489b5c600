"""Answers 412 to a command with `If-Match` if the state is no longer the one that its sender saw (RFC 9110, 13.1.1).

The comparison runs where the command is decided, on the locked state. No rule may come in here.
"""

from collections.abc import Mapping
from typing import Annotated

from fastapi import Depends, Header

from shared.doors.problems import Problem
from shared.ledger.command_handler import Precondition
from shared.rules.decider import Refused

VERSION_DIGITS_MAX = 18
"""More than any stream has events; Python refuses to read a number of thousands of digits."""
STATUS: Mapping[str, int] = {"precondition_failed": 412}


async def expected_version(if_match: Annotated[str | None, Header()] = None) -> int | None:
    """Return the version in the If-Match header: an ETag of this service starts with it. Raises a 400 `Problem`."""
    if if_match is None or if_match.strip() == "*":
        return None
    number = if_match.strip().strip('"').partition("-")[0]
    version = read_version(number)
    if version is None:
        raise Problem(400, "malformed_etag", "If-Match must be an ETag that this service sent")
    return version


def read_version(text: str) -> int | None:
    """Return the version that a client sent back; None if it is not one."""
    is_number = text.isascii() and text.isdecimal() and len(text) <= VERSION_DIGITS_MAX
    return int(text) if is_number else None


ExpectedVersion = Annotated[int | None, Depends(expected_version)]


def unchanged_since(expected: int | None) -> Precondition | None:
    """Return the precondition that the state still has the version `expected`; None expects nothing."""

    def refusal(current: int) -> Refused | None:
        if current == expected:
            return None
        return Refused("precondition_failed", f"the current version is {current}")

    return None if expected is None else refusal
