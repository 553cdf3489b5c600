"""Seals what is told of a person with a key of that person's own, so that destroying the key erases it (R-115).

Events are kept for ever and never changed. So what may have to be forgotten, such as a customer's name, stands in
them encrypted (AES-256-GCM), and the key stands in a table of this service alone: never in an event, a topic or a log.

    sealed = await sealing.seal(device_id, "Ada's notebook")    # goes into an event
    await sealing.open(sealed)                                  # "Ada's notebook"
    await sealing.destroy(device_id, at=now)
    await sealing.open(sealed)                                  # None, and the ledger's chain is whole

A destroyed key leaves PostgreSQL's files with the next vacuum, and its backups when those are given up.
No rule may come in here.
"""

import os
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Self

import asyncpg
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.padding import PKCS7

from shared.ledger.database import Connection, Pool, transaction
from shared.ledger.identity import new_id
from shared.messages import Sealed

TEXT_BYTES_MAX = 1_000
"""What fits into a field `Sealed`, with room to spare."""
NONCE_BYTES = 12
KEY_BITS = 256
ATTEMPTS_MAX = 3

# a name is short, and its exact length would outlive it
_PADDING = PKCS7(512)


class NotSealed(Exception):
    """A text is not what a key of this service sealed, or it was changed since. What it was is not repeated."""


class TooLong(ValueError):
    """A text has more than `TEXT_BYTES_MAX` bytes."""


@dataclass(frozen=True, slots=True)
class SubjectKey:
    """One person's key. It shows its id only."""

    key_id: str
    key: bytes = field(repr=False)

    @classmethod
    def new(cls) -> Self:
        """Return a new random key."""
        return cls(new_id().hex, AESGCM.generate_key(KEY_BITS))

    def seal(self, text: str) -> Sealed:
        """Return `text` as `<key id>.<token>`; the same text gives another token each time. Raises `TooLong`."""
        plain = text.encode()
        if len(plain) > TEXT_BYTES_MAX:
            raise TooLong(f"a sealed text may have {TEXT_BYTES_MAX} bytes")
        padder = _PADDING.padder()
        nonce = os.urandom(NONCE_BYTES)
        closed = AESGCM(self.key).encrypt(nonce, padder.update(plain) + padder.finalize(), self.key_id.encode())
        return f"{self.key_id}.{urlsafe_b64encode(nonce + closed).decode()}"

    def open(self, sealed: Sealed) -> str:
        """Return the text again. Raises `NotSealed`."""
        try:
            token = urlsafe_b64decode(sealed.partition(".")[2])
            nonce, closed = token[:NONCE_BYTES], token[NONCE_BYTES:]
            padded = AESGCM(self.key).decrypt(nonce, closed, self.key_id.encode())
        except (InvalidTag, ValueError):
            raise NotSealed(f"this is not what key {self.key_id} sealed") from None
        unpadder = _PADDING.unpadder()
        return (unpadder.update(padded) + unpadder.finalize()).decode()


@dataclass(frozen=True, slots=True)
class Sealing:
    """The keys of one service, each step in a transaction of its own. The functions below join a caller's."""

    pool: Pool

    async def seal(self, subject: str, text: str) -> Sealed:
        """Return `text` sealed for `subject`, the id of whom it tells about. Raises `TooLong`."""
        async with transaction(self.pool) as connection:
            key = await key_for(connection, subject=subject)
        return key.seal(text)

    async def open(self, sealed: Sealed) -> str | None:
        """Return the text, or None if its key was destroyed. Raises `NotSealed`."""
        return (await self.open_all([sealed]))[sealed]

    async def open_all(self, sealed: Collection[Sealed]) -> Mapping[Sealed, str | None]:
        """Return each text, or None where its key was destroyed. Raises `NotSealed`."""
        async with self.pool.acquire() as connection:
            return await open_all(connection, sealed)

    async def destroy(self, subject: str, *, at: datetime) -> list[str]:
        """Destroy the key of `subject`; see `destroy_key`."""
        async with transaction(self.pool) as connection:
            return await destroy_key(connection, subject=subject, at=at)


async def key_for(connection: Connection, *, subject: str) -> SubjectKey:
    """Return the key of `subject`; the first time, and after its key was destroyed, a new one is made."""
    for _ in range(ATTEMPTS_MAX):
        row = await connection.fetchrow(IN_USE, subject) or await _keep(connection, subject, SubjectKey.new())
        if row is not None:
            return SubjectKey(row["key_id"], row["key"])
    raise asyncpg.SerializationError("the subject's key is made and destroyed at once")


async def _keep(connection: Connection, subject: str, key: SubjectKey) -> asyncpg.Record | None:
    """Store a new key; nothing comes back if another worker was first."""
    return await connection.fetchrow(KEEP, key.key_id, subject, key.key)


async def open_all(connection: Connection, sealed: Collection[Sealed]) -> dict[Sealed, str | None]:
    """Return each text, or None where its key was destroyed. Raises `NotSealed`."""
    rows = await connection.fetch(KEYS, [_key_id(each) for each in sealed])
    keys = {row["key_id"]: row["key"] for row in rows}
    return {each: _opened(each, keys) for each in sealed}


def _opened(sealed: Sealed, keys: Mapping[str, bytes | None]) -> str | None:
    key_id = _key_id(sealed)
    if key_id not in keys:
        raise NotSealed("no key of this service has this id")
    key = keys[key_id]
    return None if key is None else SubjectKey(key_id, key).open(sealed)


def _key_id(sealed: Sealed) -> str:
    return sealed.partition(".")[0]


async def destroy_key(connection: Connection, *, subject: str, at: datetime) -> list[str]:
    """Destroy the key of `subject` and return its id; nothing if there is none, or none any more.

    What was sealed with it is unreadable once the transaction is committed.
    """
    return [row["key_id"] for row in await connection.fetch(DESTROY, subject, at)]


IN_USE = "select key_id, key from subject_key where subject = $1 and destroyed_at is null"

KEEP = """
insert into subject_key (key_id, subject, key) values ($1, $2, $3)
on conflict (subject) where destroyed_at is null do nothing
returning key_id, key
"""

KEYS = "select key_id, key from subject_key where key_id = any($1::text[])"

DESTROY = """
update subject_key set key = null, destroyed_at = $2 where subject = $1 and destroyed_at is null returning key_id
"""
