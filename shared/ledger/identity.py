"""Generates ids and secrets. Only doors and the shell call it; rules get their ids with the command."""

import hashlib
import secrets
from uuid import UUID

import uuid_utils.compat


def new_id() -> UUID:
    """Return a UUIDv7: unique, and ordered by time, which keeps indexes dense."""
    return uuid_utils.compat.uuid7()


def new_secret() -> str:
    """Return 256 random bits as URL-safe text, for a token or key."""
    return secrets.token_urlsafe(32)


def uuid_or_none(text: str) -> UUID | None:
    """Return the UUID in `text`, or None if it is not one: other writers may choose other message ids."""
    try:
        return UUID(text)
    except ValueError:
        return None


def hash_of(secret: str) -> bytes:
    """Return the SHA-256 of a token or key, the only form that is stored. Secrets are random, so no salt is needed."""
    return hashlib.sha256(secret.encode()).digest()
