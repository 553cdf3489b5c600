"""Codes pasted and typed into the four fields: the same code, or a precise message (R-05)."""

import re
from collections.abc import Callable

import pytest
from playwright.sync_api import Page, expect

from tests.browser.visitor import Visitor, field, pressable, text_on
from tests.journeys.people import IssuedCode, OwnedDevice, Vendor, runs_on

type NewDevice = Callable[[], OwnedDevice]
type Write = Callable[[str], str]

FULL_WIDTH = {ord(symbol): ord(symbol) + 0xFEE0 for symbol in "0123456789ABCDEFGHJKMNPQRSTVWXYZ"}
RIGHT_TO_LEFT = "\u200f\u202b{}\u202c\u200e"
"""Invisible marks that come along when copying from a right-to-left page."""


def every_symbol(code: str) -> str:
    """Return the code with a mark before each of its symbols."""
    return "".join(f"\u2067{symbol}\u2069" for symbol in code)


PASTED: dict[str, Write] = {
    "whole": str,
    "in lower case": str.lower,
    "without hyphens": lambda code: code.replace("-", ""),
    "with spaces": lambda code: f"  {code.replace('-', '  ')}\n",
    "with long dashes": lambda code: code.replace("-", " – "),
    "O for 0, I and l for 1": lambda code: code.replace("0", "O").replace("1", "I", 1).replace("1", "l"),
    "full-width": lambda code: code.translate(FULL_WIDTH),
    "from a right-to-left page": RIGHT_TO_LEFT.format,
    "from a right-to-left page, marked everywhere": every_symbol,
}


@pytest.fixture
def entry(visitor: Visitor, new_device: NewDevice) -> tuple[Page, OwnedDevice]:
    """The page on which a code is entered, on a device without a license."""
    device = new_device()
    page = visitor.opens(device, permissions=["clipboard-read", "clipboard-write"])
    pressable(page, "Enter activation code").click()
    expect(field(page)).to_be_focused()
    return page, device


def with_look_alikes(vendor: Vendor) -> IssuedCode:
    """Return a code with look-alike symbols: nearly half of all codes have both."""
    return next(code for code in vendor.issue_many(50) if "0" in code.text and "1" in code.text)


def pastes(page: Page, text: str) -> None:
    """Paste a text into the field that has the focus."""
    page.evaluate("text => navigator.clipboard.writeText(text)", text)
    page.keyboard.press("Control+V")


def is_accepted(page: Page, device: OwnedDevice, code: IssuedCode) -> None:
    """Press Add; the code that arrives is this one."""
    expect(pressable(page, "Add")).to_be_enabled()
    pressable(page, "Add").click()
    expect(pressable(page, "Done")).to_be_visible()
    device.sees(runs_on(code))


@pytest.mark.parametrize("written", PASTED.values(), ids=PASTED)
def test_a_code_pasted_into_the_first_field(written: Write, entry: tuple[Page, OwnedDevice], vendor: Vendor) -> None:
    """R-05."""
    page, device = entry
    code = with_look_alikes(vendor)
    pastes(page, written(code.text))
    is_accepted(page, device, code)


@pytest.mark.parametrize(
    "written",
    [str, str.lower, lambda code: code.replace("-", ""), lambda code: code.replace("-", " ")],
    ids=["with hyphens", "in lower case", "without hyphens", "with spaces"],
)
def test_a_code_typed_without_leaving_the_keyboard(
    written: Write, entry: tuple[Page, OwnedDevice], vendor: Vendor
) -> None:
    """R-05: a full group moves on to the next field, and a hyphen typed there is not its first symbol."""
    page, device = entry
    code = vendor.issue()
    page.keyboard.type(written(code.text))
    for number, group in enumerate(code.text.split("-"), 1):
        expect(field(page, number)).to_have_value(re.compile(f"^{group}$", re.IGNORECASE))
    is_accepted(page, device, code)


def test_a_group_is_corrected_by_going_back_over_the_fields(entry: tuple[Page, OwnedDevice], vendor: Vendor) -> None:
    """R-05: Backspace in an empty field moves back to the previous one."""
    page, device = entry
    code = vendor.issue()
    first, rest = code.text[:5], code.text[6:].replace("-", "")
    page.keyboard.type(first[:4] + ("Z" if first[4] != "Z" else "Y"))
    expect(field(page, 2)).to_be_focused()
    page.keyboard.press("Backspace")
    expect(field(page, 1)).to_be_focused()
    page.keyboard.press("Backspace")
    page.keyboard.type(first[4] + rest)
    is_accepted(page, device, code)


def test_add_is_enabled_only_for_a_complete_and_correct_code(entry: tuple[Page, OwnedDevice], vendor: Vendor) -> None:
    """R-05, R-06: no complaint while typing; once the code is full, the mistake is shown beside the fields."""
    page, device = entry
    code = vendor.issue()
    expect(pressable(page, "Add")).to_be_disabled()
    page.keyboard.type(code.text[:-1].replace("-", ""))
    expect(text_on(page, "You can press Add once the code is complete and correct.")).to_be_visible()
    expect(page.get_by_role("alert").filter(has_text=re.compile(r"\w"))).to_have_count(0)
    page.keyboard.type("A" if code.text[-1] != "A" else "B")
    expect(page.locator("#group-error")).to_have_text("One symbol is wrong, or two are swapped.")
    expect(pressable(page, "Add")).to_be_disabled()
    page.keyboard.press("Backspace")
    page.keyboard.type(code.text[-1])
    expect(page.locator("#group-error")).to_have_text("")
    is_accepted(page, device, code)


@pytest.mark.parametrize("scripts", [True, False], ids=["with scripts", "without scripts"])
def test_a_look_alike_of_another_alphabet_is_named_beside_its_field(
    scripts: bool, visitor: Visitor, vendor: Vendor, new_device: NewDevice
) -> None:
    """R-05, R-06: the field is marked and described by the message."""
    device = new_device()
    page = visitor.opens(device, java_script_enabled=scripts)
    pressable(page, "Enter activation code").click()
    groups = vendor.issue().text.split("-")
    for number, group in enumerate((groups[0], f"А{groups[1][1:]}", *groups[2:]), 1):
        field(page, number).fill(group)
    if not scripts:
        pressable(page, "Add").click()
    described = re.compile("The 2nd group contains Cyrillic 'А', which looks like the Latin A")
    expect(field(page, 2)).to_have_accessible_description(described)
    expect(field(page, 2)).to_have_attribute("aria-invalid", "true")
    expect(field(page, 1)).not_to_have_attribute("aria-invalid", "true")
    assert "CodeAdded" not in device.event_names()
