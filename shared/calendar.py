"""The calendar in UTC, and how a time is written. Pure, and light: commands that only show times load nothing else."""

from datetime import UTC, datetime

import msgspec

FIRST_MOMENT = datetime.min.replace(tzinfo=UTC)
LAST_MOMENT = datetime.max.replace(tzinfo=UTC)

_encode = msgspec.json.Encoder().encode
_MILLISECONDS = slice(1, len('"2026-11-30T14:18:24.250'))
_SECONDS = slice(1, len('"2026-11-30T14:18:24'))
_WITH_MICROSECONDS = len('"2026-11-30T14:18:24.250000Z"')


def in_utc(moment: datetime) -> datetime:
    """Return a recorded time in UTC. One that UTC cannot tell becomes the nearest end of the calendar.

    No door takes in such a time (R-134), but an earlier release did, and what is recorded is read for ever.
    """
    try:
        return moment.astimezone(UTC)
    except OverflowError:
        return FIRST_MOMENT if moment.year == FIRST_MOMENT.year else LAST_MOMENT


def instant(moment: datetime) -> str:
    """Return `moment` as RFC 3339 in UTC with milliseconds: the only form that is hashed, sent and shown."""
    # isoformat takes ten times as long, most of it for the offset, and each event is written three times
    written = _encode(moment if moment.tzinfo is UTC else in_utc(moment)).decode()
    if len(written) == _WITH_MICROSECONDS:
        return f"{written[_MILLISECONDS]}Z"
    return f"{written[_SECONDS]}.000Z"
