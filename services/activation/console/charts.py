"""A trend as a small chart, with a text alternative. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

WIDTH, HEIGHT = 180, 36
BASE = HEIGHT - 2
SECONDS_MIN = 1.0
"""A lag below a second is measurement noise, so the chart draws it small."""


@dataclass(frozen=True, slots=True)
class Chart:
    """The lag of the last minutes: `lines` are the points of unbroken lines, `words` is the text alternative."""

    lines: Sequence[str]
    words: str


def chart_of(trend: Mapping[str, Any] | None) -> Chart | None:
    """Return the chart of a trend from the operations API; None if there are no readings yet."""
    seconds = trend["seconds"] if trend else []
    read = [value for value in seconds if value is not None]
    if not trend or not read:
        return None
    minutes = len(seconds) * trend["step_seconds"] // 60
    most = max(read)
    words = f"Lag in the last {minutes} minutes: at most {duration(most)}, now {duration(read[-1])}"
    return Chart(tuple(_lines(seconds, max(most, SECONDS_MIN))), f"{words}, {trend['direction']}")


def duration(seconds: float | None) -> str:
    """Return a duration in words."""
    if seconds is None:
        return "unknown"
    if seconds < 100:  # noqa: PLR2004 - above that, tenths do not matter
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes:02} min" if hours else f"{minutes} min {rest:02} s"


def _lines(seconds: Sequence[float | None], top: float) -> Sequence[str]:
    """Return the points of each stretch without a missing reading."""
    lines: list[list[str]] = [[]]
    for number, value in enumerate(seconds):
        if value is None:
            lines.append([])
            continue
        x = (number + 1) * WIDTH / len(seconds)
        lines[-1].append(f"{x:.0f},{BASE - value / top * (BASE - 2):.1f}")
    return [" ".join(line) for line in lines if len(line) > 1]
