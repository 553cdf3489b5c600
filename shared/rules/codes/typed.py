"""Reads a code as people type it, with any dashes, spaces and look-alike symbols, and says which group is wrong."""

import re
import unicodedata
from typing import Literal

from shared.rules.codes.masked import ALPHABET, GROUP_LENGTH, RANDOM_COUNT, SYMBOL_COUNT, Code, check_symbols, in_groups

TYPED_CHARACTERS_MAX = 200

_GROUP_COUNT = 4
# the dotless and the dotted i are what a Turkish keyboard produces for I
_READ_AS = str.maketrans("OILıİ", "01111")
# dashes outside Unicode's dash category; the second is what a Japanese keyboard produces for a hyphen
_MORE_DASHES = "−ー─⁃˗⁓"
# fillers and variation selectors, which are outside Unicode's format category
_MORE_INVISIBLE = re.compile(
    "[\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180f\u2800\u3164\ufe00-\ufe0f\uffa0\U000e0100-\U000e01ef]"
)
_LOOK_ALIKES = (
    dict(zip("АВСЕНКМОРЅТХУҮЗІЈԌԚԜѴЧб", "ABCEHKM0PSTXYY31JGQWV46", strict=True))  # Cyrillic
    | dict(zip("ΑΒΕΖΗΙΚΜΝΟΡΤΥΧν", "ABEZH1KMN0PTYXV", strict=True))  # Greek
    | dict(zip("ՕՏԼ", "0S1", strict=True))  # Armenian
)
_ORDINALS = ("1st", "2nd", "3rd", "4th")

type Problem = Literal["length", "alphabet", "check"]


class MalformedCode(Exception):
    """The typed text is not a code (R-06): the `problem`, a sentence for people, and the groups to check (from 1).

    The sentence quotes at most one character, and only one that cannot be part of a code.
    """

    def __init__(self, problem: Problem, message: str, groups: tuple[int, ...]) -> None:
        super().__init__(problem, message, groups)
        self.problem, self.message, self.groups = problem, message, groups

    def __str__(self) -> str:
        return self.message


def read_code(typed: str) -> Code:
    """Return the code that a person typed or pasted (R-05). Raises `MalformedCode`, which says what is wrong (R-06)."""
    if len(typed) > TYPED_CHARACTERS_MAX:
        raise MalformedCode("length", f"A code has {SYMBOL_COUNT} symbols; this text has {len(typed)} characters.", ())
    groups = _groups_of(_tidied(typed))
    symbols = "".join(groups)
    found = sum(map(str.isalnum, symbols))
    # a text with too many letters is a sentence, not a code: pointing at one of them would not help
    if found <= SYMBOL_COUNT and not set(symbols) <= set(ALPHABET):
        raise _foreign(groups)
    if len(symbols) != SYMBOL_COUNT:
        raise _wrong_length(groups, found)
    if symbols[RANDOM_COUNT:] != check_symbols(symbols[:RANDOM_COUNT]):
        raise MalformedCode("check", "One symbol is wrong, or two are swapped.", ())
    return Code(symbols)


def _tidied(typed: str) -> str:
    visible = "".join(character for character in typed if not _is_invisible(character))
    return "".join(map(_as_symbol, unicodedata.normalize("NFKC", visible))).strip()


def _is_invisible(character: str) -> bool:
    if character.isspace():
        return False
    return unicodedata.category(character) in {"Cf", "Cc"} or bool(_MORE_INVISIBLE.match(character))


def _as_symbol(character: str) -> str:
    if character.isspace():
        return " "
    if unicodedata.category(character) == "Pd" or character in _MORE_DASHES:
        return "-"
    # only plain letters change case: the capital of ß is two letters
    return (character.upper() if character.isascii() else character).translate(_READ_AS)


def _groups_of(tidied: str) -> list[str]:
    """Split as typed if that gives four groups, else after every five symbols."""
    typed = re.split(" *- *| +", tidied)
    return typed if len(typed) == _GROUP_COUNT else in_groups("".join(typed))


def _wrong_length(groups: list[str], found: int) -> MalformedCode:
    fields = (groups + [""] * _GROUP_COUNT)[:_GROUP_COUNT]
    wrong = tuple(number for number, field in enumerate(fields, 1) if len(field) != GROUP_LENGTH)
    return MalformedCode("length", f"A code has {SYMBOL_COUNT} symbols; this one has {found}.", wrong)


def _foreign(groups: list[str]) -> MalformedCode:
    numbered = [(min(number, _GROUP_COUNT), group) for number, group in enumerate(groups, 1)]
    strangers = [(number, symbol) for number, group in numbered for symbol in group if symbol not in ALPHABET]
    number, character = strangers[0]
    message = f"The {_ORDINALS[number - 1]} group contains {_described(character)}."
    return MalformedCode("alphabet", message, tuple(sorted({number for number, _ in strangers})))


def _described(character: str) -> str:
    if character == "U":
        return "the letter U, which no code uses; it may be a V"
    name = unicodedata.name(character, "")
    twin = _LOOK_ALIKES.get(character) or _LOOK_ALIKES.get(character.upper())
    if twin:
        kind = "digit" if twin.isdigit() else "Latin"
        script = name.split()[0].title()
        return f"{script} '{character}', which looks like the {kind} {twin}; type it on a Latin keyboard"
    # a lone surrogate has no name and cannot be encoded
    shown = f"'{character}' ({name})" if name else f"U+{ord(character):04X}"
    return f"{shown}, which no code uses"
