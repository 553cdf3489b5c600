"""Reads the time: the one module that may. Rules get their time with the command.

A sandbox ledger keeps how far its time runs ahead of the machine's; a production ledger never does.
"""

import datetime as real
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from shared.ledger.database import Connection

TIME_MAX = datetime(2200, 1, 1, tzinfo=UTC)
"""How far a sandbox may go: room is left for terms that begin there."""

MOVED = "clock_moved"
"""The channel on which a sandbox's ledger tells every worker that its time was moved."""


def machine_now() -> datetime:
    """Return the machine's time, UTC, whole milliseconds."""
    now = real.datetime.now(real.UTC)  # noqa: TID251 - the one place that reads the clock
    return now.replace(microsecond=now.microsecond // 1000 * 1000)


class ClockRefused(Exception):
    """The clock may not be moved so. `code` is stable."""

    def __init__(self, code: str, detail: str) -> None:
        super().__init__(detail)
        self.code = code
        self.detail = detail


@dataclass(slots=True)
class Clock:
    """Time for the doors of one service: the machine's, or ahead of it in a sandbox."""

    ahead: timedelta = timedelta(0)
    sandbox: bool = False

    def now(self) -> datetime:
        """Return the service's time, UTC, whole milliseconds."""
        return machine_now() + self.ahead

    async def refresh(self, connection: Connection) -> None:
        """Read how far the ledger's time is ahead; other workers may have moved it."""
        if self.sandbox:
            milliseconds = await connection.fetchval("select clock_offset_ms from ledger")
            # an answer read before a move may arrive after it: time never goes back
            self.ahead = max(self.ahead, timedelta(milliseconds=milliseconds))

    async def move_to(self, connection: Connection, target: datetime) -> datetime:
        """Move a sandbox's time forward to `target`.

        Raises `ClockRefused`: `not_a_sandbox`, `clock_too_far`, or `clock_backwards`, because what was recorded
        cannot lie ahead.
        """
        if not self.sandbox:
            raise ClockRefused("not_a_sandbox", "this ledger is for production; its time cannot be moved")
        await self.refresh(connection)
        if target < self.now():
            raise ClockRefused("clock_backwards", f"time only moves forward; it is {self.now().isoformat()}")
        if target > TIME_MAX:
            raise ClockRefused("clock_too_far", f"time may be moved up to {TIME_MAX:%Y}")
        milliseconds = (target - machine_now()) // timedelta(milliseconds=1)
        # two people may move it at once: the later time wins
        await connection.execute("update ledger set clock_offset_ms = greatest(clock_offset_ms, $1)", milliseconds)
        await connection.execute(f"notify {MOVED}")
        await self.refresh(connection)
        return self.now()
