"""One Chromium for all browser tests, and a visitor for each: what every page must keep is looked at after every test.

Playwright keeps an event loop running in this thread, in which nobody else can run one: the system starts before it,
and it ends with this folder's tests.
"""

import os
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser

from services.cli.system import System
from tests.browser import chromium
from tests.browser.driving import driven
from tests.browser.visiting import Visitor
from tests.journeys.people import Vendor


@pytest.fixture(scope="package")
def browser(system: System) -> Iterator[Browser]:
    """The machine's Chromium, without a window."""
    assert system.workers
    path = chromium.find()
    if path is None:
        missing = pytest.fail if os.environ.get("CI") == "true" else pytest.skip
        missing(chromium.MISSING)
    with driven(path) as browser:
        yield browser


@pytest.fixture
def visitor(browser: Browser, system: System, vendor: Vendor) -> Iterator[Visitor]:
    """Who opens windows. Afterwards no page has asked another host, broken its policy or told a code."""
    visitor = Visitor(browser, system)
    yield visitor
    visitor.leaves()
    visitor.has_told_nothing(code.text for code in vendor.issued)
