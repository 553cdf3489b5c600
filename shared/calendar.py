"""The calendar in UTC. Pure, and light: commands that only show times load nothing else."""

from datetime import UTC, datetime

FIRST_MOMENT = datetime.min.replace(tzinfo=UTC)
LAST_MOMENT = datetime.max.replace(tzinfo=UTC)


def in_utc(moment: datetime) -> datetime:
    """Return a recorded time in UTC. One that UTC cannot tell becomes the nearest end of the calendar.

    No door takes in such a time (R-134), but an earlier release did, and what is recorded is read for ever.
    """
    try:
        return moment.astimezone(UTC)
    except OverflowError:
        return FIRST_MOMENT if moment.year == FIRST_MOMENT.year else LAST_MOMENT
