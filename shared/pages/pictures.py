"""Pictures as numbers for the templates, which draw them as SVG: lanes of time, and columns of counts. Pure.

A picture has no words inside: it stretches with the page, and the words stand beside it, at the reader's own size. Each
comes with a table of the same facts, so nothing is told by shape or color alone.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

WIDTH = 1_000
"""In units of the picture; a page shows it as wide as there is room."""
BAR_UNITS_MIN = 4.0
"""What lasts no time is drawn as wide as this, to be seen."""
COLUMN_SHARE = 0.7
"""How much of its place a column fills; the rest is the gap to the next."""
COLUMN_UNITS_MIN = 2.0
"""A count above zero is at least as high as this, to be seen."""
HEIGHT = 100

type Tone = Literal["calm", "soft", "warn", "bad"]


@dataclass(frozen=True, slots=True)
class Span:
    """A stretch of time on a lane; a moment begins and ends at the same time."""

    since: datetime
    until: datetime
    tone: Tone = "calm"


@dataclass(frozen=True, slots=True)
class Bar:
    """A rectangle, in units of the picture."""

    x: float
    width: float
    y: float
    height: float
    tone: Tone


@dataclass(frozen=True, slots=True)
class Lane:
    """One row of a time line: its name, its bars, and what a screen reader says of it."""

    name: str
    bars: Sequence[Bar]
    words: str


@dataclass(frozen=True, slots=True)
class TimeLine:
    """Lanes from `since` to `until`; `now_x` is where now is, if that is between them."""

    lanes: Sequence[Lane]
    since: datetime
    until: datetime
    now_x: float | None


def time_line(lanes: Sequence[tuple[str, str, Sequence[Span]]], *, now: datetime) -> TimeLine | None:
    """Return the time line of lanes, each a name, its words and its spans; None if nothing ever happened."""
    spans = [span for _, _, lane in lanes for span in lane]
    if not spans:
        return None
    since, until = min(now, *(span.since for span in spans)), max(now, *(span.until for span in spans))
    drawn = [Lane(name, [_bar(span, since, until) for span in lane], words) for name, words, lane in lanes if lane]
    return TimeLine(drawn, since, until, round(_x(now, since, until), 1))


def _bar(span: Span, since: datetime, until: datetime) -> Bar:
    x, end = _x(span.since, since, until), _x(span.until, since, until)
    width = max(end - x, BAR_UNITS_MIN)
    return Bar(round(min(x, WIDTH - width), 1), round(width, 1), 0, HEIGHT, span.tone)


def _x(at: datetime, since: datetime, until: datetime) -> float:
    whole = (until - since).total_seconds()
    return (at - since).total_seconds() / whole * WIDTH if whole else 0.0


def columns(counts: Sequence[Sequence[tuple[int, Tone]]]) -> Sequence[Bar]:
    """Return stacked columns, one for each place; each is the parts of a count from the bottom up."""
    most = max((sum(count for count, _ in parts) for parts in counts), default=0)
    place = WIDTH / max(len(counts), 1)
    bars: list[Bar] = []
    for number, parts in enumerate(counts):
        top = float(HEIGHT)
        for count, tone in parts:
            if count:
                height = max(count / most * HEIGHT, COLUMN_UNITS_MIN)
                top = max(top - height, 0.0)
                x = number * place + place * (1 - COLUMN_SHARE) / 2
                bars.append(Bar(round(x, 1), round(place * COLUMN_SHARE, 1), round(top, 1), round(height, 1), tone))
    return bars
