"""Parses times as people type them: a day, or a time with its UTC offset. Without an offset it is UTC."""

from datetime import UTC, date, datetime, time, timedelta

from services.cli.failures import CommandFailed, ExitCode

DAY = timedelta(days=1)


def parse_time(text: str, *, option: str) -> datetime:
    """Return the time in UTC; a day means its start. Raises `CommandFailed`, which names the option."""
    parsed = _parse(text, option)
    return parsed if isinstance(parsed, datetime) else datetime.combine(parsed, time(), UTC)


def parse_end_time(text: str, *, option: str) -> datetime:
    """Return the time in UTC; a day means its end, so the day is included. Raises `CommandFailed`."""
    parsed = _parse(text, option)
    if isinstance(parsed, datetime):
        return parsed
    try:
        return datetime.combine(parsed, time(), UTC) + DAY
    except OverflowError:
        message = f"time_out_of_range: {option}: the calendar ends with {text!r}; use an earlier day"
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
