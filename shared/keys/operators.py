"""Operator tokens: signed tokens with which the console acts for an operator at one service, for one minute.

The operator key itself never leaves the service where the operator typed it. A service accepts tokens signed with the
public keys it was given; without any, only the operator key gives access. As for all credentials, the machine's time
counts, not the sandbox's.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

from shared.keys.signing import KeyRing, NotSigned, PublicKeys
from shared.ledger.clock import machine_now

KIND = "perennial-operator"
VALID = timedelta(seconds=60)
TOKEN_CHARACTERS_MAX = 2_000

Audience = Literal["device", "activation"]


def operator_token(keys: KeyRing, operator: str, *, audience: Audience, now: datetime) -> str:
    """Return a token that gives the operator of this name access to one service for a minute."""
    claims = {"sub": operator, "aud": audience, "exp": (now + VALID).timestamp()}
    return keys.sign(claims, kind=KIND)


@dataclass(frozen=True, slots=True, kw_only=True)
class OperatorTokens:
    """The operator tokens that one service accepts."""

    keys: PublicKeys
    audience: Audience
    now: Callable[[], datetime] = machine_now

    def operator_of(self, credential: str) -> str | None:
        """Return the name of the token's operator; None if the token is not valid here."""
        if len(credential) > TOKEN_CHARACTERS_MAX:
            return None
        try:
            claims = self.keys.verify(credential, kind=KIND)
        except NotSigned:
            return None
        in_time = self.now().timestamp() < claims["exp"]
        operator: str = claims["sub"]
        return operator if in_time and claims["aud"] == self.audience else None
