"""An activation code that masks itself: printed, logged or formatted, it shows only its last group (R-112).

Twenty symbols in four groups (`XXXXX-XXXXX-XXXXX-XXXXX`), Crockford's base 32: 18 random symbols and two check symbols.
Only `Code.reveal` returns the full code.
"""

import hashlib
from collections.abc import Callable
from itertools import batched
from typing import NoReturn

ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
SYMBOL_COUNT = 20
RANDOM_COUNT = 18
GROUP_LENGTH = 5
# the largest prime below 32 * 32: any single wrong symbol and any swap of two symbols changes the remainder
CHECK_PRIME = 1021


class Code:
    """A well-formed code, made by `generate_code` or `read_code`. It shows only its last group (R-112).

    Not a dataclass: what prints or copies the fields of any dataclass would print the code.
    """

    __slots__ = ("__symbols",)

    def __init__(self, symbols: str) -> None:
        self.__symbols = symbols

    def reveal(self) -> str:
        """Return the full code, for its buyer, once, when it is issued."""
        return "-".join(in_groups(self.__symbols))

    @property
    def last_group(self) -> str:
        """The five symbols by which people tell their codes apart."""
        return self.__symbols[-GROUP_LENGTH:]

    @property
    def ref(self) -> str:
        """The code's id, 32 lower-case hex digits: all that is stored or sent, besides the last group.

        A plain hash is enough, without salt or slow rounds: a code is 90 random bits, not a password that a person
        chose, and knowing the last group still leaves 75 bits to guess.
        """
        canonical = f"perennial.activation-code.1:{self.__symbols}"
        return hashlib.sha256(canonical.encode()).hexdigest()[:32]

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Code) and self.ref == other.ref

    def __hash__(self) -> int:
        return hash(self.ref)

    def __str__(self) -> str:
        return f"•••••-•••••-•••••-{self.last_group}"

    def __repr__(self) -> str:
        return f"Code({self})"

    def __reduce__(self) -> NoReturn:
        raise TypeError("an activation code is not pickled or copied; pass its ref")


def generate_code(random_below: Callable[[int], int]) -> Code:
    """Return a random code: `random_below(32)` is called 18 times for a number from 0 to 31."""
    body = "".join(ALPHABET[random_below(len(ALPHABET))] for _ in range(RANDOM_COUNT))
    return Code(body + check_symbols(body))


def check_symbols(body: str) -> str:
    """Return the two check symbols of the other 18."""
    value = 0
    for symbol in body:
        value = value * len(ALPHABET) + ALPHABET.index(symbol)
    first, second = divmod(value % CHECK_PRIME, len(ALPHABET))
    return ALPHABET[first] + ALPHABET[second]


def in_groups(symbols: str) -> list[str]:
    """Split the symbols into groups of five."""
    return ["".join(group) for group in batched(symbols, GROUP_LENGTH, strict=False)]
