"""Draws every page of the window as PNG: `python -m tests.browser.screenshots FOLDER`, as `make screenshots` does.

Each is drawn as on a wide screen, on a phone, at 200 % and in the dark.
"""

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from playwright.sync_api import Browser
from rich.progress import track

from tests.browser import chromium
from tests.browser.browser_process import running_browser
from tests.browser.window_pages import Stage, every_page, slug

FOLDER = Path(".data/screenshots")
LOOKS: Mapping[str, Mapping[str, Any]] = {
    "wide": {"viewport": {"width": 1280, "height": 900}},
    "phone": {"viewport": {"width": 390, "height": 844}, "device_scale_factor": 2},
    "enlarged": {"viewport": {"width": 640, "height": 450}, "device_scale_factor": 2},
    "dark": {"viewport": {"width": 1280, "height": 900}, "color_scheme": "dark"},
}


def draw(browser: Browser, folder: Path) -> None:
    """Draw every page in every look."""
    folder.mkdir(parents=True, exist_ok=True)
    stages = {look: Stage(browser.new_page(**options)) for look, options in LOOKS.items()}
    for name in track(every_page(), description="drawing the window"):
        for look, stage in stages.items():
            stage.shows(name)
            stage.page.screenshot(path=folder / f"{slug(name)}.{look}.png", full_page=True)


def main() -> None:
    """Draw into the folder that is named, or into the usual one."""
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else FOLDER
    if (path := chromium.find()) is None:
        sys.exit(chromium.MISSING)
    with running_browser(path) as browser:
        draw(browser, folder)
    print(f"screenshots are in {folder}")


if __name__ == "__main__":
    main()
