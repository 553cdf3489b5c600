"""Codes as people type, paste and mistype them into the four fields."""

from collections.abc import Callable

import pytest

from services.device.window.adding import Entered
from services.device.window.forms import Typed, Wrong
from shared.ledger.identity import new_code
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
def test_the_same_code_however_it_came_into_the_fields(groups: tuple[str, ...]) -> None:
    """R-05."""
    read = Typed(groups).read()
    assert isinstance(read, Code)
    assert read.ref == CODE.ref


def wrong(*groups: str) -> Wrong:
    read = Typed(groups).read()
    assert isinstance(read, Wrong)
    return read


def test_a_short_group_is_named_with_its_field() -> None:
    """R-06."""
    told = wrong(GROUPS[0], GROUPS[1], GROUPS[2][:4], GROUPS[3])
    assert told.fields == (3,)
    assert told.message.endswith("Look at the third group.")


def test_an_empty_field_is_a_group_that_is_missing() -> None:
    """R-06."""
    assert wrong(GROUPS[0], "", GROUPS[2], GROUPS[3]).fields == (2,)


def test_a_look_alike_of_another_alphabet_is_named_with_its_field() -> None:
    """R-05."""
    told = wrong(GROUPS[0], f"А{GROUPS[1][1:]}", GROUPS[2], GROUPS[3])  # a Cyrillic letter
    assert (told.fields, told.foreign) == ((2,), True)
    assert "Cyrillic" in told.message


def test_a_pasted_code_with_an_error_points_at_the_field_it_is_in() -> None:
    """R-06."""
    assert wrong(TEXT[:-1], "", "", "").fields == (1,)


@pytest.mark.parametrize(
    "groups",
    [("", "", "", ""), ("A" * 5_000, "", "", ""), ("<script>alert(1)</script>", "", "", ""), ("a" * 201, "b", "", "")],
)
def test_what_is_no_code_at_all_gets_a_sentence(groups: tuple[str, ...]) -> None:
    """R-06."""
    told = wrong(*groups)
    assert told.message.rstrip().endswith(".")
    assert "script>" not in told.message
    assert all(len(group) <= 200 for group in Typed(groups).shown())


@pytest.mark.parametrize("swap", [lambda text: text[1] + text[0] + text[2:]])
def test_two_swapped_symbols_are_noticed(swap: Callable[[str], str]) -> None:
    """R-06."""
    code = next(text for text in iter(lambda: new_code().reveal(), "") if text[0] != text[1])
    read = Typed((swap(code), "", "", "")).read()
    assert isinstance(read, Wrong)
    assert "swapped" in read.message


def test_nothing_that_was_typed_shows_itself() -> None:
    """R-112."""
    entered = Entered.of({"group1": TEXT, "prior": TEXT})
    assert GROUPS[0] not in repr(entered)
