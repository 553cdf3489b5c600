"""What is said while a run goes on, on standard error: bars at a terminal, a line per step elsewhere."""

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
    """How many per second lately."""

    def render(self, task: Task) -> Text:
        """Return the rate, or nothing before there is one."""
        speed = task.finished_speed or task.speed
        return Text(f"{speed:,.0f}/s" if speed else "", style="cyan")


@contextmanager
def step(name: str, total: int) -> Iterator[Callable[[int], None]]:
    """Yield what takes the count that is done, of `total`."""
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), Rate())
    clocks = (TimeElapsedColumn(), TextColumn("left"), TimeRemainingColumn())
    if not console.is_terminal:
        console.print(f"{name}: {total:,}")
    with Progress(*columns, *clocks, console=console, disable=not console.is_terminal) as bars:
        bar = bars.add_task(f"{name:<34}", total=total)
        yield lambda done: bars.update(bar, completed=done)
        bars.update(bar, completed=total)


def say(text: str) -> None:
    """Say one line."""
    console.print(text)
