"""Fires what has fallen due: licenses that expire, attempts that are unanswered or to be retried (design §8).

Each worker polls the slices it holds leases for. The decider decides again on the locked state, so nothing happens for
a row that a renewal has changed in the meantime.
"""

import asyncio
import logging
from contextlib import suppress
from datetime import datetime, timedelta

from services.device.decider import Command, Device, Expire, RetryActivation
from shared.ledger.clock import Clock
from shared.ledger.command_handler import CommandHandler, CommandMessage
from shared.ledger.database import ACQUIRE_TIMEOUT_SECONDS, CONFLICT, UNAVAILABLE, Pool, transaction
from shared.ledger.events import Append, append
from shared.ledger.identity import new_id
from shared.ledger.lease import Leases
from shared.ledger.outbox import Cause

logger = logging.getLogger(__name__)

POLL_SECONDS = 1.0
RETRY_SECONDS = 1.0

DUE = """
(select 'expire' as kind, device_id, expires_at as due_at from device
 where slice = any($1::smallint[]) and expires_at <= $2 order by expires_at limit $3)
union all
(select 'retry', device_id, retry_at from device
 where slice = any($1::smallint[]) and retry_at <= $2 order by retry_at limit $3)
"""


class Timer:
    """The timer of one worker, for its slices."""

    def __init__(
        self,
        handler: CommandHandler[Command, Device],
        *,
        pool: Pool,
        clock: Clock,
        leases: Leases,
        batch_max: int,
        append: Append = append,
    ) -> None:
        self._handler = handler
        self._pool = pool
        self._clock = clock
        self._leases = leases
        self._append = append
        self._batch_max = batch_max
        self._woken = asyncio.Event()
        self._rest_seconds = POLL_SECONDS
        self.overdue = 0
        self.overdue_seconds = 0.0

    def wake(self) -> None:
        """Look at once: time was moved, or other slices came."""
        self._woken.set()

    async def run(self) -> None:
        """Poll until cancelled."""
        while True:
            try:
                fired = await self._fire()
            except (*UNAVAILABLE, *CONFLICT) as error:
                logger.warning("timer: trying again later: %r", error)
                await asyncio.sleep(RETRY_SECONDS)
                continue
            if fired < self._batch_max:
                await self._rest()

    async def _rest(self) -> None:
        """Wait for what falls due next, for a wake-up, or until it is time to look for what other workers added."""
        with suppress(TimeoutError):
            await asyncio.wait_for(self._woken.wait(), self._rest_seconds)
        self._woken.clear()

    async def _fire(self) -> int:
        """Record what is due, up to a batch, and return the number of due rows."""
        self._rest_seconds = POLL_SECONDS
        slices = self._leases.slices()
        commands = await self._due(slices) if slices else []
        if not commands:
            return 0
        async with transaction(self._pool) as connection:
            decided = await self._handler.decide(connection, commands)
            await self._append(connection, decided.events)
        return len(commands)

    async def _due(self, slices: list[int]) -> list[CommandMessage[Command]]:
        """Return the commands for what is due, and note for how long nothing else will be."""
        async with self._pool.acquire(timeout=ACQUIRE_TIMEOUT_SECONDS) as connection:
            await self._clock.refresh(connection)
            now = self._clock.now()
            rows = await connection.fetch(DUE, slices, now + timedelta(seconds=POLL_SECONDS), self._batch_max)
        due = [row for row in rows if row["due_at"] <= now]
        self.overdue = len(due)
        self.overdue_seconds = max(((now - row["due_at"]).total_seconds() for row in due), default=0.0)
        coming = ((row["due_at"] - now).total_seconds() for row in rows if row["due_at"] > now)
        self._rest_seconds = min(coming, default=POLL_SECONDS)
        return [CommandMessage(_command(row["kind"], row["device_id"], now), _cause(now)) for row in due]


def _command(kind: str, device_id: str, now: datetime) -> Command:
    if kind == "expire":
        return Expire(device_id=device_id, at=now)
    return RetryActivation(device_id=device_id, at=now)


def _cause(now: datetime) -> Cause:
    return Cause(at=now, recorded_at=now, correlation_id=new_id())
