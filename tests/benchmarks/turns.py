"""Runs another build of ours by turns with this one: a checkout of its own, its own packages, its own benchmarks.

A machine is now fast, now slow. Two builds can be compared only when they take turns in one run, and each is driven by
its own copy of the benchmarks, which knows its interfaces.
"""

import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.benchmarks.endings import CannotRun
from tests.benchmarks.figures import Document
from tests.benchmarks.talk import say

HOUSE = Path(__file__).parents[2]
STOP_SECONDS = 60.0
# what belongs to the environment of this build, or would make each process compile all its modules
FOREIGN = ("PYTHONPATH", "VIRTUAL_ENV", "PYTHONDONTWRITEBYTECODE")


class NoSuchBuild(CannotRun):
    """The other build cannot be checked out or built, or cannot be measured. The message says why."""


@dataclass(frozen=True, slots=True)
class Build:
    """A build of ours: its name in reports, its folder, and the Python with its packages."""

    name: str
    folder: Path
    python: Path

    def has(self, path: str) -> bool:
        """Tell whether the checkout has this file or folder."""
        return (self.folder / path).exists()

    def knows(self, module: str, option: str) -> bool:
        """Tell whether one of its programs has this option."""
        source = self.folder / f"{module.replace('.', '/')}.py"
        return source.exists() and f'"{option}"' in source.read_text()

    def run(self, module: str, *options: str) -> None:
        """Run one of its modules to the end, and stop it cleanly if this process is stopped. Raises `NoSuchBuild`."""
        environment = {name: value for name, value in os.environ.items() if name not in FOREIGN}
        words = [str(self.python), "-m", module, *options]
        # a session of its own: Ctrl-C reaches it once, from here
        with subprocess.Popen(
            words, cwd=self.folder, env=environment, stdout=subprocess.DEVNULL, start_new_session=True
        ) as child:
            try:
                status = child.wait()
            finally:
                if child.poll() is None:  # this process is being stopped itself
                    child.terminate()
                    child.wait(STOP_SECONDS)
        if status != 0:
            raise NoSuchBuild(f"{module} of {self.name} ended with status {status}")

    def measured(self, module: str, *options: str) -> Document:
        """Run one of its benchmarks and return the results that it wrote to JSON. Raises `NoSuchBuild`."""
        with tempfile.TemporaryDirectory(prefix="perennial-turn-") as folder:
            file = Path(folder) / "results.json"
            self.run(module, *options, "--json", str(file))
            results: Document = json.loads(file.read_text())
        return results


THIS = Build("this build", HOUSE, Path(sys.executable))


@contextmanager
def checked_out(ref: str) -> Iterator[Build]:
    """Yield the build of a commit, in a git worktree that is removed at the end. Raises `NoSuchBuild`."""
    parent = Path(tempfile.mkdtemp(prefix="perennial-build-"))
    # PostgreSQL runs as another user, who has to reach it
    parent.chmod(0o755)
    folder = parent / "build"
    try:
        say(f"checking out and building {ref}")
        _do("git", "worktree", "add", "--detach", "--quiet", str(folder), ref)
        _do("make", "--silent", "-C", str(folder), ".venv/.ready")
        yield Build(ref, folder, folder / ".venv/bin/python")
    finally:
        subprocess.run(
            ["git", "worktree", "remove", "--force", str(folder)], cwd=HOUSE, capture_output=True, check=False
        )
        shutil.rmtree(parent, ignore_errors=True)


def _do(*words: str) -> None:
    environment = {name: value for name, value in os.environ.items() if name not in FOREIGN}
    outcome = subprocess.run(words, cwd=HOUSE, env=environment, capture_output=True, text=True, check=False)
    if outcome.returncode != 0:
        raise NoSuchBuild(f"{' '.join(words)}: {outcome.stderr.strip() or outcome.stdout.strip()}")


@dataclass(frozen=True, slots=True)
class Turn:
    """What one build runs when it is its turn."""

    build: Build
    module: str
    options: Sequence[str]

    def take(self) -> Document:
        """Return the results of one turn."""
        return self.build.measured(self.module, *self.options)


def by_turns(first: Turn, second: Turn, *, turns: int) -> tuple[list[Document], list[Document]]:
    """Run A B A B ..., and return the results of each, in order."""
    found: tuple[list[Document], list[Document]] = ([], [])
    for number in range(turns):
        for turn, results in zip((first, second), found, strict=True):
            say(f"turn {number + 1} of {turns}: {turn.build.name}")
            results.append(turn.take())
    return found
