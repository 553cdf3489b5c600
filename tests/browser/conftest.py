"""One Chromium for all browser tests, and a visitor for each test, which checks afterwards what every page must keep.

Playwright keeps an event loop running in this thread, so no other loop can run in it: the system starts before it, and
Playwright ends with this folder's tests.
"""

import os
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser

from services.cli.system import System
from tests.browser import chromium
from tests.browser.browser_process import running_browser
from tests.browser.visitor import Visitor
from tests.journeys.everyday import new_device, system, time, vendor
from tests.journeys.people import Vendor

__all__ = ["browser", "new_device", "system", "time", "vendor", "visitor"]


@pytest.fixture(scope="package")
def browser(system: System) -> Iterator[Browser]:
    """The machine's Chromium, headless."""
    assert system.workers
    path = chromium.find()
    if path is None:
        missing = pytest.fail if os.environ.get("CI") == "true" else pytest.skip
        missing(chromium.MISSING)
    with running_browser(path) as browser:
        yield browser


@pytest.fixture
def visitor(browser: Browser, system: System, vendor: Vendor) -> Iterator[Visitor]:
    """A visitor. Afterwards no page may have contacted another host, broken its policy or leaked a code."""
    visitor = Visitor(browser, system)
    yield visitor
    visitor.leaves()
    visitor.has_leaked_nothing(code.text for code in vendor.issued)
