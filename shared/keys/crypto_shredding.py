"""Crypto-shredding: encrypts personal data with a key per person, so that destroying the key erases the data (R-115).

Events are kept for ever and never changed. So data that may have to be forgotten, such as a customer's name, is stored
in them encrypted (AES-256-GCM), and the key only in a table of this service: never in an event, a topic or a log.

    sealed = await sealing.seal(device_id, "Ada's notebook")    # goes into an event
    await sealing.open(sealed)                                  # "Ada's notebook"
    await sealing.destroy(device_id, at=now)
    await sealing.open(sealed)                                  # None, and the hash chain is still intact

A destroyed key leaves PostgreSQL's files with the next vacuum, and the backups when they are deleted. No rule may come
in here.
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
"""Fits into a field of type `Sealed`, with room to spare."""
NONCE_BYTES = 12
KEY_BITS = 256
ATTEMPTS_MAX = 3

# without padding, the length of an erased name would still be known
_PADDING = PKCS7(512)


class NotSealed(Exception):
    """A text was not sealed with a key of this service, or has been changed since. The message does not repeat it."""


class TooLong(ValueError):
    """A text has more than `TEXT_BYTES_MAX` bytes."""


@dataclass(frozen=True, slots=True)
class SubjectKey:
    """One person's key. Its `repr` shows only its id."""

    key_id: str
    key: bytes = field(repr=False)

    @classmethod
    def new(cls) -> Self:
        """Return a new random key."""
        return cls(new_id().hex, AESGCM.generate_key(KEY_BITS))

    def seal(self, text: str) -> Sealed:
        """Return `text` as `<key id>.<token>`, with a different token each time. Raises `TooLong`."""
        plain = text.encode()
        if len(plain) > TEXT_BYTES_MAX:
            raise TooLong(f"a sealed text can have at most {TEXT_BYTES_MAX} bytes")
        padder = _PADDING.padder()
        nonce = os.urandom(NONCE_BYTES)
        closed = AESGCM(self.key).encrypt(nonce, padder.update(plain) + padder.finalize(), self.key_id.encode())
        return f"{self.key_id}.{urlsafe_b64encode(nonce + closed).decode()}"

    def open(self, sealed: Sealed) -> str:
        """Return the decrypted text. Raises `NotSealed`."""
        try:
            token = urlsafe_b64decode(sealed.partition(".")[2])
            nonce, closed = token[:NONCE_BYTES], token[NONCE_BYTES:]
            padded = AESGCM(self.key).decrypt(nonce, closed, self.key_id.encode())
        except (InvalidTag, ValueError):
            raise NotSealed(f"this was not sealed with key {self.key_id}") from None
        unpadder = _PADDING.unpadder()
        return (unpadder.update(padded) + unpadder.finalize()).decode()


@dataclass(frozen=True, slots=True)
class Sealing:
    """One service's keys, each call in a transaction of its own. The functions below run in the caller's."""

    pool: Pool

    async def seal(self, subject: str, text: str) -> Sealed:
        """Return `text` sealed for `subject`, the id of the person it is about. Raises `TooLong`."""
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
    """Return the key of `subject`, creating one if there is none or the last one was destroyed."""
    for _ in range(ATTEMPTS_MAX):
        row = await connection.fetchrow(IN_USE, subject) or await _keep(connection, subject, SubjectKey.new())
        if row is not None:
            return SubjectKey(row["key_id"], row["key"])
    raise asyncpg.SerializationError("the subject's key is being created and destroyed at the same time")


async def _keep(connection: Connection, subject: str, key: SubjectKey) -> asyncpg.Record | None:
    """Store a new key and return its row; None if another worker was first."""
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
    """Destroy the key of `subject` and return its id in a list, which is empty if there is no key.

    Whatever was sealed with it is unreadable once the transaction is committed.
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
