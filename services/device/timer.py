"""Comes in: what has fallen due. Licenses that end, attempts without an answer or to try again (design §8).

Each worker looks at the slices it holds leases for. The decider decides again on the locked state, so
a row that a renewal moved meanwhile comes to nothing.
"""

import asyncio
import logging
from collections.abc import Callable
from datetime import datetime

from services.device.decider import Command, Device, Expire, RetryActivation
from shared.ledger.clock import Clock
from shared.ledger.command_handler import CommandHandler, Order
from shared.ledger.database import AWAY, CONFLICT, Connection, Pool, transaction
from shared.ledger.events import append
from shared.ledger.identity import new_id
from shared.ledger.lease import Leases
from shared.ledger.outbox import Cause

logger = logging.getLogger(__name__)

POLL_SECONDS = 0.1
RETRY_SECONDS = 1.0

DUE = """
(select 'expire' as what, device_id, expires_at as due_at from device
 where slice = any($1::smallint[]) and expires_at <= $2 order by expires_at limit $3)
union all
(select 'retry', device_id, retry_at from device
 where slice = any($1::smallint[]) and retry_at <= $2 order by retry_at limit $3)
"""


class Timer:
    """One worker's watch over its slices."""

    def __init__(
        self,
        handler: CommandHandler[Command, Device],
        *,
        pool: Pool,
        clock: Clock,
        leases: Leases,
        on_append: Callable[[], None],
        batch_max: int,
    ) -> None:
        self._handler = handler
        self._pool = pool
        self._clock = clock
        self._leases = leases
        self._on_append = on_append
        self._batch_max = batch_max
        self.overdue = 0
        self.overdue_seconds = 0.0

    async def run(self) -> None:
        """Look again and again until cancelled."""
        while True:
            try:
                fired = await self._fire()
            except (*AWAY, *CONFLICT) as error:
                logger.warning("timer: looking again later: %r", error)
                await asyncio.sleep(RETRY_SECONDS)
                continue
            if fired < self._batch_max:
                await asyncio.sleep(POLL_SECONDS)

    async def _fire(self) -> int:
        """Record what is due, up to a batch, and return how many rows were looked at."""
        slices = self._leases.slices()
        if not slices:
            return 0
        async with transaction(self._pool) as connection:
            await self._clock.refresh(connection)
            now = self._clock.now()
            orders = await self._due(connection, slices, now)
            decided = await self._handler.decide(connection, orders) if orders else None
            await append(connection, decided.events if decided else [])
        if decided and decided.events:
            self._on_append()
        return len(orders)

    async def _due(self, connection: Connection, slices: list[int], now: datetime) -> list[Order[Command]]:
        rows = await connection.fetch(DUE, slices, now, self._batch_max)
        self.overdue = len(rows)
        self.overdue_seconds = max(((now - row["due_at"]).total_seconds() for row in rows), default=0.0)
        return [Order(_command(row["what"], row["device_id"], now), _cause(now)) for row in rows]


def _command(what: str, device_id: str, now: datetime) -> Command:
    if what == "expire":
        return Expire(device_id=device_id, at=now)
    return RetryActivation(device_id=device_id, at=now)


def _cause(now: datetime) -> Cause:
    return Cause(at=now, recorded_at=now, correlation_id=new_id())
