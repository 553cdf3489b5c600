"""How two builds take turns, each as processes of its own. What they measure is one line here."""

import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.benchmarks.turns import HOUSE, Build, NoSuchBuild, Turn, by_turns, checked_out
from tests.journeys.waiting import until

MEASURES = """
import json, pathlib, sys
log = pathlib.Path("../log.txt")
log.write_text((log.read_text() if log.exists() else "") + pathlib.Path.cwd().name)
pathlib.Path(sys.argv[-1]).write_text(json.dumps({"options": sys.argv[1:-2], "by": pathlib.Path.cwd().name}))
"""


def build(folder: Path, source: str) -> Build:
    """Return a build in `folder` that measures with the module `benchmark`."""
    folder.mkdir()
    (folder / "benchmark.py").write_text(source)
    return Build(folder.name, folder, Path(sys.executable))


def test_two_builds_take_turns_and_each_is_driven_by_its_own_benchmarks(tmp_path: Path) -> None:
    first = Turn(build(tmp_path / "a", MEASURES), "benchmark", ["--quick"])
    second = Turn(build(tmp_path / "b", MEASURES), "benchmark", ["--quick", "--no-pair"])
    ours, theirs = by_turns(first, second, turns=2)
    assert (tmp_path / "log.txt").read_text() == "abab"
    assert ours == 2 * [{"options": ["--quick"], "by": "a"}]
    assert theirs == 2 * [{"options": ["--quick", "--no-pair"], "by": "b"}]


def test_a_turn_that_fails_ends_the_comparison_and_says_whose_it_was(tmp_path: Path) -> None:
    failing = Turn(build(tmp_path / "a", "raise SystemExit(3)"), "benchmark", [])
    with pytest.raises(NoSuchBuild, match="benchmark of a ended with status 3"):
        failing.take()


def test_a_turn_starts_without_the_environment_of_this_build(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPATH", "/of/this/build")
    source = "import json, os, sys\nopen(sys.argv[-1], 'w').write(json.dumps(os.environ.get('PYTHONPATH')))"
    assert build(tmp_path / "a", source).measured("benchmark") is None


def test_a_commit_that_does_not_exist_is_named() -> None:
    with pytest.raises(NoSuchBuild, match="no-such-commit"), checked_out("no-such-commit"):
        pass


def test_a_build_is_asked_whether_it_knows_an_option_that_came_later(tmp_path: Path) -> None:
    earlier = build(tmp_path / "a", 'parser.add_argument("--data")')
    assert earlier.knows("benchmark", "--data")
    assert not earlier.knows("benchmark", "--times")
    assert not earlier.knows("seed", "--data")


WAITS = """
import pathlib, signal, sys
signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
try:
    pathlib.Path("started").touch()
    signal.pause()
finally:
    pathlib.Path("cleaned up").touch()
"""
DRIVES = """
import pathlib, sys
from tests.benchmarks import endings
from tests.benchmarks.turns import Build
endings.run(lambda: Build("a", pathlib.Path(sys.argv[1]), pathlib.Path(sys.executable)).run("benchmark"))
"""


def test_a_comparison_that_is_ended_lets_the_build_of_this_turn_clean_up(tmp_path: Path) -> None:
    waiting = build(tmp_path / "a", WAITS)
    with subprocess.Popen([sys.executable, "-c", DRIVES, str(waiting.folder)], cwd=HOUSE) as driver:
        until((waiting.folder / "started").exists, bool)
        driver.terminate()
    assert driver.returncode == 128 + signal.SIGTERM
    assert (waiting.folder / "cleaned up").exists()


def test_what_cannot_be_run_as_asked_ends_with_one_line() -> None:
    program = (
        "from tests.benchmarks import endings\ndef no(): raise endings.CannotRun('build it first')\nendings.run(no)"
    )
    outcome = subprocess.run([sys.executable, "-c", program], cwd=HOUSE, capture_output=True, text=True, check=False)
    assert (outcome.returncode, outcome.stderr) == (1, "build it first\n")
