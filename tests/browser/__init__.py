"""The pages in a real browser: Chromium, driven by Playwright, on the system of the journeys."""
