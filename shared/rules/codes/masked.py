"""An activation code that hides itself: whatever prints, logs or formats it gets the last group only (R-112).

Twenty symbols in four groups (`XXXXX-XXXXX-XXXXX-XXXXX`), Crockford's base 32: 18 random symbols and two
check symbols. A whole code leaves this room through `Code.reveal` alone.
"""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from itertools import batched
from typing import NoReturn

from pydantic import SecretStr

ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
SYMBOL_COUNT = 20
RANDOM_COUNT = 18
GROUP_LENGTH = 5
# the largest prime below 32 * 32: every wrong symbol and every swap of two changes the remainder
CHECK_PRIME = 1021


@dataclass(frozen=True, slots=True)
class Code:
    """A well-formed code, made by `code_by` or `read_code`; it shows its last group only (R-112)."""

    _symbols: SecretStr

    def reveal(self) -> str:
        """Return the whole code, for the one who buys it, once, when it is issued."""
        return "-".join(in_groups(self._symbols.get_secret_value()))

    @property
    def last_group(self) -> str:
        """The five symbols by which people tell their codes apart."""
        return self._symbols.get_secret_value()[-GROUP_LENGTH:]

    @property
    def ref(self) -> str:
        """The code's id, 32 lower-case hex digits: all that is stored or sent, besides the last group.

        A plain hash is enough, without salt or slow rounds: these are 90 random bits and not a person's
        password, and who knows the last group still has 75 to guess.
        """
        canonical = f"perennial.activation-code.1:{self._symbols.get_secret_value()}"
        return hashlib.sha256(canonical.encode()).hexdigest()[:32]

    def __str__(self) -> str:
        return f"•••••-•••••-•••••-{self.last_group}"

    def __repr__(self) -> str:
        return f"Code({self})"

    def __reduce__(self) -> NoReturn:
        raise TypeError("an activation code is not pickled or copied; pass its ref")


def code_by(random_below: Callable[[int], int]) -> Code:
    """Make a code by chance: `random_below(32)` is asked 18 times for a number from 0 to 31."""
    body = "".join(ALPHABET[random_below(len(ALPHABET))] for _ in range(RANDOM_COUNT))
    return Code(SecretStr(body + check_symbols(body)))


def check_symbols(body: str) -> str:
    """Return the two symbols that prove 18 others."""
    value = 0
    for symbol in body:
        value = value * len(ALPHABET) + ALPHABET.index(symbol)
    first, second = divmod(value % CHECK_PRIME, len(ALPHABET))
    return ALPHABET[first] + ALPHABET[second]


def in_groups(symbols: str) -> list[str]:
    """Return the symbols in fives."""
    return ["".join(group) for group in batched(symbols, GROUP_LENGTH, strict=False)]
