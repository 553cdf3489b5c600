"""Parses times as people type them: a day, or a time with its UTC offset. Without an offset it is UTC."""

from datetime import UTC, date, datetime, time, timedelta

from services.cli.failures import CommandFailed, ExitCode

DAY = timedelta(days=1)


def parse_time(text: str) -> datetime:
    """Return the time in UTC; a day means its start. Raises `CommandFailed`."""
    parsed = _parse(text)
    return parsed if isinstance(parsed, datetime) else datetime.combine(parsed, time(), UTC)


def parse_end_time(text: str) -> datetime:
    """Return the time in UTC; a day means its end, so the day is included. Raises `CommandFailed`."""
    parsed = _parse(text)
    return parsed if isinstance(parsed, datetime) else datetime.combine(parsed, time(), UTC) + DAY


def _parse(text: str) -> date | datetime:
    try:
        parsed = datetime.fromisoformat(text)
        if "T" not in text and " " not in text:
            return parsed.date()
        return parsed.astimezone(UTC) if parsed.tzinfo else parsed.replace(tzinfo=UTC)
    except (ValueError, OverflowError):
        message = f"malformed_time: {text!r} is not a valid time; use 2027-03-12 or 2027-03-12T10:00:00Z"
        raise CommandFailed(ExitCode.REFUSED, message) from None
