"""A person with a real browser: opens windows, uses mouse or keyboard, and records every request."""

from collections.abc import Iterable
from typing import Any, Protocol
from urllib.parse import urlsplit

from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Page, Request, WebError, expect

from services.cli.names import ServiceName
from services.cli.system import System
from tests.journeys.browsing import link_to
from tests.journeys.people import OwnedDevice

PATIENCE_MILLISECONDS = 15_000
ENTRIES = ("Enter activation code", "Enter another code")
expect.set_options(timeout=PATIENCE_MILLISECONDS)


class Visitor:
    """The person in a test; every window has its own cookies."""

    def __init__(self, browser: Browser, system: System, *, service: ServiceName = "device") -> None:
        self._browser = browser
        self.home = system.worker(service).url
        self.requests: list[Request] = []
        self.complaints: list[str] = []
        self._contexts: list[BrowserContext] = []
        self._attacks = False

    def opens(self, device: OwnedDevice, **options: Any) -> Page:
        """Return the device's window in a browser with `options`, as Playwright takes them for a context."""
        page = self.starts(**options)
        page.goto(link_to(device))
        expect(page.get_by_role("heading", name="Licensing")).to_be_visible()
        return page

    def starts(self, **options: Any) -> Page:
        """Return an empty page of a new browser."""
        context = self._browser.new_context(base_url=self.home, **options)
        context.set_default_timeout(PATIENCE_MILLISECONDS)
        context.on("request", self._sees)
        context.on("console", self._hears)
        context.on("weberror", self._fails)
        self._contexts.append(context)
        return context.new_page()

    def _sees(self, request: Request) -> None:
        self.requests.append(request)

    def _hears(self, message: ConsoleMessage) -> None:
        if "Content Security Policy" in message.text:
            self.complaints.append(message.text)

    def _fails(self, error: WebError) -> None:
        self.complaints.append(str(error.error))

    def leaves(self) -> None:
        """Close every window."""
        for context in self._contexts:
            context.close()

    def plays_an_attacker(self) -> None:
        """From now on violations do not count: the test itself attacks the page."""
        self._attacks = True

    def has_leaked_nothing(self, codes: Iterable[str]) -> None:
        """No page contacted another host, broke its policy, sent a referrer, or put a code in a URL (R-112)."""
        if self._attacks:
            return
        assert self.complaints == []
        addresses = [request.url for request in self.requests]
        assert {urlsplit(address).netloc for address in addresses} <= {urlsplit(self.home).netloc}
        referrers = {request.headers.get("referer", "") for request in self.requests}
        assert referrers <= {""}
        everything = " ".join(addresses).upper().replace("-", "")
        assert not [code for code in codes if code.replace("-", "") in everything]


class Hand(Protocol):
    """How a person presses what they see."""

    def presses(self, page: Page, name: str) -> None:
        """Press the button or the link of this name."""


class Mouse:
    """Points and clicks."""

    def presses(self, page: Page, name: str) -> None:
        """Click it."""
        pressable(page, name).click()


class Keyboard:
    """Never touches the mouse."""

    TABS_MAX = 30

    def presses(self, page: Page, name: str) -> None:
        """Go there with the Tab key and press Enter."""
        self.goes_to(page, name)
        page.keyboard.press("Enter")

    def goes_to(self, page: Page, name: str) -> None:
        """Go there with the Tab key."""
        wanted = pressable(page, name)
        expect(wanted).to_be_enabled()
        for _ in range(self.TABS_MAX):
            page.keyboard.press("Tab")
            if wanted.evaluate("element => element === document.activeElement"):
                return
        raise AssertionError(f"the Tab key does not lead to {name}")


def pressable(page: Page, name: str) -> Any:
    """Return the button or the link of this name."""
    return page.get_by_role("button", name=name, exact=True).or_(page.get_by_role("link", name=name, exact=True))


def text_on(page: Page, words: str) -> Any:
    """Return the visible text with these words; announcements for screen readers are elsewhere."""
    return page.get_by_role("main").get_by_text(words)


def field(page: Page, number: int = 1) -> Any:
    """Return one of the four fields of a code."""
    return page.get_by_label(f"Group {number} of 4")


def enters(page: Page, code: str) -> None:
    """Follow the article up to Add, with the whole code in the first field."""
    pressable(page, ENTRIES[0]).or_(pressable(page, ENTRIES[1])).click()
    field(page).fill(code)
    pressable(page, "Add").click()
