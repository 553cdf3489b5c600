"""How the console speaks for an operator at another service's doors: a signed token, for one service and one minute.

The operator key itself stays where the operator typed it. A service believes the tokens of those whose public keys it
was given; without any, only the operator key opens its doors. Times are the machine's, as those of all credentials.
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
    """Return what opens the doors of one service to the operator of this name, for a minute."""
    said = {"sub": operator, "aud": audience, "exp": (now + VALID).timestamp()}
    return keys.sign(said, kind=KIND)


@dataclass(frozen=True, slots=True, kw_only=True)
class OperatorTokens:
    """Whose tokens one service believes."""

    keys: PublicKeys
    audience: Audience
    now: Callable[[], datetime] = machine_now

    def operator_of(self, credential: str) -> str | None:
        """Return the name of the operator that a token speaks for; None if it opens nothing here."""
        if len(credential) > TOKEN_CHARACTERS_MAX:
            return None
        try:
            said = self.keys.verify(credential, kind=KIND)
        except NotSigned:
            return None
        in_time = self.now().timestamp() < said["exp"]
        operator: str = said["sub"]
        return operator if in_time and said["aud"] == self.audience else None
