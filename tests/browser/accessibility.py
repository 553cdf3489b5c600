"""Checks a page with axe-core: light and dark, wide and on a phone, and enlarged to twice its size."""

from pathlib import Path
from typing import Any, Literal

from playwright.sync_api import Page, ViewportSize

AXE = Path(__file__).with_name("axe") / "axe.min.js"
WIDE, PHONE = ViewportSize(width=1280, height=900), ViewportSize(width=390, height=844)
ENLARGED = ViewportSize(width=640, height=450)
"""What is left of a wide screen at 200 %."""
NARROW = ViewportSize(width=320, height=640)
EVERYTHING = {"resultTypes": ["violations"], "rules": {"target-size": {"enabled": True}}}
CONTRAST = {**EVERYTHING, "runOnly": {"type": "rule", "values": ["color-contrast"]}}
LIGHTS: tuple[tuple[Literal["light", "dark"], dict[str, Any]], ...] = (("light", EVERYTHING), ("dark", CONTRAST))


def faults_of(page: Page) -> list[str]:
    """Return what is wrong with the page: all rules in light mode, the colors also in dark mode, and any overflow."""
    found = []
    for scheme, rules in LIGHTS:
        page.emulate_media(color_scheme=scheme)
        for size in (WIDE, PHONE):
            page.set_viewport_size(size)
            found += [f"{scheme}, {size['width']}: {each}" for each in violations(page, rules)]
    return found + [f"too wide for {size['width']}" for size in (ENLARGED, PHONE, NARROW) if overflows(page, size)]


def violations(page: Page, rules: dict[str, Any]) -> list[str]:
    """Return what axe-core finds on the current page."""
    if not page.evaluate("'axe' in window"):
        page.evaluate(AXE.read_text())
    found = page.evaluate("rules => axe.run(document, rules)", rules)
    return [f"{each['id']}: {node['html']}" for each in found["violations"] for node in each["nodes"]]


def overflows(page: Page, size: ViewportSize) -> bool:
    """Tell whether the page must be scrolled sideways in a viewport of this size."""
    page.set_viewport_size(size)
    return bool(page.evaluate("document.documentElement.scrollWidth > document.documentElement.clientWidth"))
