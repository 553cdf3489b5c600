"""The support console in a real browser: an operator logs in and out, by keyboard, with scripts and without."""

import re
from collections.abc import Callable
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Browser, Page, expect

from services.cli.system import System
from tests.browser.accessibility import faults_of
from tests.browser.visitor import Keyboard, Visitor
from tests.journeys.people import OwnedDevice, Vendor

PAGES_MAX = 30
NAMES_A_THING = re.compile(r"(?<=/)[^/]*[0-9:][^/]*")


@pytest.fixture
def operator(browser: Browser, system: System) -> Visitor:
    """A visitor with the operator key."""
    return Visitor(browser, system, service="activation")


def logs_in(operator: Visitor, system: System, **options: bool) -> Page:
    """Log in without touching the mouse."""
    page = operator.starts(**options)
    page.goto("/console")
    page.get_by_label("Your name").fill("Grace")
    page.get_by_label("Operator key").fill(system.credentials.operator_key)
    Keyboard().presses(page, "Log in")
    expect(page.get_by_role("button", name="Log out")).to_be_visible()
    return page


@pytest.mark.parametrize("scripts", [True, False], ids=["with scripts", "without scripts"])
def test_an_operator_logs_in_and_out_by_keyboard(scripts: bool, operator: Visitor, system: System) -> None:
    page = logs_in(operator, system, java_script_enabled=scripts)
    Keyboard().presses(page, "Log out")
    expect(page.get_by_role("heading", name="Log in")).to_be_visible()
    operator.leaves()
    operator.has_leaked_nothing([])


def test_axe_finds_nothing_on_any_kind_of_page_reached_by_links(
    operator: Visitor, system: System, vendor: Vendor, new_device: Callable[[], OwnedDevice]
) -> None:
    """All pages reachable from a device and a code; also the login page and a missing page."""
    device, code, reserve = new_device(), vendor.issue(seats=2), vendor.issue()
    device.activates(code)
    device.keeps_in_reserve(reserve)
    vendor.block(reserve)
    nobody = operator.starts()
    nobody.goto("/console/login")
    faults = {"login": faults_of(nobody)}
    page = logs_in(operator, system)
    ahead = ["/console", f"/console/devices/{device.device_id}", f"/console/codes/{code.ref}", "/console/not-there"]
    while ahead and len(faults) < PAGES_MAX:
        page.goto(path := ahead.pop(0))
        faults[kind_of(path)] = faults_of(page)
        ahead += [each for each in links_of(page) if kind_of(each) not in {*faults, *map(kind_of, ahead)}]
    assert not any(faults.values()), {kind: found for kind, found in faults.items() if found}
    assert len(faults) > 10
    operator.leaves()
    operator.has_leaked_nothing([code.text, reserve.text])


def kind_of(path: str) -> str:
    """Return the path without the ids of devices, codes, events and records."""
    return NAMES_A_THING.sub("*", path)


def links_of(page: Page) -> list[str]:
    """Return the page's links to pages of the console, one of each kind; those with a query lead to parts of a page."""
    found = page.eval_on_selector_all("a[href^='/console']", "links => links.map(link => link.pathname + link.search)")
    pages = (path for path in found if not urlsplit(path).query and not path.startswith("/console/export/"))
    return list({kind_of(path): path for path in pages}.values())
