"""Reads a time as a person types it: a day, or a time with its offset. A time without one is UTC."""

from datetime import UTC, date, datetime, time, timedelta

from services.cli.failures import CommandFailed, ExitCode

DAY = timedelta(days=1)


def parse_time(typed: str) -> datetime:
    """Return the time, UTC; of a day its beginning. Raises `CommandFailed`."""
    found = _read(typed)
    return found if isinstance(found, datetime) else datetime.combine(found, time(), UTC)


def parse_end_time(typed: str) -> datetime:
    """Return the time, UTC; of a day its end, so that the day is part of it. Raises `CommandFailed`."""
    found = _read(typed)
    return found if isinstance(found, datetime) else datetime.combine(found, time(), UTC) + DAY


def _read(typed: str) -> date | datetime:
    try:
        found = datetime.fromisoformat(typed)
        if "T" not in typed and " " not in typed:
            return found.date()
        return found.astimezone(UTC) if found.tzinfo else found.replace(tzinfo=UTC)
    except (ValueError, OverflowError):
        message = f"malformed_time: {typed!r} is no time; write 2027-03-12 or 2027-03-12T10:00:00Z"
        raise CommandFailed(ExitCode.REFUSED, message) from None
