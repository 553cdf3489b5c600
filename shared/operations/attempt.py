"""One rebuild in a process of its own: gets its order on stdin, tells how far it is in `rebuild_order`.

`python -m shared.operations.attempt`. A service starts it, holds the other end of its stdin, and is not slowed down by
it. It ends with its service; what it made until then is taken up by the next attempt. No rule may come in here.
"""

import asyncio
import json
import pickle
import signal
import sys
from contextlib import suppress
from dataclasses import dataclass, field
from threading import Thread
from time import monotonic
from typing import Any

import asyncpg

from shared.ledger.database import UNAVAILABLE, Connection
from shared.projector import Acceptance, Outcome, ProjectorFailed, Subject, rebuilt
from shared.projector.work import connected
from shared.projector.worker import end_with_parent

TELL_SECONDS = 0.5


@dataclass(frozen=True, slots=True)
class Order:
    """Which projection is made anew, from which log; with `accept` also if it differs."""

    subject: Subject
    accept: Acceptance | None = None


@dataclass(slots=True)
class Progress:
    """How far the attempt is, and how fast it has been."""

    done: int = 0
    total: int = 0
    _began_with: int | None = None
    _began_at: float = field(default_factory=monotonic)

    def tell(self, done: int, total: int) -> None:
        """Hear how many events are folded, and of how many."""
        if self._began_with is None:
            self._began_with, self._began_at = done, monotonic()
        self.done, self.total = done, total

    def per_second(self) -> float:
        """Return how many events were folded in a second."""
        return (self.done - (self._began_with or 0)) / max(monotonic() - self._began_at, 0.001)


def main() -> None:
    """Do what is ordered."""
    order: Order = pickle.load(sys.stdin.buffer)  # noqa: S301 - it comes from our own parent, by a pipe
    # the service hears of Ctrl-C too, and decides
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    Thread(target=end_with_parent, daemon=True).start()
    asyncio.run(_attempt(order))


async def _attempt(order: Order) -> None:
    name, progress = order.subject.projection.name, Progress()
    async with connected(order.subject.database_url) as telling:
        until_told = asyncio.create_task(_keep_telling(telling, name, progress))
        try:
            outcome = told(await rebuilt(order.subject, tell=progress.tell, accept=order.accept))
        except ProjectorFailed as failed:
            outcome = {"state": "failed", "code": failed.code, "detail": failed.detail}
        until_told.cancel()
        with suppress(asyncio.CancelledError, asyncpg.PostgresError):
            await until_told
    # the session may have gone with what made the attempt fail
    async with connected(order.subject.database_url) as telling:
        await telling.execute(FINISH, name, progress.done, progress.total, progress.per_second(), json.dumps(outcome))


async def _keep_telling(connection: Connection, name: str, progress: Progress) -> None:
    while True:
        with suppress(*UNAVAILABLE):
            await connection.execute(TELL, name, progress.done, progress.total, progress.per_second())
        await asyncio.sleep(TELL_SECONDS)


def told(outcome: Outcome) -> dict[str, Any]:
    """Return what came of a rebuild, in words that people and programs read."""
    comparison = outcome.comparison
    return {
        "state": "swapped" if outcome.swapped else "differs",
        "equal": comparison.equal,
        "events": outcome.events,
        "folded": outcome.folded,
        "seconds": round(outcome.seconds, 1),
        "per_second": round(outcome.folded / max(outcome.seconds, 0.001)),
        "resumed": outcome.resumed,
        "rows": comparison.rows,
        "digest": comparison.folded_digest,
        "differing": comparison.differing,
        "listed": [{"row": one.key, "stored": one.stored, "folded": one.folded} for one in comparison.listed],
        "altered": list(outcome.altered),
        "repeated": outcome.repeated,
    }


TELL = """
update rebuild_order set told_at = now(), done = $2, total = $3, per_second = $4
where name = $1 and finished_at is null
"""

FINISH = """
update rebuild_order
set told_at = now(), done = $2, total = $3, per_second = $4, finished_at = now(), outcome = $5::jsonb
where name = $1
"""

if __name__ == "__main__":
    main()
