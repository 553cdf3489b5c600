"""When a license term ends: calendar arithmetic in UTC, so that daylight saving time never moves an end (R-75)."""

import re
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from typing import Self

from dateutil.relativedelta import relativedelta

from shared.messages import Term

CALENDAR_END = datetime(9999, 12, 31, tzinfo=UTC)
CALENDAR_START = datetime(1, 1, 1, tzinfo=UTC)
_TERM = re.compile(r"P(?:(?P<years>\d+)Y)?(?:(?P<months>\d+)M)?(?:(?P<days>\d+)D)?")


@dataclass(frozen=True, slots=True)
class Length:
    """How much calendar time was paid for. Months and days are summed apart: no sum has a clamped date in it (R-129).

    What was refunded is subtracted alike, so `days` may be negative.
    """

    months: int = 0
    days: int = 0

    def __add__(self, other: Self) -> "Length":
        return Length(self.months + other.months, self.days + other.days)

    def __sub__(self, other: Self) -> "Length":
        return Length(self.months - other.months, self.days - other.days)


@lru_cache(maxsize=1_024)
def length_of(term: Term) -> Length:
    """Return the length of a term: a year is twelve months."""
    parts = _TERM.fullmatch(term)
    years, months, days = (int(part or 0) for part in parts.groups()) if parts is not None else (0, 0, 0)
    return Length(12 * years + months, days)


def end_after(anchor_at: datetime, length: Length) -> datetime:
    """Return the end of a `length` that is counted from `anchor_at`, in UTC: months first, then days (R-129).

    A day that the month does not have becomes its last day. An end beyond the calendar is the end of the calendar.
    """
    try:
        return anchor_at.astimezone(UTC) + _span(length)
    except (ValueError, OverflowError):
        return CALENDAR_END


def end_of(started_at: datetime, term: Term) -> datetime:
    """Return the end of a `term` that starts at `started_at`, in UTC.

    A day that the month does not have becomes its last day: 31 January plus one month is the end of February.
    A term beyond the end of the calendar ends there.
    """
    return end_after(started_at, length_of(term))


def earlier_by(ends_at: datetime, term: Term) -> datetime:
    """Return the end that is earlier by `term`, in UTC: years and months come off first, as they were added (R-96)."""
    try:
        return ends_at.astimezone(UTC) - _span(length_of(term))
    except (ValueError, OverflowError):
        return CALENDAR_START


@lru_cache(maxsize=1_024)
def _span(length: Length) -> relativedelta:
    return relativedelta(months=length.months, days=length.days)
