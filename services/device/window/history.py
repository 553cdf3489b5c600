"""The content of the history page: a time line of the device's licenses and codes, and the same as a table. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from services.device.explanation import Life, Mark, Period
from shared.pages import MaskedCode, Moment, Text
from shared.pages.pictures import Span, TimeLine, Tone, time_line
from shared.reasons import EXPLAINED_REASONS

PERIODS = {"license": "License", "reserve": "New code"}
MARKS = {"refusal": "Refused", "renewal": "Renewed", "refund": "Refunded", "block": "Blocked", "unblock": "Unblocked"}
TONES: dict[str, Tone] = {"refusal": "bad", "renewal": "calm", "refund": "warn", "block": "bad", "unblock": "calm"}


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the table: what it was, of which code, from when until when."""

    what: str
    about: Text
    since: Text
    until: Text


@dataclass(frozen=True, slots=True)
class History:
    """The content of the page. `line` is None if nothing has happened yet; `cut`: there was more before."""

    line: TimeLine | None
    rows: Sequence[Row]
    cut: bool


def history_of(life: Life, *, now: datetime) -> History:
    """Return the page of a device's life."""
    licenses = [period for period in life.periods if period.what == "license"]
    reserves = [period for period in life.periods if period.what == "reserve"]
    lanes = [
        ("License", f"Periods with a license: {len(licenses)}", [_span(period, now, "calm") for period in licenses]),
        ("New code", f"Codes that waited: {len(reserves)}", [_span(period, now, "soft") for period in reserves]),
        (
            "Renewals and refusals",
            f"Renewals, refusals and other changes: {len(life.marks)}",
            [Span(mark.at, mark.at, TONES[mark.what]) for mark in life.marks],
        ),
    ]
    timed = [(period.since, _row(period)) for period in life.periods] + [(mark.at, _mark(mark)) for mark in life.marks]
    rows = [row for _, row in sorted(timed, key=lambda entry: entry[0], reverse=True)]
    return History(time_line(lanes, now=now), rows, life.cut)


def _span(period: Period, now: datetime, tone: Tone) -> Span:
    return Span(period.since, max(period.since, period.until or now), tone)


def _row(period: Period) -> Row:
    until: Text = (Moment(period.until),) if period.until else ("still waiting",)
    return Row(PERIODS[period.what], (MaskedCode(period.last_group),), (Moment(period.since),), until)


def _mark(mark: Mark) -> Row:
    about: Text = (EXPLAINED_REASONS[mark.reason].meaning,) if mark.reason else ((mark.order_id or "–"),)
    return Row(MARKS[mark.what], about, (Moment(mark.at),), ("",))
