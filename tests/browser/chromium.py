"""Finds Chromium. `python -m tests.browser.chromium` installs it if it can, or says what is missing.

The headless shell is preferred: the same engine without the parts of a desktop browser, at a quarter of the CPU time.
"""

import os
import shutil
import subprocess
import sys
from collections.abc import Sequence

SETTING = "PERENNIAL_CHROMIUM"
NAMES = ("chromium-headless-shell", "chromium", "chromium-browser", "google-chrome")
FONTS = "fonts-noto-core"
PACKAGES = ("chromium-headless-shell", "chromium")
"""Either will do; not every release of Debian has the first."""
INSTALL_SECONDS_MAX = 300.0
MISSING = (
    f"the browser tests need Chromium: install {' or '.join(PACKAGES)} and {FONTS}, or name the program in {SETTING}; "
    "without it they are skipped"
)


def find() -> str | None:
    """Return the path of the browser, or None."""
    names = (named,) if (named := os.environ.get(SETTING)) else NAMES
    return next((path for name in names if (path := shutil.which(name))), None)


def install(packages: Sequence[str]) -> str | None:
    """Install Debian's packages when run as root; return what went wrong, or None."""
    if os.geteuid() != 0 or not shutil.which("apt-get"):
        return "no apt-get that this user may run"
    for words in (("update",), ("install", "--yes", "--no-install-recommends", *packages)):
        try:
            subprocess.run(
                ["apt-get", "-q", *words],
                env={**os.environ, "DEBIAN_FRONTEND": "noninteractive"},
                timeout=INSTALL_SECONDS_MAX,
                capture_output=True,
                check=True,
            )
        except (subprocess.CalledProcessError, subprocess.TimeoutExpired) as error:
            return f"apt-get {words[0]} failed: {_last_line(error.stderr)}"
    return None


def _last_line(output: bytes | None) -> str:
    return ((output or b"").decode(errors="replace").strip().splitlines() or ["it did not end in time"])[-1]


def main() -> None:
    """Make sure there is a browser, or say in one line why not. The tests decide what that means for them."""
    if find() is not None:
        return
    print("installing Chromium for the browser tests", file=sys.stderr)
    for package in PACKAGES:
        wrong = install((package, FONTS))
        if find() is not None:
            return
    print(f"{MISSING} ({wrong or 'the packages brought none'})", file=sys.stderr)


if __name__ == "__main__":
    main()
