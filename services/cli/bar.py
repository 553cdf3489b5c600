"""The progress of a long command: a bar on a terminal, a line every few seconds elsewhere, always on stderr."""

import sys
from time import monotonic
from types import TracebackType
from typing import Self

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

from services.cli.output import say

LINE_SECONDS = 2.0
"""How often a line is printed where no bar can be drawn."""


class Bar:
    """Shows how many of `what` (a plural noun) are done, with rate and ETA."""

    def __init__(self, what: str, *, terminal: bool | None = None) -> None:
        self._what = what
        self._since = self._told_at = monotonic()
        self._done = self._total = 0
        self._progress: Progress | None = None
        if sys.stderr.isatty() if terminal is None else terminal:
            self._progress = Progress(
                TextColumn("{task.description}"),
                BarColumn(),
                TaskProgressColumn(),
                MofNCompleteColumn(),
                TextColumn("{task.fields[rate]}"),
                TimeRemainingColumn(),
                console=Console(stderr=True, force_terminal=True),
                transient=True,
            )
            self._task = self._progress.add_task(what, total=None, rate="")

    def __enter__(self) -> Self:
        if self._progress:
            self._progress.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        if self._progress:
            self._progress.stop()

    def update(self, done: int, total: int) -> None:
        """Show that `done` of `total` are done."""
        self._done, self._total = done, total
        if self._progress:
            self._progress.update(self._task, completed=done, total=total, rate=f"{self.per_second():,.0f}/s")
        elif monotonic() - self._told_at > LINE_SECONDS:
            self._told_at = monotonic()
            say(self._line())

    @property
    def seconds(self) -> float:
        """The seconds since the start."""
        return monotonic() - self._since

    def per_second(self) -> float:
        """Return the average rate since the start."""
        return self._done / max(self.seconds, 0.001)

    def _line(self) -> str:
        share = self._done / self._total if self._total else 1.0
        left = (self._total - self._done) / self.per_second() if self._done else 0.0
        so_far = f"{self._done:,} of {self._total:,} {self._what} ({share:.0%}), {self.per_second():,.0f}/s"
        return f"{so_far}, {left:,.0f} s left" if self._done else so_far
