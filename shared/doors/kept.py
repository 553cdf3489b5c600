"""Answers that cost more than a page may: found once, and kept for a hundred times as long as finding them took."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from time import monotonic

KEPT_TIMES = 100
"""So at most one percent of a processor's time is spent, however often a page is opened and however large the fleet."""


@dataclass(slots=True)
class Kept[Value]:
    """An answer kept in this process. Who asks while it is being found waits for it, and it is found once."""

    find: Callable[[], Awaitable[Value]]
    seconds: Callable[[], float] = monotonic
    _found: Value | None = None
    _until: float = float("-inf")
    _finding: asyncio.Lock = field(default_factory=asyncio.Lock)

    async def value(self) -> Value:
        """Return the answer, found anew if it is too old. Raises what `find` raises; then nothing is kept."""
        async with self._finding:
            began = self.seconds()
            if self._found is None or began >= self._until:
                self._found = await self.find()
                ended = self.seconds()
                self._until = ended + KEPT_TIMES * (ended - began)
            return self._found
