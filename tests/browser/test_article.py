"""The article's steps in a real browser: by mouse and by keyboard alone, with scripts and without."""

from collections.abc import Callable
from datetime import datetime, timedelta

import pytest
from playwright.sync_api import Page, expect

from shared.calendar import instant
from tests.browser.visitor import Hand, Keyboard, Mouse, Visitor, enters, field, pressable, text_on
from tests.journeys.people import (
    IssuedCode,
    OwnedDevice,
    Time,
    Vendor,
    end_of_license,
    moment,
    reserve_is,
    runs_on,
)

type NewDevice = Callable[[], OwnedDevice]


@pytest.fixture
def device(new_device: NewDevice) -> OwnedDevice:
    """A device of the test's own."""
    return new_device()


def masked(code: IssuedCode) -> str:
    return f"•••••-•••••-•••••-{code.last_group}"


def shows_time(page: Page, when: datetime) -> None:
    """The page shows the time, with its exact instant in the markup."""
    expect(page.locator(f'time[datetime="{instant(when)}"][title="{instant(when)}"]').first).to_be_visible()


def types(page: Page, code: IssuedCode, *, scripts: bool) -> None:
    """Type a code by keyboard: with scripts a full group moves on to the next, otherwise the Tab key does."""
    expect(field(page)).to_be_focused()
    for group in code.text.split("-"):
        page.keyboard.type(group)
        if not scripts:
            page.keyboard.press("Tab")


@pytest.mark.parametrize("scripts", [True, False], ids=["with scripts", "without scripts"])
@pytest.mark.parametrize("hand", [Mouse(), Keyboard()], ids=["mouse", "keyboard"])
def test_the_articles_steps(
    hand: Hand, scripts: bool, visitor: Visitor, vendor: Vendor, device: OwnedDevice, time: Time
) -> None:
    """R-01, R-08, R-10, R-12, R-31, R-38, R-56."""
    current, new = vendor.issue("P1M"), vendor.issue("P1M")
    shown = device.activates(current)
    page = visitor.opens(device, java_script_enabled=scripts)
    expect(page.get_by_role("heading", name=f"License: {shown['days_remaining']} days remaining")).to_be_visible()
    hand.presses(page, "Enter activation code")
    types(page, new, scripts=scripts)
    hand.presses(page, "Add")
    expect(text_on(page, "Verified, in reserve")).to_be_visible()
    hand.presses(page, "Done")
    expect(text_on(page, masked(new))).to_be_visible()
    waiting = device.license()["reserve"]
    shows_time(page, end_of_license(shown))
    shows_time(page, moment(waiting["predicted_ends_at"]))
    expect(pressable(page, "Activate now")).to_be_disabled()
    expect(text_on(page, "Activate now becomes available on")).to_be_visible()
    time.reaches_the_end_of(shown)
    device.sees(runs_on(new))
    if not scripts:
        hand.presses(page, "Check now")
    expect(page.get_by_role("heading", name="days remaining")).to_be_visible()
    expect(text_on(page, masked(current))).to_have_count(0)
    expect(text_on(page, masked(new))).to_be_visible()
    expect(pressable(page, "Activate now")).to_have_count(0)


def test_a_code_on_a_device_without_a_license_is_activated_at_once(
    visitor: Visitor, vendor: Vendor, device: OwnedDevice
) -> None:
    """R-04."""
    page = visitor.opens(device)
    expect(page.get_by_role("heading", name="No license")).to_be_visible()
    enters(page, vendor.issue().text)
    expect(text_on(page, "days remaining").first).to_be_visible()


def test_an_open_page_follows_changes_made_elsewhere_and_announces_them(
    visitor: Visitor, vendor: Vendor, device: OwnedDevice
) -> None:
    """R-10, R-17: without a refresh, and in a live region."""
    new = vendor.issue()
    device.activates(vendor.issue())
    page = visitor.opens(device)
    expect(text_on(page, masked(new))).to_have_count(0)
    device.add(new)
    expect(text_on(page, masked(new))).to_be_visible()
    spoken = page.get_by_role("status").filter(has_text="New activation code: Verified, in reserve.")
    expect(spoken).to_have_count(1)


@pytest.mark.parametrize("hand", [Mouse(), Keyboard()], ids=["mouse", "keyboard"])
def test_activate_now_after_a_refused_switch(
    hand: Hand, visitor: Visitor, vendor: Vendor, device: OwnedDevice, time: Time
) -> None:
    """R-46, R-59, R-61: the page was opened before the end and follows until the button is enabled."""
    shown, new = device.activates(vendor.issue("P1M")), vendor.issue()
    device.keeps_in_reserve(new)
    page = visitor.opens(device)
    expect(pressable(page, "Activate now")).to_be_disabled()
    vendor.block(new)
    time.reaches_the_end_of(shown)
    device.sees(reserve_is(new, "refused"))
    expect(page.get_by_role("heading", name="License expired")).to_be_visible()
    expect(text_on(page, "The vendor has blocked the code.").first).to_be_visible()
    vendor.unblock(new)
    hand.presses(page, "Activate now")
    expect(page.get_by_role("heading", name="days remaining")).to_be_visible()
    assert vendor.holders(new) == [device.device_id]


def test_times_are_in_the_readers_zone_and_language(visitor: Visitor, vendor: Vendor, device: OwnedDevice) -> None:
    """R-144: the zone is told, and the exact instant is in the tooltip."""
    ends_at = end_of_license(device.activates(vendor.issue()))
    page = visitor.opens(device, locale="de-DE", timezone_id="Asia/Kolkata")
    local = ends_at + timedelta(hours=5, minutes=30)
    time_shown = page.locator(f'time[title="{instant(ends_at)}"]').first
    expect(time_shown).to_contain_text(f"{local:%Y}")
    expect(time_shown).to_contain_text(f"{local:%H:%M} GMT+5:30")
    plain = visitor.opens(device, locale="de-DE", java_script_enabled=False)
    expect(plain.locator(f'time[title="{instant(ends_at)}"]').first).to_contain_text(f"{ends_at:%H:%M} UTC")
