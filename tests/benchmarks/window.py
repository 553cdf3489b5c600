"""Measures the response time and size of the Licensing window's first view: `python -m tests.benchmarks.window`.

The load is light: a few people open their windows, ten times per second in total. The time is that of one response over
loopback, measured by the client; the size is everything that a browser with an empty cache downloads.
"""

import re
import tempfile
import time
from pathlib import Path
from statistics import quantiles

from rich.progress import track

from services.cli.system import System
from tests.journeys.browsing import Browser
from tests.journeys.people import OwnedDevice, Vendor
from tests.journeys.running import running_system

DEVICES = 8
VIEWS = 600
WARM_UP = 50
PER_SECOND = 10.0


def main() -> None:
    """Run the measurements and print one line per figure."""
    with tempfile.TemporaryDirectory() as folder, running_system(Path(folder)) as system:
        browsers = _open_windows(system)
        milliseconds = _measured(browsers)
        weight = _weight(browsers[0])
    cuts = quantiles(milliseconds, n=100)
    print(f"first view, {VIEWS} requests at {PER_SECOND:.0f}/s: ", end="")
    print(", ".join(f"p{part} {cuts[part - 1]:.1f} ms" for part in (50, 95, 99)))
    print(f"size with an empty cache: {weight:,} bytes")


def _open_windows(system: System) -> list[Browser]:
    vendor, browsers = Vendor(system), []
    for _ in range(DEVICES):
        device = OwnedDevice.enrolled(system)
        device.activates(vendor.issue())
        device.keeps_in_reserve(vendor.issue())
        browsers.append(Browser.at_the_window(system, device))
    return browsers


def _measured(browsers: list[Browser]) -> list[float]:
    """Return the time of each view, in milliseconds."""
    times = []
    for number in track(range(WARM_UP + VIEWS), description="opening windows"):
        browser = browsers[number % len(browsers)]
        began = time.perf_counter()
        browser.http.get(browser.addresses[-1]).raise_for_status()
        took = time.perf_counter() - began
        times.append(took * 1_000)
        time.sleep(max(0.0, 1 / PER_SECOND - took))
    return times[WARM_UP:]


def _weight(browser: Browser) -> int:
    """Return the size in bytes of the page and the files it links to."""
    page = browser.http.get(browser.addresses[-1])
    files = re.findall(r'(?:href|src)="(/[\w-]*assets/[^"]+)"', page.text)
    return sum(len(answer.content) for answer in (page, *map(browser.http.get, files)))


if __name__ == "__main__":
    main()
