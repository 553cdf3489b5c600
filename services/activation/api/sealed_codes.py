"""Seals the whole codes of an answer, so that only who asked for them can read the stored answer again (R-112, R-140).

The key is derived from the client's credential and its idempotency key. The service stores only hashes of both, so
neither a table nor a backup can open the codes. No rule and no I/O may come in here.
"""

import os
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Sequence

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from shared.rules.codes import Code

KEY_BYTES = 32
NONCE_BYTES = 12
PURPOSE = b"perennial.issued-codes.1"


class SealedForAnother(Exception):
    """The codes were sealed for another credential."""


def answer_key(credential: str, idempotency_key: str | None) -> bytes:
    """Return the key of an answer. Without an idempotency key nobody can ask again, so it is random."""
    if idempotency_key is None:
        return os.urandom(KEY_BYTES)
    # a credential has no line breaks; it makes up for an idempotency key that is easy to guess
    secret = f"{credential}\n{idempotency_key}".encode()
    return HKDF(algorithm=SHA256(), length=KEY_BYTES, salt=None, info=PURPOSE).derive(secret)


def seal_codes(codes: Sequence[Code], key: bytes) -> str:
    """Return the whole codes, encrypted."""
    nonce = os.urandom(NONCE_BYTES)
    closed = AESGCM(key).encrypt(nonce, "\n".join(code.reveal() for code in codes).encode(), None)
    return urlsafe_b64encode(nonce + closed).decode()


def open_codes(sealed: str, key: bytes) -> list[str]:
    """Return the whole codes. Raises `SealedForAnother`."""
    token = urlsafe_b64decode(sealed)
    try:
        return AESGCM(key).decrypt(token[:NONCE_BYTES], token[NONCE_BYTES:], None).decode().split("\n")
    except InvalidTag:
        raise SealedForAnother from None
