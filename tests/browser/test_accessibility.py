"""The window is accessible: axe-core checks every page, light and dark, wide and on a phone."""

import re
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.browser.accessibility import EVERYTHING, WIDE, faults_of, overflows, violations
from tests.browser.window_pages import Stage, every_page

PAGES = every_page()


@pytest.fixture(scope="module")
def stage(browser: Browser) -> Any:
    """One browser page for all pages of the window."""
    context = browser.new_context()
    page = context.new_page()
    yield Stage(page)
    context.close()


@pytest.mark.parametrize("name", PAGES)
def test_axe_finds_nothing_and_nothing_needs_to_be_scrolled_sideways(name: str, stage: Stage) -> None:
    """Names on controls and all other rules; light and dark, wide and on a phone; and at 200 % no page is too wide."""
    stage.shows(name)
    assert faults_of(stage.page) == []


def test_axe_finds_what_is_wrong(stage: Stage) -> None:
    """The test above can fail."""
    stage.shows("active")
    stage.page.evaluate("document.querySelector('h2').style.color = document.body.style.background = '#bbb'")
    stage.page.evaluate("document.getElementById('enter').textContent = ''")
    found = violations(stage.page, EVERYTHING)
    assert {"button-name", "color-contrast"} <= {each.partition(":")[0] for each in found}


def focused(page: Page) -> str:
    """Return the name of what has the focus."""
    name = page.evaluate("""() => {
        const focus = document.activeElement;
        return focus.getAttribute('aria-label') || (focus.labels?.[0] || focus).textContent.trim();
    }""")
    return str(name)


def order(page: Page, count: int) -> list[str]:
    """Return what the Tab key visits, in order."""
    names = []
    for _ in range(count):
        page.keyboard.press("Tab")
        names.append(focused(page))
    return names


def test_the_tab_key_follows_the_page(stage: Stage) -> None:
    """From the skip link down; disabled controls are skipped."""
    stage.shows("active, ready")
    down = order(stage.page, 4)
    assert down == ["Skip to content", "Remove this code", "Enter another code", "Check now"]
    stage.shows("expired, refused")
    assert order(stage.page, 3)[1:] == ["Activate now", "Remove this code"]


def test_typing_starts_in_the_code_and_cancel_comes_after_it(stage: Stage) -> None:
    """The first field has the focus; Add is skipped while it is disabled."""
    stage.shows("enter a code")
    assert focused(stage.page) == "Group 1 of 4"
    assert order(stage.page, 5) == [
        *(f"Group {number} of 4" for number in (2, 3, 4)),
        "This is a discounted renewal code",
        "Cancel",
    ]


def test_the_wrong_field_has_the_focus_and_is_described_by_the_message(stage: Stage) -> None:
    """R-06: without scripts too, because the service renders this page."""
    stage.shows("enter a code, wrong")
    wrong = stage.page.get_by_label("Group 2 of 4")
    expect(wrong).to_be_focused()
    expect(wrong).to_have_attribute("aria-invalid", "true")
    expect(wrong).to_have_accessible_description(re.compile("The 2nd group contains Cyrillic"))


def test_the_skip_link_leads_to_the_content(stage: Stage) -> None:
    stage.shows("active")
    stage.page.keyboard.press("Tab")
    expect(stage.page.get_by_text("Skip to content")).to_be_in_viewport()
    stage.page.keyboard.press("Enter")
    expect(stage.page.locator("main")).to_be_focused()


@pytest.mark.parametrize(("wish", "seconds"), [("reduce", "0s"), ("no-preference", "0.15s")])
def test_nothing_moves_for_people_who_prefer_reduced_motion(wish: Any, seconds: str, stage: Stage) -> None:
    stage.page.emulate_media(reduced_motion=wish)
    stage.shows("active")
    moving = stage.page.evaluate("""() => [...new Set([...document.querySelectorAll('*')].flatMap(
        element => [getComputedStyle(element).transitionDuration, getComputedStyle(element).animationDuration]))]""")
    assert set(moving) == {"0s", seconds}


def test_the_focus_is_visible(stage: Stage) -> None:
    """An outline of three pixels, in light and dark mode."""
    for scheme in ("light", "dark"):
        stage.page.emulate_media(color_scheme=scheme)
        stage.shows("active")
        order(stage.page, 2)
        outline = stage.page.evaluate("getComputedStyle(document.activeElement).outline")
        assert "3px" in outline
        assert "solid" in outline


def test_text_at_twice_the_size_still_fits(stage: Stage) -> None:
    """Text at 200 %, as set in the browser."""
    for name in ("active, ready", "expired, refused", "enter a code", "with notices"):
        stage.page.set_viewport_size(WIDE)
        stage.shows(name)
        stage.page.evaluate("document.documentElement.style.fontSize = '200%'")
        assert not overflows(stage.page, WIDE), name
