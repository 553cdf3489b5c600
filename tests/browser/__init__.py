"""What a person sees and presses in a real browser: Chromium, driven by Playwright, on the system of the journeys."""
