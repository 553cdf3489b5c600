"""Shows progress during a run, on standard error: bars at a terminal, one line per step elsewhere."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    Task,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.text import Text

console = Console(stderr=True)


class Rate(ProgressColumn):
    """The current rate per second."""

    def render(self, task: Task) -> Text:
        """Return the rate, or an empty text before it is known."""
        speed = task.finished_speed or task.speed
        return Text(f"{speed:,.0f}/s" if speed else "", style="cyan")


@contextmanager
def step(name: str, total: int) -> Iterator[Callable[[int], None]]:
    """Yield a function that takes the number done so far, out of `total`."""
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), Rate())
    clocks = (TimeElapsedColumn(), TextColumn("left"), TimeRemainingColumn())
    if not console.is_terminal:
        console.print(f"{name}: {total:,}")
    with Progress(*columns, *clocks, console=console, disable=not console.is_terminal) as bars:
        bar = bars.add_task(f"{name:<34}", total=total)
        yield lambda done: bars.update(bar, completed=done)
        bars.update(bar, completed=total)


def say(text: str) -> None:
    """Print one line."""
    console.print(text)
