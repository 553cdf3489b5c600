"""Idempotency keys: a command that is sent again under the same key gets the stored answer, and has no second effect.

Answers are stored in the transaction that decides the command (R-09). No rule may come in here.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any, NamedTuple

from fastapi import Depends, Header, Request
from pydantic import BaseModel

from shared.ledger.database import Connection
from shared.ledger.identity import hash_of

KEY_CHARACTERS_MAX = 255

type ScopedKey = tuple[str, str]
"""An idempotency key after its scope: the same key of two senders is two keys."""


class KeyReused(Exception):
    """The idempotency key was used for a different request."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What the client gets: an HTTP status and a JSON body. `repeated` if it was stored by an earlier request."""

    status: int
    body: Mapping[str, Any]
    repeated: bool = False


class StoredAnswer(NamedTuple):
    """An answer, and the hash of the request that it belongs to."""

    request_hash: bytes
    answer: Answer


async def sent_key(
    idempotency_key: Annotated[str | None, Header(max_length=KEY_CHARACTERS_MAX)] = None,
) -> str | None:
    """Return the client's Idempotency-Key, if it sent one."""
    return idempotency_key or None


IdempotencyKey = Annotated[str | None, Depends(sent_key)]


def request_hash(request: Request, body: BaseModel | None) -> bytes:
    """Return a hash that tells apart different requests under the same idempotency key."""
    payload = body.model_dump_json() if body else ""
    query = f"?{request.url.query}" if request.url.query else ""
    return hash_of(f"{request.method} {request.url.path}{query}\n{payload}")


async def stored_answers(connection: Connection, keys: Sequence[ScopedKey]) -> dict[ScopedKey, StoredAnswer]:
    """Return the answers that are stored under any of `keys`."""
    rows = await connection.fetch(STORED, [scope for scope, _ in keys], [key for _, key in keys])
    return {
        (row["scope"], row["key"]): StoredAnswer(
            row["request_hash"], Answer(row["status"], json.loads(row["answer"]), repeated=True)
        )
        for row in rows
    }


async def store_answers(connection: Connection, answers: Sequence[tuple[ScopedKey, StoredAnswer, datetime]]) -> None:
    """Store each answer under its key with the time it was recorded.

    Raises `asyncpg.UniqueViolationError` if another worker has stored one of the keys.
    """
    rows = [
        (scope, key, stored.request_hash, stored.answer.status, json.dumps(stored.answer.body), recorded_at)
        for (scope, key), stored, recorded_at in answers
    ]
    if rows:
        await connection.execute(STORE, *zip(*rows, strict=True))


STORED = """
select scope, key, request_hash, status, answer from idempotency
join unnest($1::text[], $2::text[]) as asked(scope, key) using (scope, key)
"""

STORE = """
insert into idempotency (scope, key, request_hash, status, answer, recorded_at)
select * from unnest($1::text[], $2::text[], $3::bytea[], $4::smallint[], $5::jsonb[], $6::timestamptz[])
"""
