"""What is no time for any door, and the times that UTC cannot tell."""

from datetime import datetime
from typing import Any

UNTELLABLE = ("0001-01-01T00:00:00+01:00", "9999-12-31T23:59:59-12:00")
UNTELLABLE_MOMENTS = tuple(map(datetime.fromisoformat, UNTELLABLE))
NO_MOMENTS: tuple[Any, ...] = (
    20271231,
    20271231.5,
    True,
    "20271231",
    "1830254400",
    "-1",
    "2027-12-31",
    "2027-12-31T12:00:00",
    "20271231T120000Z",
    "2027-13-31T12:00:00Z",
    *UNTELLABLE,
)
