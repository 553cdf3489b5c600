"""Answers 412 to a command with `If-Match` if the state is no longer the one that its sender saw (RFC 9110, 13.1.1).

The comparison runs where the command is decided, on the locked state. No rule may come in here.
"""

from collections.abc import Mapping
from typing import Annotated

from fastapi import Depends, Header

from shared.doors.problems import Problem
from shared.ledger.command_handler import Precondition
from shared.rules.decider import Refused

STATUS: Mapping[str, int] = {"precondition_failed": 412}


async def expected_version(if_match: Annotated[str | None, Header()] = None) -> int | None:
    """Return the version in the If-Match header: an ETag of this service starts with it. Raises a 400 `Problem`."""
    if if_match is None or if_match.strip() == "*":
        return None
    number = if_match.strip().strip('"').partition("-")[0]
    if not (number.isascii() and number.isdecimal()):
        raise Problem(400, "malformed_etag", "If-Match must be an ETag that this service sent")
    return int(number)


ExpectedVersion = Annotated[int | None, Depends(expected_version)]


def unchanged_since(expected: int | None) -> Precondition | None:
    """Return the precondition that the state still has the version `expected`; None expects nothing."""

    def refusal(current: int) -> Refused | None:
        if current == expected:
            return None
        return Refused("precondition_failed", f"the current version is {current}")

    return None if expected is None else refusal
