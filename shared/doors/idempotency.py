"""Idempotency keys: a request that is sent again under the same key gets the stored answer, and has no second effect.

Answers are stored in the transaction that has the effect (R-09), and only if there was one: what was refused is decided
again (R-142). Of a refusal that is on record only its reason is kept, so that it is recorded once. No rule may come in
here.
"""

import json
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any, NamedTuple

import asyncpg
from fastapi import Depends, Header, Request
from pydantic import BaseModel

from shared.doors.header_fields import unquoted
from shared.ledger.database import Connection, Pool, transaction
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


class Refusal(NamedTuple):
    """A refusal that a request under a key put on record."""

    scope: str
    key: str
    request_hash: bytes
    reason: str


class StoredAnswer(NamedTuple):
    """An answer, and the hash of the request that it belongs to."""

    request_hash: bytes
    answer: Answer


async def sent_key(
    idempotency_key: Annotated[str | None, Header(max_length=KEY_CHARACTERS_MAX)] = None,
) -> str | None:
    """Return the client's Idempotency-Key, if it sent one: of the quoted form, its content."""
    return unquoted(idempotency_key or "") or None


IdempotencyKey = Annotated[str | None, Depends(sent_key)]


def request_hash(request: Request, body: BaseModel | None) -> bytes:
    """Return a hash that tells apart different requests under the same idempotency key: of all that they ask for."""
    payload = body.model_dump_json() if body else ""
    query = f"?{request.url.query}" if request.url.query else ""
    condition = f"\n{seen}" if (seen := request.headers.get("if-match")) else ""
    return hash_of(f"{request.method} {request.url.path}{query}\n{payload}{condition}")


def stored_key(key: str) -> str:
    """Return the form in which a key is stored: hashed, for it may be what nobody may store, such as a code (R-112)."""
    return hash_of(key).hex()


async def answered_before(pool: Pool, *, scope: str, key: str, request_hash: bytes) -> Answer | None:
    """Return the answer that is stored under the key, if there is one. Raises `KeyReused`.

    It spares a large request that comes again the work of being prepared again; the queue asks in any case.
    """
    scoped = scope, stored_key(key)
    async with pool.acquire() as connection:
        answers, _ = await stored_under(connection, [scoped])
    if (stored := answers.get(scoped)) is None:
        return None
    if stored.request_hash != request_hash:
        raise KeyReused
    return stored.answer


async def answered_once(
    pool: Pool,
    *,
    scope: str,
    key: str | None,
    request_hash: bytes,
    at: datetime,
    act: Callable[[Connection], Awaitable[Answer]],
) -> Answer:
    """Act in a transaction and return the answer, or the one that is stored under the key.

    It is for what is no command of a decider. Raises `KeyReused`, or whatever `act` raises: then nothing is stored.
    """
    if key is None:
        async with transaction(pool) as connection:
            return await act(connection)
    scoped = scope, stored_key(key)
    try:
        stored = await _act_once(pool, scoped, request_hash, at, act)
    except asyncpg.UniqueViolationError:
        # somebody else was first with this key, and has committed
        stored = await _act_once(pool, scoped, request_hash, at, act)
    if stored.request_hash != request_hash:
        raise KeyReused
    return stored.answer


async def _act_once(
    pool: Pool, scoped: ScopedKey, request_hash: bytes, at: datetime, act: Callable[[Connection], Awaitable[Answer]]
) -> StoredAnswer:
    async with transaction(pool) as connection:
        answers, _ = await stored_under(connection, [scoped])
        if scoped in answers:
            return answers[scoped]
        answer = StoredAnswer(request_hash, await act(connection))
        await store_answers(connection, [(scoped, answer, at)])
        return answer


async def stored_under(
    connection: Connection, keys: Sequence[ScopedKey]
) -> tuple[dict[ScopedKey, StoredAnswer], set[Refusal]]:
    """Return the answers that are stored under any of `keys`, and the refusals on record."""
    rows = await connection.fetch(STORED, [scope for scope, _ in keys], [key for _, key in keys])
    answers = {
        (row["scope"], row["key"]): StoredAnswer(
            row["request_hash"], Answer(row["status"], json.loads(row["answer"]), repeated=True)
        )
        for row in rows
        if row["reason"] is None
    }
    return answers, {
        Refusal(row["scope"], row["key"], row["request_hash"], row["reason"]) for row in rows if row["reason"]
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


async def store_refusals(connection: Connection, refusals: Sequence[tuple[Refusal, datetime]]) -> None:
    """Store each refusal with the time it was recorded.

    Raises `asyncpg.UniqueViolationError` if another worker has stored one of them.
    """
    if refusals:
        rows = [(*refusal, recorded_at) for refusal, recorded_at in refusals]
        await connection.execute(STORE_REFUSALS, *zip(*rows, strict=True))


STORED = """
select scope, key, request_hash, status, answer, null as reason from idempotency
join unnest($1::text[], $2::text[]) as asked(scope, key) using (scope, key)
union all
select scope, key, request_hash, null, null, reason from refusal
join unnest($1::text[], $2::text[]) as asked(scope, key) using (scope, key)
"""

STORE_REFUSALS = """
insert into refusal (scope, key, request_hash, reason, recorded_at)
select * from unnest($1::text[], $2::text[], $3::bytea[], $4::text[], $5::timestamptz[])
"""

STORE = """
insert into idempotency (scope, key, request_hash, status, answer, recorded_at)
select * from unnest($1::text[], $2::text[], $3::bytea[], $4::smallint[], $5::jsonb[], $6::timestamptz[])
"""
