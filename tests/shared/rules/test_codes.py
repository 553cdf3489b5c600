"""Activation codes: what people may type, what is refused and how, and that a code never leaks."""

import dataclasses
import json
import pickle
import re
import traceback
from collections.abc import Callable
from copy import deepcopy
from itertools import combinations
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter
from pydantic_core import PydanticSerializationError

from shared.ledger.code_generator import new_code
from shared.rules.codes import ALPHABET, SYMBOL_COUNT, Code, MalformedCode, generate_code, read_code


def code_of(body: str) -> Code:
    """Make the code whose 18 random symbols are these."""
    numbers = iter([ALPHABET.index(symbol) for symbol in body])
    return generate_code(lambda _: next(numbers))


def symbols_of(code: Code) -> str:
    return code.reveal().replace("-", "")


def problem_of(typed: str) -> MalformedCode:
    with pytest.raises(MalformedCode) as caught:
        read_code(typed)
    return caught.value


# zeros, ones and letters that other alphabets imitate
CODE = code_of("10ABCEHKM10PTXYZ0A")
TEXT = "10ABC-EHKM1-0PTXY-Z0AR5"
GROUPS = TEXT.split("-")
SYMBOLS = "".join(GROUPS)

codes = st.text(ALPHABET, min_size=18, max_size=18).map(code_of)
several_codes = pytest.mark.parametrize(
    "code",
    [CODE, code_of("0" * 18), code_of("Z" * 18), code_of("0123456789ABCDEFGH"), new_code()],
    ids=["ours", "lowest", "highest", "rising", "by chance"],
)


# made


def test_a_code_is_four_groups_of_five_crockford_symbols() -> None:
    assert CODE.reveal() == TEXT
    assert CODE.last_group == "Z0AR5"
    assert re.fullmatch(rf"[{ALPHABET}]{{5}}(-[{ALPHABET}]{{5}}){{3}}", new_code().reveal())
    assert not set("ILOU") & set(ALPHABET)


def test_a_new_code_uses_ninety_random_bits() -> None:
    asked: list[int] = []

    def always_seven(limit: int) -> int:
        asked.append(limit)
        return 7

    generate_code(always_seven)
    assert asked == [32] * 18
    assert len({new_code().ref for _ in range(1_000)}) == 1_000


@given(codes)
def test_a_code_is_read_as_it_was_issued(code: Code) -> None:
    """R-05."""
    assert read_code(code.reveal()) == code


# check symbols


@several_codes
def test_every_single_wrong_symbol_is_caught(code: Code) -> None:
    """R-06."""
    right = symbols_of(code)
    for position in range(SYMBOL_COUNT):
        for symbol in set(ALPHABET) - {right[position]}:
            wrong = right[:position] + symbol + right[position + 1 :]
            assert problem_of(wrong).problem == "check", position


@several_codes
def test_every_swap_of_two_symbols_is_caught_adjacent_or_not(code: Code) -> None:
    """R-06."""
    right = symbols_of(code)
    for one, other in combinations(range(SYMBOL_COUNT), 2):
        wrong = list(right)
        wrong[one], wrong[other] = wrong[other], wrong[one]
        if right[one] != right[other]:
            assert problem_of("".join(wrong)).problem == "check", (one, other)


# read as people type


@pytest.mark.parametrize(
    "typed",
    [
        pytest.param(TEXT.lower(), id="lower case"),
        pytest.param(TEXT.title(), id="mixed case"),
        pytest.param(SYMBOLS, id="without hyphens"),
        pytest.param(" ".join(GROUPS), id="spaces for hyphens"),
        pytest.param(" - ".join(GROUPS), id="spaces around hyphens"),
        pytest.param(f"\r\n\t {TEXT}- \n", id="space around"),
        pytest.param("\n".join(GROUPS), id="one group a line"),
        pytest.param("1 0 A B C E H K M 1 0 P T X Y Z 0 A R 5", id="spelled out"),
        pytest.param("10AB-CEHK-M10P-TXYZ-0AR5", id="groups of four"),
        pytest.param(TEXT.replace("0", "O"), id="O for 0"),
        pytest.param(TEXT.lower().replace("0", "o"), id="o for 0"),
        pytest.param(TEXT.replace("1", "I"), id="I for 1"),
        pytest.param(TEXT.replace("1", "i"), id="i for 1"),
        pytest.param(TEXT.replace("1", "L"), id="L for 1"),
        pytest.param(TEXT.replace("1", "l"), id="l for 1"),
        pytest.param(TEXT.replace("1", "ı"), id="Turkish dotless i for 1"),
        pytest.param(TEXT.replace("1", "İ"), id="Turkish dotted I for 1"),
        pytest.param("".join(chr(ord(c) + 0xFEE0) for c in TEXT), id="full-width letters"),
        pytest.param("".join(chr(ord(c) + 0xFEE0) for c in TEXT.lower()), id="full-width lower case"),
        pytest.param("𝟏𝟎𝐀𝐁𝐂-EHKM1-0PTXY-Z0AR5", id="mathematical letters"),
        pytest.param("\u200b".join(TEXT), id="zero-width spaces"),
        pytest.param(f"\u202b\u200f{TEXT}\u202c\u200e", id="marks of a right-to-left page"),
        pytest.param(f"\u2066{TEXT}\u2069\ufeff", id="isolates and a byte order mark"),
        pytest.param("10\u00adABC-EHKM1-0PTXY-Z0AR5", id="soft hyphen"),
        pytest.param("10ABC\ufe0f-EHKM1-0PTXY\u3164-Z0AR5\x00", id="variation selector, filler, NUL"),
    ],
)
def test_a_code_typed_this_way_is_the_same_code(typed: str) -> None:
    """R-05."""
    assert read_code(typed) == CODE


@pytest.mark.parametrize("separator", "-‐‑‒–—―−⁃﹘﹣－ー─⸺ \u00a0\u2002\u2007\u2009\u202f\u3000\u2028\x85", ids=ascii)
def test_any_dash_or_space_separates_groups(separator: str) -> None:
    """R-05."""
    assert read_code(separator.join(GROUPS)) == CODE


@given(codes, st.data())
def test_separators_and_invisible_characters_may_be_anywhere(code: Code, data: st.DataObject) -> None:
    """R-05."""
    noise = st.text("- –\u00a0\u200b\u200f\u2069", max_size=3)
    typed = "".join(data.draw(noise) + symbol for symbol in symbols_of(code)) + data.draw(noise)
    assert read_code(typed) == code


# refused, with what is wrong


@pytest.mark.parametrize(
    ("typed", "found", "groups"),
    [
        ("", 0, (1, 2, 3, 4)),
        (" - \u200b", 0, (1, 2, 3, 4)),
        ("10ABC-EHKM1-", 10, (3, 4)),
        ("10ABC-EHKM1-0PTXY-Z0AR", 19, (4,)),
        ("10ABC-EHK1-0PTXY-Z0AR5", 19, (2,)),
        ("10ABC--0PTXY-Z0AR5", 15, (2,)),
        ("10ABC-EHKM1-0PTXYY-Z0AR5", 21, (3,)),
        (SYMBOLS[:-1], 19, (4,)),
        (SYMBOLS + "7", 21, ()),
        ("Your activation code is 10ABC-EHKM1-0PTXY-Z0AR5", 40, ()),
    ],
)
def test_a_wrong_length_is_refused_with_both_counts(typed: str, found: int, groups: tuple[int, ...]) -> None:
    """R-06."""
    refusal = problem_of(typed)
    assert refusal.problem == "length"
    assert refusal.message == f"A code has 20 symbols; this one has {found}."
    assert refusal.groups == groups


def test_a_text_that_is_too_long_is_refused_before_it_is_parsed() -> None:
    """R-06."""
    assert read_code(TEXT + " " * (200 - len(TEXT))) == CODE
    assert str(problem_of(TEXT + " " * (201 - len(TEXT)))) == "A code has 20 symbols; this text has 201 characters."
    assert problem_of("A" * 10_000_000).problem == "length"
    # one character that unfolds to eighteen
    assert problem_of("\ufdfa" * 200).problem == "length"


@pytest.mark.parametrize(
    ("foreign", "described"),
    [
        ("А", "Cyrillic 'А', which looks like the Latin A; type it on a Latin keyboard"),
        ("а", "Cyrillic 'а', which looks like the Latin A; type it on a Latin keyboard"),
        ("О", "Cyrillic 'О', which looks like the digit 0; type it on a Latin keyboard"),
        ("З", "Cyrillic 'З', which looks like the digit 3; type it on a Latin keyboard"),
        ("і", "Cyrillic 'і', which looks like the digit 1; type it on a Latin keyboard"),
        ("Β", "Greek 'Β', which looks like the Latin B; type it on a Latin keyboard"),
        ("ν", "Greek 'ν', which looks like the Latin V; type it on a Latin keyboard"),
        ("Տ", "Armenian 'Տ', which looks like the Latin S; type it on a Latin keyboard"),
        ("Ж", "'Ж' (CYRILLIC CAPITAL LETTER ZHE), which no code uses"),
        ("ß", "'ß' (LATIN SMALL LETTER SHARP S), which no code uses"),
        ("é", "'é' (LATIN SMALL LETTER E WITH ACUTE), which no code uses"),
        ("٥", "'٥' (ARABIC-INDIC DIGIT FIVE), which no code uses"),
        ("@", "'@' (COMMERCIAL AT), which no code uses"),
        ("😀", "'😀' (GRINNING FACE), which no code uses"),
        ("\ud800", "U+D800, which no code uses"),
        ("\ue000", "U+E000, which no code uses"),
        ("u", "the letter U, which no code uses; it may be a V"),
        ("Ｕ", "the letter U, which no code uses; it may be a V"),
    ],
    ids=ascii,
)
def test_a_symbol_of_another_alphabet_is_named_with_its_group(foreign: str, described: str) -> None:
    """R-05, R-06."""
    refusal = problem_of(f"10ABC-EHKM1-0P{foreign}XY-Z0AR5")
    assert refusal.problem == "alphabet"
    assert refusal.message == f"The 3rd group contains {described}."
    assert refusal.groups == (3,)


@pytest.mark.parametrize(
    ("typed", "groups"),
    [
        ("10ABCEHKМ10PTXYZ0АR5", (2, 4)),
        ("10АBC", (1,)),
        ("10АBC-E", (1,)),
        (TEXT + ".", (4,)),
        ("@" * 30, (1, 2, 3, 4)),
    ],
)
def test_foreign_symbols_are_found_in_an_unfinished_or_unseparated_code(typed: str, groups: tuple[int, ...]) -> None:
    """R-05."""
    refusal = problem_of(typed)
    assert (refusal.problem, refusal.groups) == ("alphabet", groups)


def test_wrong_check_symbols_are_refused_without_guessing_where() -> None:
    """R-06."""
    refusal = problem_of("10ABC-EHKM1-0PTXY-Z0AR6")
    assert refusal.message == "One symbol is wrong, or two are swapped."
    assert (refusal.problem, refusal.groups) == ("check", ())


def code_or_refusal(typed: str) -> Code | MalformedCode:
    try:
        return read_code(typed)
    except MalformedCode as refusal:
        return refusal


@given(st.text(st.characters(), max_size=250))
def test_whatever_is_typed_it_is_a_code_or_a_refusal_that_can_be_sent(typed: str) -> None:
    """R-06."""
    match code_or_refusal(typed):
        case Code() as code:
            assert len(symbols_of(code)) == SYMBOL_COUNT
        case MalformedCode() as refusal:
            assert refusal.message.encode()
            assert set(refusal.groups) <= {1, 2, 3, 4}


# hashed


def test_a_ref_is_the_same_for_ever() -> None:
    assert CODE.ref == "78fc3a8be26b1efd04025523465d5f1f"


@given(codes, codes)
def test_a_ref_is_thirty_two_hex_digits_and_tells_codes_apart(one: Code, other: Code) -> None:
    assert re.fullmatch("[0-9a-f]{32}", one.ref)
    assert (one.ref == other.ref) == (one == other)


def test_codes_are_frozen_values() -> None:
    assert {CODE, read_code(TEXT)} == {CODE}
    with pytest.raises(AttributeError):
        CODE.last_group = "AAAAA"  # type: ignore[misc]  # what the test is about


# kept secret


def shows_a_secret(text: str) -> bool:
    return any(group.lower() in text.lower() for group in GROUPS[:3])


@pytest.mark.parametrize(
    "shown",
    [
        pytest.param(str, id="str"),
        pytest.param(repr, id="repr"),
        pytest.param(lambda code: f"{code} {code!r} {code!s} {code!a}", id="format"),
        pytest.param(lambda code: f"{[code]} {(code,)} { {'code': code} }", id="in containers"),
        pytest.param(lambda code: str(ValueError("refused", code)), id="in an exception"),
        pytest.param(lambda code: code.ref, id="ref"),
    ],
)
def test_a_code_never_shows_itself_in_full(shown: Callable[[Code], str]) -> None:
    """R-112."""
    assert not shows_a_secret(shown(CODE))


def test_a_code_shows_its_last_group() -> None:
    """R-10."""
    assert str(CODE) == "•••••-•••••-•••••-Z0AR5"
    assert repr(CODE) == "Code(•••••-•••••-•••••-Z0AR5)"


@pytest.mark.parametrize(
    "serialize",
    [
        pytest.param(dataclasses.asdict, id="asdict"),
        pytest.param(vars, id="vars"),
        pytest.param(json.dumps, id="json"),
        pytest.param(msgspec.json.encode, id="msgspec"),
        pytest.param(TypeAdapter(Any).dump_json, id="pydantic"),
    ],
)
def test_a_code_cannot_be_serialized_and_the_traceback_does_not_show_it(serialize: Callable[[Any], object]) -> None:
    """R-112."""
    with pytest.raises((TypeError, PydanticSerializationError)) as caught:
        serialize(CODE)
    assert not shows_a_secret("".join(traceback.format_exception(caught.value)))


@pytest.mark.parametrize("copied", [pickle.dumps, deepcopy])
def test_a_code_is_neither_pickled_nor_copied_and_the_traceback_does_not_show_it(
    copied: Callable[[Code], object],
) -> None:
    """R-112."""
    with pytest.raises(TypeError, match="pass its ref") as caught:
        copied(CODE)
    assert not shows_a_secret("".join(traceback.format_exception(caught.value)))


@pytest.mark.parametrize("typed", [TEXT + "7", TEXT[:-1], TEXT[:-1] + "Z", TEXT[:-1] + "U", TEXT + " " * 200])
def test_a_refusal_never_repeats_what_was_typed(typed: str) -> None:
    """R-112."""
    refusal = problem_of(typed)
    traced = "".join(traceback.format_exception(refusal))
    assert not shows_a_secret(f"{refusal} {refusal!r} {refusal.args} {traced}")
    assert not shows_a_secret(pickle.dumps(refusal).decode("latin-1"))
    assert str(pickle.loads(pickle.dumps(refusal))) == refusal.message
