"""Keeps the clock of each worker of a sandbox as its ledger has it: a move is heard of at once.

A production ledger's time is the machine's; nobody follows it. No rule may come in here.
"""

import asyncio
import logging
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress

from shared.ledger.clock import MOVED, Clock
from shared.ledger.database import ACQUIRE_TIMEOUT_SECONDS, UNAVAILABLE, Connection, Pool

logger = logging.getLogger(__name__)

LOOK_SECONDS = 5.0
RETRY_SECONDS = 1.0


async def follow_time(clock: Clock, pool: Pool, *, on_move: Callable[[], None]) -> None:
    """Refresh `clock` whenever a worker moved the ledger's time, until cancelled; `on_move` is called afterwards.

    It keeps one connection of `pool`. It also looks now and then, and then calls `on_move` too.
    """
    moved = asyncio.Event()
    while clock.sandbox:
        try:
            async with pool.acquire(timeout=ACQUIRE_TIMEOUT_SECONDS) as connection, _hearing(connection, moved):
                while True:
                    moved.clear()
                    await clock.refresh(connection)
                    on_move()
                    with suppress(TimeoutError):
                        await asyncio.wait_for(moved.wait(), LOOK_SECONDS)
        except UNAVAILABLE as error:
            logger.warning("the clock cannot be read: %r", error)
            await asyncio.sleep(RETRY_SECONDS)


@asynccontextmanager
async def _hearing(connection: Connection, moved: asyncio.Event) -> AsyncIterator[None]:
    """Set `moved` whenever the ledger's time was moved, or the connection ended and tells no more."""

    def hear(*_: object) -> None:
        moved.set()

    connection.add_termination_listener(hear)
    await connection.add_listener(MOVED, hear)
    try:
        yield
    finally:
        connection.remove_termination_listener(hear)
        await connection.remove_listener(MOVED, hear)
