"""A page that stays open while its service or connection is lost: it says so, reconnects, and follows again."""

from collections.abc import Callable

import pytest
from playwright.sync_api import Browser, Page, expect

from services.cli.system import System
from tests.browser.visitor import Visitor, enters, field, pressable, text_on
from tests.browser.window_pages import Stage
from tests.journeys.people import IssuedCode, OwnedDevice, Vendor, reserve_is
from tests.journeys.running import away, wait_until_ready

type NewDevice = Callable[[], OwnedDevice]

SILENCE_MILLISECONDS = 45_000
BROWSERS_OWN_ERROR = "chrome-error://chromewebdata/"
LOST = "The connection is lost, so this page may be out of date."


@pytest.fixture
def device(new_device: NewDevice, vendor: Vendor) -> OwnedDevice:
    """A device with a license."""
    device = new_device()
    device.activates(vendor.issue())
    return device


def is_lost(page: Page) -> None:
    expect(page.get_by_role("status").filter(has_text=LOST)).to_be_visible()


def follows(page: Page, device: OwnedDevice, code: IssuedCode) -> None:
    """A code added elsewhere appears on the page, which no longer reports a lost connection."""
    device.keeps_in_reserve(code)
    expect(text_on(page, "Verified, in reserve")).to_be_visible()
    expect(page.get_by_text(LOST)).to_have_count(0)


def test_windows_stay_open_when_the_service_is_killed_and_restarted(
    system: System, visitor: Visitor, vendor: Vendor, device: OwnedDevice
) -> None:
    """Nothing is pressed: the session outlives the process, and the page reconnects."""
    page = visitor.opens(device)
    with away(system, "device"):
        is_lost(page)
    expect(page.get_by_text(LOST)).to_have_count(0)
    follows(page, device, vendor.issue())


def test_a_window_waits_for_a_service_that_was_stopped(
    system: System, visitor: Visitor, vendor: Vendor, device: OwnedDevice
) -> None:
    page, worker = visitor.opens(device), system.worker("device")
    worker.stop()
    try:
        is_lost(page)
    finally:
        worker.start()
        wait_until_ready(system)
    follows(page, device, vendor.issue())


def test_a_lost_connection_is_reported_and_restored(visitor: Visitor, vendor: Vendor, device: OwnedDevice) -> None:
    """R-104: the last content stays readable."""
    page, new = visitor.opens(device), vendor.issue()
    page.context.set_offline(True)
    is_lost(page)
    expect(page.get_by_role("heading", name="days remaining")).to_be_visible()
    device.keeps_in_reserve(new)
    expect(text_on(page, new.last_group)).to_have_count(0)
    page.context.set_offline(False)
    expect(text_on(page, "Verified, in reserve")).to_be_visible()
    expect(page.get_by_text(LOST)).to_have_count(0)


def test_a_silent_connection_counts_as_lost(browser: Browser) -> None:
    """Pulling a cable closes no connection: nothing arrives any more, and the page reconnects."""
    page = browser.new_page()
    page.clock.install()
    Stage(page).shows("active")
    expect(page.get_by_text(LOST)).to_have_count(0)
    page.clock.fast_forward(SILENCE_MILLISECONDS)
    is_lost(page)
    page.context.close()


def test_add_can_be_pressed_again_after_the_connection_failed_under_it(
    visitor: Visitor, vendor: Vendor, device: OwnedDevice
) -> None:
    """R-09: it does not matter whether the first one arrived."""
    page, new = visitor.opens(device), vendor.issue()
    pressable(page, "Enter activation code").click()
    field(page).fill(new.text)
    expect(pressable(page, "Add")).to_be_enabled()
    page.route("**/licensing/code", lambda route: route.abort("connectionreset"), times=1)
    pressable(page, "Add").click()
    page.wait_for_url(BROWSERS_OWN_ERROR)
    page.goto(f"/devices/{device.device_id}/licensing/code")
    field(page).fill(new.text)
    pressable(page, "Add").click()
    expect(text_on(page, "Verified, in reserve")).to_be_visible()


def test_without_the_activation_service_the_code_is_being_verified_until_it_is_back(
    system: System, visitor: Visitor, vendor: Vendor, device: OwnedDevice
) -> None:
    """R-16, R-17: the page stays open, and the verdict appears on it."""
    page, new = visitor.opens(device), vendor.issue()
    with away(system, "activation"):
        enters(page, new.text)
        expect(text_on(page, "Being verified")).to_be_visible()
    expect(text_on(page, "Verified, in reserve")).to_be_visible()
    device.sees(reserve_is(new, "ready"))
