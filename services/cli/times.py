"""Parses times as people type them: a day, or a time with its UTC offset. Without an offset it is UTC."""

from datetime import UTC, date, datetime, time, timedelta
from typing import Literal

from services.cli.failures import CommandFailed, ExitCode

DAY = timedelta(days=1)
MILLISECOND = timedelta(milliseconds=1)
DAY_BEGINS = "A day means its first instant."
DAY_INCLUDED = "A day is included whole."
"""What a day means, for the help of every option that takes one."""


def parse_time(text: str, *, option: str, day: Literal["first", "last", "after"] = "first") -> datetime:
    """Return the time in UTC. Raises `CommandFailed`, which names the option.

    A day means its first instant. As an upper bound it is included whole: it means its last instant, or for `after`, in
    an option that takes what lies before a time, the instant after it.
    """
    parsed = _parse(text, option)
    if isinstance(parsed, datetime):
        return parsed
    begin = datetime.combine(parsed, time(), UTC)
    match day:
        case "first":
            return begin
        case "last":
            return begin + (DAY - MILLISECOND)
        case "after":
            return _next(begin, option)


def _next(begin: datetime, option: str) -> datetime:
    try:
        return begin + DAY
    except OverflowError:
        message = f"time_out_of_range: {option}: the calendar ends with this day; use an earlier day"
        raise CommandFailed(ExitCode.USAGE, message) from None


def _parse(text: str, option: str) -> date | datetime:
    try:
        parsed = datetime.fromisoformat(text)
        if "T" not in text and " " not in text:
            return parsed.date()
        return parsed.astimezone(UTC) if parsed.tzinfo else parsed.replace(tzinfo=UTC)
    except (ValueError, OverflowError):
        message = f"malformed_time: {option}: {text!r} is not a valid time; use 2027-03-12 or 2027-03-12T10:00:00Z"
        raise CommandFailed(ExitCode.USAGE, message) from None
