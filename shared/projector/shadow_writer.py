"""Writes a shadow table: folds the events of a log, and from time to time commits rows and checkpoint together."""

from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from time import monotonic

from shared.ledger.database import Connection
from shared.projector.bounded_fold import BoundedFold
from shared.projector.chunks import Chunk
from shared.projector.shadow import PartitionProgress, Shadow

COMMIT_SECONDS = 5.0
"""How much work is lost at most when a rebuild is killed."""

type OnEvents = Callable[[int], None]
"""Called after each chunk with the number of its events."""


@dataclass(slots=True)
class ShadowWriter[State]:
    """Writes one process's share of a shadow. `touched`, if given, collects the streams whose rows were written."""

    shadow: Shadow[State]
    connection: Connection
    on_events: OnEvents
    touched: set[str] | None = None
    _fold: BoundedFold[State] = field(init=False)

    def __post_init__(self) -> None:
        self._fold = BoundedFold(self.shadow.projection)

    async def write(self, chunks: AsyncIterator[Chunk]) -> None:
        """Fold chunks and write the resulting rows. If it fails, everything since the last commit is rolled back."""
        checkpoint: dict[int, tuple[int, bytes]] = {}
        progress: dict[int, PartitionProgress] = {}
        transaction, began = self.connection.transaction(), monotonic()
        await transaction.start()
        try:
            async for chunk in chunks:
                await self._fold_chunk(chunk)
                checkpoint |= chunk.checkpoint
                progress |= chunk.progress
                due = chunk.resumable and monotonic() - began > COMMIT_SECONDS
                if due or self._fold.full:
                    await self._flush()
                if due:
                    await self.shadow.save_checkpoint(self.connection, checkpoint, progress)
                    await transaction.commit()
                    transaction, began, checkpoint, progress = self.connection.transaction(), monotonic(), {}, {}
                    await transaction.start()
            await self._flush()
            await self.shadow.save_checkpoint(self.connection, checkpoint, progress)
        except BaseException:
            await transaction.rollback()
            raise
        await transaction.commit()

    async def _fold_chunk(self, chunk: Chunk) -> None:
        evicted = self._fold.evicted(chunk.entries)
        self._fold.load(await self.shadow.states(self.connection, evicted))
        self._fold.fold(chunk.entries)
        self.on_events(chunk.event_count)

    async def _flush(self) -> None:
        changes = self._fold.flush()
        await self.shadow.write(self.connection, changes)
        if self.touched is not None:
            self.touched |= {row[0] for row in (*changes.added, *changes.changed)}
