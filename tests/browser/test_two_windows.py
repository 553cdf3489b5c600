"""Two windows of one device, and outdated pages: one effect, and a clear sentence."""

from collections.abc import Callable

import pytest
from playwright.sync_api import Page, expect

from tests.browser.visitor import Visitor, enters, field, pressable, text_on
from tests.journeys.people import IssuedCode, OwnedDevice, Time, Vendor, reserve_is, runs_on

type NewDevice = Callable[[], OwnedDevice]

PRESS = "document.getElementById('activate-now').form.requestSubmit()"
"""Presses the button without waiting for the result."""


@pytest.fixture
def expired(new_device: NewDevice, vendor: Vendor, time: Time) -> tuple[OwnedDevice, IssuedCode]:
    """A device with an expired license, and a code that was refused then but is valid now."""
    device, new = new_device(), vendor.issue()
    shown = device.activates(vendor.issue("P1M"))
    device.keeps_in_reserve(new)
    vendor.block(new)
    time.reaches_the_end_of(shown)
    device.sees(reserve_is(new, "refused"))
    vendor.unblock(new)
    return device, new


def activations(device: OwnedDevice) -> int:
    return device.event_names().count("LicenseActivated")


def has_a_license(page: Page) -> None:
    expect(page.get_by_role("heading", name="days remaining")).to_be_visible()


@pytest.mark.parametrize("scripts", [True, False], ids=["with scripts", "without scripts"])
def test_two_windows_that_press_activate_now_at_the_same_moment(
    scripts: bool, expired: tuple[OwnedDevice, IssuedCode], visitor: Visitor, vendor: Vendor
) -> None:
    """R-60: one activation, and both see it."""
    device, new = expired
    windows = [visitor.opens(device, java_script_enabled=scripts) for _ in range(2)]
    before = activations(device)
    for window in windows:
        window.evaluate(PRESS)
    for window in windows:
        has_a_license(window)
    assert activations(device) == before + 1
    assert vendor.holders(new) == [device.device_id]


def test_the_window_that_presses_second_learns_that_it_is_done(
    expired: tuple[OwnedDevice, IssuedCode], visitor: Visitor, vendor: Vendor
) -> None:
    """R-57, R-61: its page was opened before and does not follow."""
    device, new = expired
    first, second = visitor.opens(device), visitor.opens(device, java_script_enabled=False)
    pressable(first, "Activate now").click()
    has_a_license(first)
    shown = device.license()["license"]
    pressable(second, "Activate now").click()
    expect(text_on(second, "The code is already the license of this device.")).to_be_visible()
    has_a_license(second)
    assert device.license()["license"] == shown
    assert vendor.holders(new) == [device.device_id]


def test_a_double_click_on_activate_now_is_one_attempt(
    expired: tuple[OwnedDevice, IssuedCode], visitor: Visitor
) -> None:
    """R-09, R-60."""
    device, _ = expired
    page = visitor.opens(device)
    pressable(page, "Activate now").dblclick()
    has_a_license(page)
    assert device.event_names().count("ActivateNow") == 1


def test_a_page_from_before_the_end_that_is_pressed_too_early_and_too_late(
    visitor: Visitor, vendor: Vendor, new_device: NewDevice, time: Time
) -> None:
    """R-56, R-57, R-61, R-62: somebody has enabled the button in their own browser."""
    device, new = new_device(), vendor.issue()
    shown = device.activates(vendor.issue("P1M"))
    device.keeps_in_reserve(new)
    early, late = (visitor.opens(device, java_script_enabled=False) for _ in range(2))
    early.evaluate(PRESS)
    refused = early.locator("#refused")
    expect(refused).to_contain_text("The license of this device is still active.")
    expect(refused).to_contain_text("It is possible from")
    time.reaches_the_end_of(shown)
    after = device.sees(runs_on(new))["license"]
    late.evaluate(PRESS)
    expect(text_on(late, "The code is already the license of this device.")).to_be_visible()
    assert device.license()["license"] == after


def test_a_code_that_was_removed_in_one_window_is_not_activated_by_the_other(
    expired: tuple[OwnedDevice, IssuedCode], visitor: Visitor
) -> None:
    """R-58."""
    device, new = expired
    first, second = visitor.opens(device), visitor.opens(device, java_script_enabled=False)
    pressable(first, "Remove this code").click()
    expect(text_on(first, new.last_group)).to_have_count(0)
    pressable(second, "Activate now").click()
    expect(second.locator("#refused")).to_contain_text("The activation was refused.")
    assert device.license()["status"] == "expired"


def test_the_same_code_entered_in_two_windows_is_added_once(
    visitor: Visitor, vendor: Vendor, new_device: NewDevice
) -> None:
    """R-21."""
    device, new = new_device(), vendor.issue()
    device.activates(vendor.issue())
    windows = [visitor.opens(device, java_script_enabled=False) for _ in range(2)]
    for window in windows:
        pressable(window, "Enter activation code").click()
        field(window).fill(new.text)
    for window in windows:
        window.evaluate("document.getElementById('add').form.requestSubmit()")
    for window in windows:
        expect(text_on(window, "Verified, in reserve")).to_be_visible()
    assert _adds_of(device, new) == 1


@pytest.mark.parametrize("scripts", [True, False], ids=["with scripts", "without scripts"])
def test_a_double_click_on_add_then_back_and_the_form_again(
    scripts: bool, visitor: Visitor, vendor: Vendor, new_device: NewDevice
) -> None:
    """R-09, R-112: one effect, and the restored page shows no code."""
    device, new = new_device(), vendor.issue()
    device.activates(vendor.issue())
    page = visitor.opens(device, java_script_enabled=scripts)
    pressable(page, "Enter activation code").click()
    field(page).fill(new.text)
    expect(pressable(page, "Add")).to_be_enabled()
    pressable(page, "Add").dblclick()
    expect(text_on(page, "Verified, in reserve")).to_be_visible()
    page.go_back()
    # the page is a new one and knows the code in reserve, which is this very code
    page.get_by_label("Replace the code").check()
    expect(field(page)).to_have_value("")
    field(page).fill(new.text)
    pressable(page, "Add").click()
    expect(text_on(page, "Verified, in reserve")).to_be_visible()
    assert _adds_of(device, new) == 1


def test_reloading_the_answer_to_a_form_sends_it_twice_with_one_effect(
    visitor: Visitor, vendor: Vendor, new_device: NewDevice
) -> None:
    """R-09: reloading posts a form again; after a valid form the browser is on another page."""
    device, new = new_device(), vendor.issue()
    device.activates(vendor.issue())
    page = visitor.opens(device, java_script_enabled=False)
    enters(page, new.text[:-1])
    expect(page.locator("#group-error")).to_contain_text("A code has 20 symbols; this one has 19.")
    page.reload()
    expect(page.locator("#group-error")).to_contain_text("A code has 20 symbols; this one has 19.")
    field(page).fill(new.text)
    pressable(page, "Add").click()
    expect(text_on(page, "Verified, in reserve")).to_be_visible()
    page.reload()
    expect(text_on(page, "Verified, in reserve")).to_be_visible()
    assert _adds_of(device, new) == 1


def _adds_of(device: OwnedDevice, code: IssuedCode) -> int:
    added = (event for event in device.history() if event["type"] == "CodeAdded")
    return sum(code.ref in str(event) for event in added)
