"""Conditional requests (RFC 9110, 13.1): `If-Match` refuses orders about another state, `If-None-Match` asks for news.

`If-Match` is compared where the command is decided, on the locked state. No rule may come in here.
"""

import re
from collections.abc import Mapping, Sequence
from typing import Annotated, NamedTuple

from fastapi import Depends, Header

from shared.doors.problems import Problem
from shared.ledger.command_handler import Precondition
from shared.rules.decider import Refused

VERSION_DIGITS_MAX = 18
"""More than any stream has events; Python refuses to read a number of thousands of digits."""
STATUS: Mapping[str, int] = {"precondition_failed": 412}
ANY = "*"
ETAG = re.compile(r'[ \t,]*(?:(W/)?"([!#-~\x80-\xff]*)"|(\d+-[0-9a-f]+))[ \t]*(?=,|$)')
"""One member of a list of ETags. Ours are also read without quotation marks."""
WEAK = "a weak ETag never matches (RFC 9110, 13.1.1); a proxy that compresses made it weak: send it without W/"

type Versions = frozenset[int]


class EntityTag(NamedTuple):
    """The text of an ETag, and whether it is weak: proxies that compress an answer make its ETag weak."""

    text: str
    weak: bool


def read_etags(field: str) -> Sequence[EntityTag] | None:
    """Return the ETags of a list; None if it is not one."""
    tags, position = list[EntityTag](), 0
    end = len(field.rstrip(" \t,"))
    while position < end:
        found = ETAG.match(field, position)
        if found is None:
            return None
        tags.append(EntityTag(found[2] if found[3] is None else found[3], weak=found[1] is not None))
        position = found.end()
    return tags


def is_known(etag: str, if_none_match: str | None) -> bool:
    """Tell whether a client with this If-None-Match has the representation: by the weak comparison (RFC 9110, 8.8.3.2).

    A field that is malformed names nothing.
    """
    if if_none_match is None or if_none_match == ANY:
        return if_none_match is not None
    return etag.strip('"') in {tag.text for tag in read_etags(if_none_match) or ()}


async def expected_version(if_match: Annotated[str | None, Header()] = None) -> Versions | None:
    """Return the versions in the If-Match header, with which an ETag of this service starts; None expects nothing.

    ETags of others match no version. Raises a 400 `Problem`, or 412 if all are weak.
    """
    if if_match is None or if_match == ANY:
        return None
    tags = read_etags(if_match)
    if not tags:
        raise Problem(400, "malformed_etag", "If-Match must be an ETag that this service sent, or a list of them")
    if all(tag.weak for tag in tags):
        raise Problem(412, "precondition_failed", WEAK)
    versions = (read_version(tag.text.partition("-")[0]) for tag in tags if not tag.weak)
    return frozenset(version for version in versions if version is not None)


def read_version(text: str) -> int | None:
    """Return the version that a client sent back; None if it is not one."""
    is_number = text.isascii() and text.isdecimal() and len(text) <= VERSION_DIGITS_MAX
    return int(text) if is_number else None


ExpectedVersion = Annotated[Versions | None, Depends(expected_version)]


def unchanged_since(expected: Versions | None) -> Precondition | None:
    """Return the precondition that the state still has one of the versions; None expects nothing."""

    def refusal(current: int) -> Refused | None:
        if expected is None or current in expected:
            return None
        return Refused("precondition_failed", f"the current version is {current}")

    return None if expected is None else refusal
