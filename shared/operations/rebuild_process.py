"""The process of one rebuild: reads its order from stdin and reports its progress in table `rebuild_order`.

Run as `python -m shared.operations.rebuild_process`. A service starts it, so that the service itself is not slowed
down, and holds the other end of its stdin: the process ends with its service. The next attempt continues its work. No
rule may come in here.
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
from shared.projector import Acceptance, Outcome, ProjectorFailed, Subject, rebuild_projection
from shared.projector.connections import connected
from shared.projector.worker import end_with_parent

REPORT_SECONDS = 0.5


@dataclass(frozen=True, slots=True)
class RebuildOrder:
    """Which projection to rebuild, and from which log. With `accept`, replace the live table even if it differs."""

    subject: Subject
    accept: Acceptance | None = None


@dataclass(slots=True)
class Progress:
    """How many events are folded, of how many, and how fast this attempt folds."""

    done: int = 0
    total: int = 0
    _began_with: int | None = None
    _began_at: float = field(default_factory=monotonic)

    def update(self, done: int, total: int) -> None:
        """Note how many events are folded, and the total."""
        if self._began_with is None:
            self._began_with, self._began_at = done, monotonic()
        self.done, self.total = done, total

    def per_second(self) -> float:
        """Return how many events this attempt folds per second."""
        return (self.done - (self._began_with or 0)) / max(monotonic() - self._began_at, 0.001)


def main() -> None:
    """Run the rebuild that is ordered."""
    order: RebuildOrder = pickle.load(sys.stdin.buffer)  # noqa: S301 - it comes from our own parent, by a pipe
    # the service gets Ctrl-C too, and decides
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    Thread(target=end_with_parent, daemon=True).start()
    asyncio.run(_rebuild(order))


async def _rebuild(order: RebuildOrder) -> None:
    name, progress = order.subject.projection.name, Progress()
    async with connected(order.subject.database_url) as connection:
        reporting = asyncio.create_task(_keep_reporting(connection, name, progress))
        try:
            outcome = outcome_json(
                await rebuild_projection(order.subject, on_progress=progress.update, accept=order.accept)
            )
        except ProjectorFailed as failed:
            outcome = {"state": "failed", "code": failed.code, "detail": failed.detail}
        reporting.cancel()
        with suppress(asyncio.CancelledError, asyncpg.PostgresError):
            await reporting
    # whatever made the rebuild fail may have ended that session too
    async with connected(order.subject.database_url) as connection:
        await connection.execute(
            FINISH, name, progress.done, progress.total, progress.per_second(), json.dumps(outcome)
        )


async def _keep_reporting(connection: Connection, name: str, progress: Progress) -> None:
    while True:
        with suppress(*UNAVAILABLE):
            await connection.execute(REPORT, name, progress.done, progress.total, progress.per_second())
        await asyncio.sleep(REPORT_SECONDS)


def outcome_json(outcome: Outcome) -> dict[str, Any]:
    """Return the outcome of a rebuild as JSON, as it is stored and shown."""
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


REPORT = """
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
