"""Moves a shadow forward: folds what a log gives, and writes rows and progress together now and then."""

from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from time import monotonic

from shared.ledger.database import Connection
from shared.projector.chunks import Chunk
from shared.projector.folding import Folding
from shared.projector.shadow import Passed, Shadow

CHECKPOINT_SECONDS = 5.0
"""So much work is lost at most when a rebuild is killed."""

type Tell = Callable[[int], None]
"""Hears of every piece of the log, and how many events it had."""


@dataclass(slots=True)
class Advance[State]:
    """One process's work on a shadow. `touched` collects whose rows were written, where somebody wants to know."""

    shadow: Shadow[State]
    connection: Connection
    tell: Tell
    touched: set[str] | None = None
    _folding: Folding[State] = field(init=False)

    def __post_init__(self) -> None:
        self._folding = Folding(self.shadow.projection)

    async def through(self, chunks: AsyncIterator[Chunk]) -> None:
        """Fold chunks and write what becomes of them; what is not committed when this fails did not happen."""
        heads: dict[int, tuple[int, bytes]] = {}
        passed: dict[int, Passed] = {}
        transaction, began = self.connection.transaction(), monotonic()
        await transaction.start()
        try:
            async for chunk in chunks:
                await self._fold(chunk)
                heads |= chunk.heads
                passed |= chunk.passed
                due = chunk.resumable and monotonic() - began > CHECKPOINT_SECONDS
                if due or self._folding.full:
                    await self._write()
                if due:
                    await self.shadow.note(self.connection, heads, passed)
                    await transaction.commit()
                    transaction, began, heads, passed = self.connection.transaction(), monotonic(), {}, {}
                    await transaction.start()
            await self._write()
            await self.shadow.note(self.connection, heads, passed)
        except BaseException:
            await transaction.rollback()
            raise
        await transaction.commit()

    async def _fold(self, chunk: Chunk) -> None:
        forgotten = self._folding.forgotten(chunk.entries)
        self._folding.remember(await self.shadow.states(self.connection, forgotten))
        self._folding.fold(chunk.entries)
        self.tell(chunk.events)

    async def _write(self) -> None:
        changes = self._folding.checkpoint()
        await self.shadow.write(self.connection, changes)
        if self.touched is not None:
            self.touched |= {row[0] for row in (*changes.added, *changes.changed)}
