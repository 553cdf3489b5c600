"""The browser at work: one process, without a window, driven by Playwright."""

import os
from collections.abc import Iterator
from contextlib import contextmanager

from playwright.sync_api import Browser, sync_playwright


@contextmanager
def driven(path: str) -> Iterator[Browser]:
    """Yield the browser at this path, running."""
    # root may not start Chromium's sandbox; the pages are our own
    arguments = ["--no-sandbox"] if os.geteuid() == 0 else []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=arguments)
        try:
            yield browser
        finally:
            browser.close()
