"""The operations of one service, as its doors and the console offer them. No rule may come in here."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import asyncpg

from shared.calendar import instant
from shared.kafka.consumer import Source
from shared.ledger.clock import machine_now
from shared.ledger.database import ACQUIRE_TIMEOUT_SECONDS, Pool
from shared.operations.parked import ParkedMessages
from shared.operations.readings import RELAY, latest_readings, trends
from shared.operations.rebuilds import Projections
from shared.proof.latest_checkpoint import LatestCheckpoint


@dataclass(frozen=True, slots=True, kw_only=True)
class Operations:
    """What can be seen and ordered. All answers are JSON; what is refused raises `Problem`."""

    service: str
    pool: Pool
    sources: Sequence[Source[Any]]
    topic: str
    parked: ParkedMessages
    projections: Projections
    checkpoints: LatestCheckpoint

    async def consumers(self) -> dict[str, Any]:
        """Return how far each consumer and the relay are, all workers together, and the trend of the last minutes."""
        now = machine_now()
        async with self.pool.acquire(timeout=ACQUIRE_TIMEOUT_SECONDS) as connection:
            handled = {row["consumer"]: row for row in await connection.fetch(HANDLED)}
            readings, trend = await latest_readings(connection), await trends(connection, now)
        consumers = [
            {
                "name": source.name,
                "topic": source.topic,
                "handled": _handled(source, handled.get(source.name)),
                **(readings.get(source.name) or NO_READING),
                "parked": handled[source.name]["parked"] if source.name in handled else 0,
                "trend": trend.get(source.name),
            }
            for source in self.sources
        ]
        relay = {"topic": self.topic, **(readings.get(RELAY) or NO_READING), "trend": trend.get(RELAY)}
        return {"as_of": instant(now), "service": self.service, "consumers": consumers, "relay": relay}

    async def checkpoint(self) -> dict[str, Any]:
        """Return the latest checkpoint that was exported. Raises `Problem` if there is none."""
        return await self.checkpoints.shown()


NO_READING = {
    "workers": 0,
    "waiting": None,
    "seconds": None,
    "gap_waits": 0,
    "last_progress_at": None,
    "problem": "no worker has told how far it is",
}
"""Stands for the readings of a consumer or relay that no worker has taken lately."""


def _handled(source: Source[Any], row: asyncpg.Record | None) -> int:
    """Return how many records were handled: by positions for a ledger, by offsets for other topics."""
    if row is None:
        return 0
    return int(row["positions"] if source.ledger else row["offsets"])


HANDLED = """
select consumer, sum(next_offset)::bigint as offsets,
       (select coalesce(sum(position), 0)::bigint from inbound_slice s where s.consumer = p.consumer) as positions,
       (select count(*) from parked w
        where w.consumer = p.consumer and redriven_at is null and discarded_at is null) as parked
from inbound_partition p group by consumer
"""
