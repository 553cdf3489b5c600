"""Seals what an answer shows only once, so that only who asked for it can read the stored answer again (R-112, R-140).

The key is derived from the client's credential and its idempotency key. The service stores only hashes of both, so
neither a table nor a backup can open what is sealed. No rule and no I/O may come in here.
"""

import os
from base64 import urlsafe_b64decode, urlsafe_b64encode
from dataclasses import replace
from typing import Any

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from shared.doors.idempotency import Answer
from shared.doors.problems import Problem

KEY_BYTES = 32
NONCE_BYTES = 12
SEALED = "sealed"
PURPOSE = b"perennial.issued-secret.1"


class SealedForAnother(Exception):
    """It was sealed for another credential."""


def answer_key(credential: str, idempotency_key: str | None, *, purpose: bytes = PURPOSE) -> bytes:
    """Return the key of an answer. Without an idempotency key nobody can ask again, so it is random."""
    if idempotency_key is None:
        return os.urandom(KEY_BYTES)
    # a credential has no line breaks; it makes up for an idempotency key that is easy to guess
    secret = f"{credential}\n{idempotency_key}".encode()
    return HKDF(algorithm=SHA256(), length=KEY_BYTES, salt=None, info=purpose).derive(secret)


def seal(text: str, key: bytes) -> str:
    """Return the text, encrypted."""
    nonce = os.urandom(NONCE_BYTES)
    return urlsafe_b64encode(nonce + AESGCM(key).encrypt(nonce, text.encode(), None)).decode()


def unseal(sealed: str, key: bytes) -> str:
    """Return the text. Raises `SealedForAnother`."""
    token = urlsafe_b64decode(sealed)
    try:
        return AESGCM(key).decrypt(token[:NONCE_BYTES], token[NONCE_BYTES:], None).decode()
    except InvalidTag:
        raise SealedForAnother from None


def with_secret(answer: Answer, name: str, key: bytes) -> Answer:
    """Return an answer with its sealed secret in clear, as `name`. Raises a 409 `Problem` if another asked for it."""
    shown: dict[str, Any] = {field: value for field, value in answer.body.items() if field != SEALED}
    try:
        secret = unseal(answer.body[SEALED], key)
    except SealedForAnother:
        raise Problem(409, "sealed_for_another_key", "another credential got this answer", **shown) from None
    return replace(answer, body={**shown, name: secret})
