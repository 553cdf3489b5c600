"""Reads the time: the only module that may. Rules get their time with the command.

A sandbox ledger stores how far its time is ahead of the machine's. The time of a production ledger is never ahead.
"""

import datetime as real
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from shared.calendar import instant
from shared.ledger.database import Connection

TIME_MAX = datetime(2200, 1, 1, tzinfo=UTC)
"""The latest time of a sandbox: it leaves room for terms that begin there."""

MOVED = "clock_moved"
"""The channel on which a sandbox's ledger tells every worker that its time was moved."""


def machine_now() -> datetime:
    """Return the machine's time, UTC, whole milliseconds."""
    now = real.datetime.now(real.UTC)  # noqa: TID251 - the only place that reads the clock
    return now.replace(microsecond=now.microsecond // 1000 * 1000)


class ClockRefused(Exception):
    """The clock cannot be moved like this. `code` is stable."""

    def __init__(self, code: str, detail: str) -> None:
        super().__init__(detail)
        self.code = code
        self.detail = detail


@dataclass(slots=True)
class Clock:
    """The time of one service: the machine's, or ahead of it in a sandbox."""

    ahead: timedelta = timedelta(0)
    sandbox: bool = False

    def now(self) -> datetime:
        """Return the service's time, UTC, whole milliseconds."""
        return machine_now() + self.ahead

    async def refresh(self, connection: Connection) -> None:
        """Read how far the ledger's time is ahead: another worker may have moved it."""
        if self.sandbox:
            milliseconds = await connection.fetchval("select clock_offset_ms from ledger")
            # a value read before a move may arrive after it, and time must never go back
            self.ahead = max(self.ahead, timedelta(milliseconds=milliseconds))

    async def move_to(self, connection: Connection, target: datetime) -> datetime:
        """Move a sandbox's time forward to `target`.

        Raises `ClockRefused`: `not_a_sandbox`, `clock_too_far`, or `clock_backwards`, because recorded events cannot
        lie in the future.
        """
        if not self.sandbox:
            raise ClockRefused("not_a_sandbox", "this is a production ledger; its time cannot be moved")
        await self.refresh(connection)
        if target < self.now():
            raise ClockRefused("clock_backwards", f"time only moves forward; it is {instant(self.now())}")
        if target > TIME_MAX:
            raise ClockRefused("clock_too_far", f"time can be moved up to the year {TIME_MAX:%Y}")
        milliseconds = (target - machine_now()) // timedelta(milliseconds=1)
        # if two people move it at once, the later time wins
        await connection.execute("update ledger set clock_offset_ms = greatest(clock_offset_ms, $1)", milliseconds)
        await connection.execute(f"notify {MOVED}")
        await self.refresh(connection)
        return self.now()
