"""How the browser is found or brought, by the program that `make test` runs first, where only a test's programs are."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

BROWSER = "#!/bin/sh\nexit 0\n"
as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root installs packages")


def run(folder: Path, **environment: str) -> str:
    """Run the module with only the programs in `folder` on the path, and return its output."""
    words = [sys.executable, "-m", "tests.browser.chromium"]
    known = {name: value for name, value in os.environ.items() if name != "PERENNIAL_CHROMIUM"}
    done = subprocess.run(
        words, env={**known, "PATH": str(folder), **environment}, capture_output=True, text=True, check=True
    )
    assert done.stdout == ""
    return done.stderr


def program(file: Path, text: str = BROWSER) -> Path:
    """Create a program."""
    file.write_text(text)
    file.chmod(0o755)
    return file


@pytest.mark.parametrize("name", ["chromium-headless-shell", "chromium", "chromium-browser", "google-chrome"])
def test_an_installed_browser_is_used_silently(name: str, tmp_path: Path) -> None:
    program(tmp_path / name)
    assert run(tmp_path) == ""


def test_a_configured_browser_is_used(tmp_path: Path) -> None:
    elsewhere = program(tmp_path / "my-browser")
    assert run(Path("/nonexistent"), PERENNIAL_CHROMIUM=str(elsewhere)) == ""


def test_what_is_missing_is_reported_in_one_line(tmp_path: Path) -> None:
    output = run(tmp_path).splitlines()[-1]
    assert "install chromium-headless-shell or chromium and fonts-noto-core" in output
    assert "PERENNIAL_CHROMIUM" in output


@as_root
@pytest.mark.parametrize("known", ["chromium-headless-shell", "chromium"])
def test_root_installs_what_the_release_has(known: str, tmp_path: Path) -> None:
    browser = tmp_path / known
    bring = f"echo > {browser}; /bin/chmod +x {browser}; exit 0"
    script = f'#!/bin/sh\n[ "$2" = update ] && exit 0\n[ "$5" = {known} ] && {{ {bring}; }}\nexit 100\n'
    program(tmp_path / "apt-get", script)
    assert run(tmp_path) == "installing Chromium for the browser tests\n"
    assert browser.exists()


@as_root
def test_a_failed_installation_is_reported_with_its_last_line(tmp_path: Path) -> None:
    program(tmp_path / "apt-get", "#!/bin/sh\necho 'E: no network' >&2\nexit 100\n")
    assert "apt-get update failed: E: no network" in run(tmp_path)
