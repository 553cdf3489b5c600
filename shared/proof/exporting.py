"""Makes checkpoints and lets them out, at once or regularly: the loop of a service.

One worker of a service does it, the one that holds the first group of slices; two at once would do no harm.
"""

import asyncio
import logging
from collections.abc import Sequence
from pathlib import Path
from time import monotonic

from shared.keys.signing import KeyRing
from shared.ledger.clock import machine_now
from shared.ledger.database import UNAVAILABLE, Pool
from shared.ledger.lease import Leases
from shared.proof.checkpoint import Checkpoint, signed, write
from shared.proof.growth import Head, HistoryBroken, grown_heads

logger = logging.getLogger(__name__)

POLL_SECONDS_MAX = 5.0
CHARGED_GROUP = 0


async def new_checkpoint(pool: Pool, *, ledger: str, keys: KeyRing) -> Checkpoint:
    """Return a checkpoint of the ledger as it is now. Raises `HistoryBroken`."""
    # the machine's time: a checkpoint says when it was made, also where licenses live in another time
    return signed(await grown_heads(pool), ledger=ledger, made_at=machine_now(), keys=keys)


class Exporting:
    """Writes a checkpoint to a folder every `interval_seconds`, if anything happened since."""

    def __init__(
        self, *, pool: Pool, leases: Leases, ledger: str, keys: KeyRing, folder: Path, interval_seconds: float
    ) -> None:
        self._pool = pool
        self._leases = leases
        self._ledger = ledger
        self._keys = keys
        self._folder = folder
        self._interval_seconds = interval_seconds
        self._written: Sequence[Head] = ()
        self._due_at = monotonic()

    async def run(self) -> None:
        """Export until cancelled. What goes wrong is told and tried again; nothing waits for it."""
        while True:
            if CHARGED_GROUP in self._leases.epochs and monotonic() >= self._due_at:
                await self._export_or_tell()
            await asyncio.sleep(min(self._interval_seconds, POLL_SECONDS_MAX))

    async def _export_or_tell(self) -> None:
        try:
            await self._export()
        except HistoryBroken as error:
            logger.critical("no checkpoint is signed over a broken history: %s", error)
        except UNAVAILABLE as error:  # a folder that cannot be written is an OSError too
            logger.warning("no checkpoint is exported to %s: %r", self._folder, error)

    async def _export(self) -> None:
        checkpoint = await new_checkpoint(self._pool, ledger=self._ledger, keys=self._keys)
        if checkpoint.heads == self._written or not checkpoint.event_count:
            return
        file = await asyncio.to_thread(write, checkpoint, self._folder)
        self._written = checkpoint.heads
        self._due_at = monotonic() + self._interval_seconds
        logger.info("checkpoint of %s events: %s", checkpoint.event_count, file)
