"""Codes as people type, paste and mistype them into the four fields."""

from collections.abc import Callable

import pytest

from services.device.window.code_entry import CodeForm
from services.device.window.forms import Mistake, TypedCode
from shared.ledger.code_generator import new_code
from shared.rules.codes import Code

CODE = new_code()
TEXT = CODE.reveal()
GROUPS = tuple(TEXT.split("-"))


@pytest.mark.parametrize(
    "groups",
    [
        GROUPS,
        (TEXT, "", "", ""),
        ("", TEXT, "", ""),
        (TEXT.replace("-", ""), "", "", ""),
        (TEXT.replace("-", " ").lower(), "", "", ""),
        (f"  {TEXT}\n", "", "", ""),
        ("".join(GROUPS[:2]), "", "".join(GROUPS[2:]), ""),
        tuple(f" {group.lower()} " for group in GROUPS),
        tuple(group.replace("0", "O").replace("1", "l") for group in GROUPS),
        tuple("".join(chr(ord(symbol) + 0xFEE0) for symbol in group) for group in GROUPS),
        tuple(f"\u200f{group}\u200e" for group in GROUPS),
    ],
    ids=[
        "typed",
        "pasted",
        "pasted elsewhere",
        "without hyphens",
        "spaces, lower case",
        "with space",
        "in two",
        "lower case",
        "look-alikes",
        "full-width",
        "from a right-to-left page",
    ],
)
def test_the_same_code_however_it_got_into_the_fields(groups: tuple[str, ...]) -> None:
    """R-05."""
    read = TypedCode(groups).read()
    assert isinstance(read, Code)
    assert read.ref == CODE.ref


def mistake(*groups: str) -> Mistake:
    read = TypedCode(groups).read()
    assert isinstance(read, Mistake)
    return read


def test_a_short_group_is_named_with_its_field() -> None:
    """R-06."""
    found = mistake(GROUPS[0], GROUPS[1], GROUPS[2][:4], GROUPS[3])
    assert found.fields == (3,)
    assert found.message.endswith("Check the third group.")


def test_an_empty_field_is_a_missing_group() -> None:
    """R-06."""
    assert mistake(GROUPS[0], "", GROUPS[2], GROUPS[3]).fields == (2,)


def test_a_look_alike_of_another_alphabet_is_named_with_its_field() -> None:
    """R-05."""
    found = mistake(GROUPS[0], f"А{GROUPS[1][1:]}", GROUPS[2], GROUPS[3])  # a Cyrillic letter
    assert (found.fields, found.foreign) == ((2,), True)
    assert "Cyrillic" in found.message


def test_a_pasted_code_with_an_error_points_at_the_field_it_is_in() -> None:
    """R-06."""
    assert mistake(TEXT[:-1], "", "", "").fields == (1,)


@pytest.mark.parametrize(
    "groups",
    [("", "", "", ""), ("A" * 5_000, "", "", ""), ("<script>alert(1)</script>", "", "", ""), ("a" * 201, "b", "", "")],
)
def test_what_is_not_a_code_at_all_gets_a_sentence(groups: tuple[str, ...]) -> None:
    """R-06."""
    found = mistake(*groups)
    assert found.message.rstrip().endswith(".")
    assert "script>" not in found.message
    assert all(len(group) <= 200 for group in TypedCode(groups).shown())


@pytest.mark.parametrize("swap", [lambda text: text[1] + text[0] + text[2:]])
def test_two_swapped_symbols_are_noticed(swap: Callable[[str], str]) -> None:
    """R-06."""
    code = next(text for text in iter(lambda: new_code().reveal(), "") if text[0] != text[1])
    read = TypedCode((swap(code), "", "", "")).read()
    assert isinstance(read, Mistake)
    assert "swapped" in read.message


def test_no_repr_shows_what_was_typed() -> None:
    """R-112."""
    entry = CodeForm.of({"group1": TEXT, "prior": TEXT})
    assert GROUPS[0] not in repr(entry)
