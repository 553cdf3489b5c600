"""Seals the whole codes of an answer, so that only who asked for them can read the stored answer again (R-112, R-140).

No rule and no I/O may come in here.
"""

from collections.abc import Sequence

from shared.doors import sealed_answers
from shared.doors.sealed_answers import seal, unseal
from shared.rules.codes import Code

PURPOSE = b"perennial.issued-codes.1"


def answer_key(credential: str, idempotency_key: str | None) -> bytes:
    """Return the key of an answer. Without an idempotency key nobody can ask again, so it is random."""
    return sealed_answers.answer_key(credential, idempotency_key, purpose=PURPOSE)


def seal_codes(codes: Sequence[Code], key: bytes) -> str:
    """Return the whole codes, encrypted."""
    return seal("\n".join(code.reveal() for code in codes), key)


def open_codes(sealed: str, key: bytes) -> list[str]:
    """Return the whole codes. Raises `SealedForAnother`."""
    return unseal(sealed, key).split("\n")
