"""Who sends a request: bearer tokens, and the operator, by key or by a token signed by the console.

No rule may come in here.
"""

import hmac
from collections.abc import Awaitable, Callable
from typing import Annotated

from fastapi import Depends, Header

from shared.doors.problems import Problem
from shared.keys.operators import OperatorTokens
from shared.ledger.identity import hash_of


async def bearer(authorization: Annotated[str | None, Header()] = None) -> str:
    """Return the request's bearer credential. Raises a 401 `Problem`."""
    scheme, _, credential = (authorization or "").partition(" ")
    if scheme.lower() != "bearer" or not credential.strip():
        raise Problem(401, "credential_missing", "send Authorization: Bearer and a token or key")
    return credential.strip()


Bearer = Annotated[str, Depends(bearer)]


def operator_check(operator_key_hash: str, tokens: OperatorTokens | None = None) -> Callable[[str], Awaitable[None]]:
    """Return the dependency that admits only the operator, by key or by one of `tokens`."""

    async def operator(credential: Bearer) -> None:
        if not is_operator(credential, operator_key_hash, tokens):
            raise Problem(403, "not_the_operator", "this needs the operator key")

    return operator


def is_operator(credential: str, operator_key_hash: str, tokens: OperatorTokens | None = None) -> bool:
    """Tell whether `credential` is the operator key or a valid operator token."""
    if operator_key_hash and hmac.compare_digest(hash_of(credential).hex(), operator_key_hash.lower()):
        return True
    return tokens is not None and tokens.operator_of(credential) is not None
