"""How a moment is written wherever it is hashed, sent or shown."""

from datetime import UTC, datetime


def instant(moment: datetime) -> str:
    """Return `moment` as RFC 3339 in UTC with milliseconds: the only form that is hashed and sent."""
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
