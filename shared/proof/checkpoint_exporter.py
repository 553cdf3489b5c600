"""Makes signed checkpoints and exports them to a folder, once or regularly as a loop of a service.

The worker that holds the first group of slices does it; two at once would do no harm.
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
from shared.proof.signed_checkpoint import SignedCheckpoint, sign_checkpoint, write_checkpoint
from shared.proof.slice_trees import Head, HistoryBroken, update_heads

logger = logging.getLogger(__name__)

POLL_SECONDS_MAX = 5.0
CHARGED_GROUP = 0


async def new_checkpoint(pool: Pool, *, ledger: str, keys: KeyRing) -> SignedCheckpoint:
    """Return a signed checkpoint of the ledger as it is now. Raises `HistoryBroken`."""
    # the machine's time even in a sandbox: a checkpoint says when it was really made
    return sign_checkpoint(await update_heads(pool), ledger=ledger, made_at=machine_now(), keys=keys)


class CheckpointExporter:
    """Writes a signed checkpoint to a folder every `interval_seconds`, if there are new events."""

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
        """Export until cancelled. Failures are logged and tried again; nothing waits for them."""
        while True:
            if CHARGED_GROUP in self._leases.epochs and monotonic() >= self._due_at:
                await self._export_or_log()
            await asyncio.sleep(min(self._interval_seconds, POLL_SECONDS_MAX))

    async def _export_or_log(self) -> None:
        try:
            await self._export()
        except HistoryBroken as error:
            logger.critical("no checkpoint is signed because history is broken: %s", error)
        except UNAVAILABLE as error:  # also an OSError of the folder
            logger.warning("no checkpoint is exported to %s: %r", self._folder, error)

    async def _export(self) -> None:
        checkpoint = await new_checkpoint(self._pool, ledger=self._ledger, keys=self._keys)
        if checkpoint.heads == self._written or not checkpoint.event_count:
            return
        file = await asyncio.to_thread(write_checkpoint, checkpoint, self._folder)
        self._written = checkpoint.heads
        self._due_at = monotonic() + self._interval_seconds
        logger.info("checkpoint of %s events: %s", checkpoint.event_count, file)
