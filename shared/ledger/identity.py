"""Makes ids, codes and secrets. Only doors and the shell call it; rules get their ids with the command."""

import hashlib
import secrets
from uuid import UUID

import uuid_utils.compat

from shared.rules.codes import Code, code_by


def new_id() -> UUID:
    """Return a UUIDv7: unique, and ordered by time so that indexes stay dense."""
    return uuid_utils.compat.uuid7()


def new_code() -> Code:
    """Return an activation code that nobody can guess."""
    return code_by(secrets.randbelow)


def new_secret() -> str:
    """Return 256 random bits as URL-safe text, for tokens and keys."""
    return secrets.token_urlsafe(32)


def uuid_or_none(text: str) -> UUID | None:
    """Return the UUID that `text` is, or None: other writers may name their messages as they like."""
    try:
        return UUID(text)
    except ValueError:
        return None


def hash_of(secret: str) -> bytes:
    """Return the SHA-256 of a token or key: all that is stored of it. Secrets are random, so no salt is needed."""
    return hashlib.sha256(secret.encode()).digest()
