"""A trend as a small drawing with the same in words. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

WIDTH, HEIGHT = 180, 36
BASE = HEIGHT - 2
SECONDS_MIN = 1.0
"""A lag below a second is drawn small: it is the noise of the reading."""


@dataclass(frozen=True, slots=True)
class Chart:
    """The lag of the last minutes: `lines` are the points of unbroken lines, `words` says the same."""

    lines: Sequence[str]
    words: str


def chart_of(trend: Mapping[str, Any] | None) -> Chart | None:
    """Return the drawing of a trend as the operations' door tells it; None if nothing was read yet."""
    seconds = trend["seconds"] if trend else []
    read = [value for value in seconds if value is not None]
    if not trend or not read:
        return None
    minutes = len(seconds) * trend["step_seconds"] // 60
    most = max(read)
    words = f"Lag in the last {minutes} minutes: at most {told_seconds(most)}, now {told_seconds(read[-1])}"
    return Chart(tuple(_lines(seconds, max(most, SECONDS_MIN))), f"{words}, {trend['direction']}")


def told_seconds(seconds: float | None) -> str:
    """Return a duration as people read it."""
    if seconds is None:
        return "unknown"
    if seconds < 100:  # noqa: PLR2004 - beyond it nobody reads tenths
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes:02} min" if hours else f"{minutes} min {rest:02} s"


def _lines(seconds: Sequence[float | None], top: float) -> Sequence[str]:
    """Return the points of each stretch in which every step was read."""
    lines: list[list[str]] = [[]]
    for number, value in enumerate(seconds):
        if value is None:
            lines.append([])
            continue
        x = (number + 1) * WIDTH / len(seconds)
        lines[-1].append(f"{x:.0f},{BASE - value / top * (BASE - 2):.1f}")
    return [" ".join(line) for line in lines if len(line) > 1]
