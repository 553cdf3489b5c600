"""Many Licensing windows of one browser, which opens six connections to a service for all of them together."""

from collections.abc import Callable

import pytest
from playwright.sync_api import BrowserContext, Page, Request, expect

from tests.browser.visitor import Visitor, pressable, text_on
from tests.journeys.browsing import link_to
from tests.journeys.people import OwnedDevice, Vendor

type NewDevice = Callable[[], OwnedDevice]

WINDOWS = 8
STREAMS_MAX = 3
HIDE = """hidden => {
    Object.defineProperty(document, 'visibilityState', {value: hidden ? 'hidden' : 'visible', configurable: true});
    document.dispatchEvent(new Event('visibilitychange'));
}"""
"""Does what a browser does with a tab that the user leaves. A headless one shows all its tabs."""


class OpenStreams:
    """The event streams of a browser that are open."""

    def __init__(self, context: BrowserContext) -> None:
        self.open = set[Request]()
        self.most = 0
        context.on("request", self._starts)
        context.on("requestfailed", self._ends)
        context.on("requestfinished", self._ends)

    def _starts(self, request: Request) -> None:
        if request.url.endswith("/stream"):
            self.open.add(request)
            self.most = max(self.most, len(self.open))

    def _ends(self, request: Request) -> None:
        self.open.discard(request)


@pytest.fixture
def device(new_device: NewDevice, vendor: Vendor) -> OwnedDevice:
    """A device with a license."""
    device = new_device()
    device.activates(vendor.issue())
    return device


def opens(window: Page, address: str) -> Page:
    """Open a Licensing window in an empty tab."""
    window.goto(address)
    expect(window.get_by_role("heading", name="days remaining")).to_be_visible()
    return window


def test_eight_windows_of_a_device_load_follow_and_have_buttons_that_work(
    visitor: Visitor, vendor: Vendor, device: OwnedDevice
) -> None:
    """R-12: the seventh never loaded, and then no button worked."""
    first = visitor.starts()
    streams = OpenStreams(first.context)
    opens(first, link_to(device))
    windows = [first, *(opens(first.context.new_page(), first.url) for _ in range(WINDOWS - 1))]
    device.keeps_in_reserve(vendor.issue())
    for window in windows:
        expect(text_on(window, "Verified, in reserve")).to_be_visible()
    assert 0 < streams.most <= STREAMS_MAX
    pressable(first, "Check now").click()
    expect(text_on(first, "Verified, in reserve")).to_be_visible()
    pressable(windows[-1], "Remove this code").click()
    for window in windows:
        expect(text_on(window, "Verified, in reserve")).to_have_count(0)


def test_windows_of_many_devices_all_follow(visitor: Visitor, vendor: Vendor, new_device: NewDevice) -> None:
    """Those that have no stream look again and again."""
    devices = [new_device() for _ in range(WINDOWS)]
    for device in devices:
        device.activates(vendor.issue())
    first = visitor.opens(devices[0])
    windows = [first, *(opens(first.context.new_page(), link_to(device)) for device in devices[1:])]
    for device in devices:
        device.keeps_in_reserve(vendor.issue())
    for window in windows:
        expect(text_on(window, "Verified, in reserve")).to_be_visible()


def test_a_window_that_is_closed_leaves_its_stream_to_another(
    visitor: Visitor, vendor: Vendor, new_device: NewDevice
) -> None:
    devices = [new_device() for _ in range(STREAMS_MAX + 1)]
    for device in devices:
        device.activates(vendor.issue())
    first = visitor.opens(devices[0])
    *_, last = [opens(first.context.new_page(), link_to(device)) for device in devices[1:]]
    with last.expect_request("**/stream"):
        first.close()


def test_a_hidden_window_follows_nothing_and_catches_up_when_it_is_shown(
    visitor: Visitor, vendor: Vendor, device: OwnedDevice
) -> None:
    page = visitor.starts()
    streams = OpenStreams(page.context)
    opens(page, link_to(device))
    page.wait_for_function("navigator.locks.query().then(locks => locks.held.length === 1)")
    page.evaluate(HIDE, True)
    page.wait_for_function("navigator.locks.query().then(locks => locks.held.length === 0)")
    assert not streams.open
    device.keeps_in_reserve(vendor.issue())
    expect(text_on(page, "Verified, in reserve")).to_have_count(0)
    with page.expect_request("**/stream"):
        page.evaluate(HIDE, False)
    expect(text_on(page, "Verified, in reserve")).to_be_visible()
