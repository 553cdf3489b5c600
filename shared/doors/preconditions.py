"""What a request asks to hold: the state that its sender saw (If-Match), and that it acts once (Idempotency-Key)."""

from typing import Annotated

from fastapi import Depends, Header, Request
from pydantic import BaseModel

from shared.doors.problems import Problem
from shared.ledger.identity import hash_of

KEY_CHARACTERS_MAX = 255


async def sent_key(
    idempotency_key: Annotated[str | None, Header(max_length=KEY_CHARACTERS_MAX)] = None,
) -> str | None:
    """Return the client's Idempotency-Key, if it sent one."""
    return idempotency_key or None


IdempotencyKey = Annotated[str | None, Depends(sent_key)]


async def if_version(if_match: Annotated[str | None, Header()] = None) -> int | None:
    """Return the version in the If-Match header: an ETag of this service starts with it. Raises a 400 `Problem`."""
    if if_match is None or if_match.strip() == "*":
        return None
    number = if_match.strip().strip('"').partition("-")[0]
    if not (number.isascii() and number.isdecimal()):
        raise Problem(400, "malformed_etag", "If-Match must be an ETag that this service gave")
    return int(number)


IfVersion = Annotated[int | None, Depends(if_version)]


def request_hash(request: Request, body: BaseModel | None) -> bytes:
    """Return what tells one request from another under the same idempotency key."""
    payload = body.model_dump_json() if body else ""
    return hash_of(f"{request.method} {request.url.path}\n{payload}")
