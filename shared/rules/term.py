"""When a license term ends: calendar arithmetic in UTC, so that daylight saving time never moves an end (R-75)."""

import re
from datetime import UTC, datetime
from functools import lru_cache

from dateutil.relativedelta import relativedelta

from shared.messages import Term

CALENDAR_END = datetime(9999, 12, 31, tzinfo=UTC)
CALENDAR_START = datetime(1, 1, 1, tzinfo=UTC)
_TERM = re.compile(r"P(?:(?P<years>\d+)Y)?(?:(?P<months>\d+)M)?(?:(?P<days>\d+)D)?")


def end_of(started_at: datetime, term: Term) -> datetime:
    """Return the end of a `term` that starts at `started_at`, in UTC.

    A day that the month does not have becomes its last day: 31 January plus one month is the end of February.
    A term beyond the end of the calendar ends there.
    """
    try:
        return started_at.astimezone(UTC) + _span(term)
    except (ValueError, OverflowError):
        return CALENDAR_END


def earlier_by(ends_at: datetime, term: Term) -> datetime:
    """Return the end that is earlier by `term`, in UTC: years and months come off first, as they were added (R-96)."""
    try:
        return ends_at.astimezone(UTC) - _span(term)
    except (ValueError, OverflowError):
        return CALENDAR_START


@lru_cache(maxsize=1_024)
def _span(term: Term) -> relativedelta:
    parts = _TERM.fullmatch(term)
    years, months, days = (int(part or 0) for part in parts.groups()) if parts is not None else (0, 0, 0)
    return relativedelta(years=years, months=months, days=days)
