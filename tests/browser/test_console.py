"""The support console in a real browser: an operator logs in and out, by keyboard, with scripts and without."""

import pytest
from playwright.sync_api import Browser, Page, expect

from services.cli.system import System
from tests.browser.visiting import Keyboard, Visitor


@pytest.fixture
def operator(browser: Browser, system: System) -> Visitor:
    """Somebody with the operator key."""
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
    operator.has_told_nothing([])
