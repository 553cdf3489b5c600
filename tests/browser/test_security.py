"""What a browser lets nobody do with the window, and what it tells nobody. All tests of this folder look for leaks."""

from collections.abc import Callable

import pytest
from playwright.sync_api import expect

from services.device.window.opening import COOKIE
from tests.browser.visiting import Visitor
from tests.journeys.browsing import link_to
from tests.journeys.people import OwnedDevice, Vendor

type NewDevice = Callable[[], OwnedDevice]


@pytest.fixture
def device(new_device: NewDevice, vendor: Vendor) -> OwnedDevice:
    """A device with a license."""
    device = new_device()
    device.activates(vendor.issue())
    return device


def window_of(device: OwnedDevice) -> str:
    return f"/devices/{device.device_id}/licensing"


# --- links and cookies --------------------------------------------------------------------------------------


def test_the_link_is_left_behind(visitor: Visitor, device: OwnedDevice) -> None:
    """It is in no address, in no history, and in no referrer."""
    page = visitor.starts()
    page.goto(link_to(device))
    page.reload()
    assert "link=" not in page.url
    assert page.evaluate("document.referrer") == ""
    assert page.evaluate("history.length") <= 2
    page.go_back()
    assert page.url == "about:blank"


def test_no_script_reads_the_cookie_and_no_other_window_gets_it(
    visitor: Visitor, device: OwnedDevice, new_device: NewDevice
) -> None:
    page, other = visitor.opens(device), new_device()
    (cookie,) = page.context.cookies()
    assert (cookie["name"], cookie["httpOnly"], cookie["sameSite"]) == (COOKIE, True, "Strict")
    assert cookie["path"] == window_of(device)
    assert page.evaluate("document.cookie") == ""
    page.goto(window_of(other))
    expect(page.get_by_role("heading", name="This window is closed")).to_be_visible()
