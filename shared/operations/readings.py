"""How far every consumer and the relay are: the latest readings of all workers, and the trend.

A worker knows only its own partitions. So each writes its readings to one small table every few seconds, where they are
added up. No rule may come in here.
"""

import asyncio
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from shared.calendar import instant
from shared.kafka.consumer import Consumer
from shared.kafka.relay import Relay
from shared.ledger.clock import machine_now
from shared.ledger.database import ACQUIRE_TIMEOUT_SECONDS, UNAVAILABLE, Connection, Pool
from shared.ledger.lease import Leases
from shared.operations.metrics import Survey

logger = logging.getLogger(__name__)

STEP_SECONDS = 5
KEPT_SECONDS = 900
RETRY_SECONDS = 0.5
FRESH_SECONDS = 3 * STEP_SECONDS
"""A reading older than this is not counted: its worker has stopped, is very slow, or cannot reach its ledger."""
RELAY = "relay"
CHARGED_GROUP = 0
"""The worker with these slices takes the readings of the whole ledger, and deletes old ones."""

type Reading = tuple[str, int, float, int, datetime, str | None]
"""Subject, waiting records, seconds that the oldest has waited, waiting slices, last progress, problem."""


@dataclass(slots=True, kw_only=True)
class Readings:
    """One worker's readings."""

    pool: Pool
    worker: str
    consumers: Sequence[Consumer[Any]]
    relay: Relay
    survey: Survey
    leases: Leases
    _told_well: bool = False

    async def run(self) -> None:
        """Take readings at every full step of the clock, until cancelled, so that those of all workers add up.

        A worker that has started or recovered says so at once.
        """
        while True:
            now = machine_now().timestamp()
            left = STEP_SECONDS - now % STEP_SECONDS
            if not self._told_well and left > RETRY_SECONDS:
                await asyncio.sleep(RETRY_SECONDS)
                if any(each.problem() for each in self.consumers):
                    continue
                read_at = machine_now()
            else:
                await asyncio.sleep(left)
                read_at = on_step(machine_now())
            try:
                await self.note(read_at)
            except UNAVAILABLE as error:
                logger.debug("the readings cannot be written: %r", error)

    async def note(self, read_at: datetime) -> None:
        """Write the readings of now. Raises one of `UNAVAILABLE`."""
        readings = [_reading(each) for each in self.consumers]
        self._told_well = not any(problem for *_, problem in readings)
        charged = CHARGED_GROUP in self.leases.epochs
        if charged and self.survey.reachable:
            backlog = int(self.survey.standing["backlog"])
            waited = self.survey.oldest_seconds()
            readings.append((RELAY, backlog, waited, 0, machine_now(), self.relay.problem()))
        async with self.pool.acquire(timeout=ACQUIRE_TIMEOUT_SECONDS) as connection:
            await connection.executemany(NOTE, [(read_at, self.worker, *reading) for reading in readings])
            if charged:
                await connection.execute(CLEAR, KEPT_SECONDS)


def on_step(at: datetime) -> datetime:
    """Return the full step of the clock that is nearest to `at`."""
    return datetime.fromtimestamp(round(at.timestamp() / STEP_SECONDS) * STEP_SECONDS, UTC)


def _reading(consumer: Consumer[Any]) -> Reading:
    name = consumer.source.name
    moved_at = consumer.moved_at
    return name, consumer.lag(), consumer.lag_seconds(), consumer.gap_waits(), moved_at, consumer.problem()


async def latest_readings(connection: Connection) -> Mapping[str, Mapping[str, Any]]:
    """Return by subject the latest readings of its workers: counts are added up, the longest wait counts."""
    rows = await connection.fetch(NOW, FRESH_SECONDS)
    return {
        row["subject"]: {
            "workers": row["workers"],
            "waiting": row["waiting"],
            "seconds": round(row["seconds"], 1),
            "gap_waits": row["gap_waits"],
            "last_progress_at": instant(row["moved_at"]),
            "problem": row["problem"],
        }
        for row in rows
    }


async def trends(connection: Connection, now: datetime) -> Mapping[str, Mapping[str, Any]]:
    """Return by subject the readings of the last minutes, one for each step, None where there is none."""
    since = on_step(now).timestamp() - KEPT_SECONDS
    found: dict[str, dict[int, tuple[int, float]]] = {}
    for row in await connection.fetch(TREND, datetime.fromtimestamp(since, UTC), STEP_SECONDS):
        step = round((row["read_at"].timestamp() - since) / STEP_SECONDS)
        found.setdefault(row["subject"], {})[step] = (row["waiting"], row["seconds"])
    return {subject: _trend(steps, since) for subject, steps in found.items()}


def _trend(steps: Mapping[int, tuple[int, float]], since: float) -> dict[str, Any]:
    count = KEPT_SECONDS // STEP_SECONDS
    read = [steps.get(step) for step in range(1, count + 1)]
    seconds = [round(each[1], 1) if each else None for each in read]
    return {
        "since": instant(datetime.fromtimestamp(since, UTC)),
        "step_seconds": STEP_SECONDS,
        "waiting": [each[0] if each else None for each in read],
        "seconds": seconds,
        "direction": direction(seconds),
    }


def direction(seconds: Sequence[float | None]) -> str:
    """Return whether a lag is `rising`, `falling` or `steady`, comparing the last minute with the two before it."""
    steps = 60 // STEP_SECONDS
    late, early = _mean(seconds[-steps:]), _mean(seconds[-3 * steps : -steps])
    # less than a second is noise
    if late is None or early is None or abs(late - early) < max(1.0, early / 10):
        return "steady"
    return "rising" if late > early else "falling"


def _mean(seconds: Sequence[float | None]) -> float | None:
    read = [each for each in seconds if each is not None]
    return sum(read) / len(read) if read else None


NOTE = """
insert into reading (read_at, worker, subject, waiting, seconds, gap_waits, moved_at, problem)
values ($1, $2, $3, $4, $5, $6, $7, $8) on conflict do nothing
"""

CLEAR = "delete from reading where read_at < now() - make_interval(secs => $1)"

NOW = """
select subject, count(*) as workers, sum(waiting)::bigint as waiting, max(seconds) as seconds,
       sum(gap_waits)::int as gap_waits, max(moved_at) as moved_at, min(problem) as problem
from (select distinct on (subject, worker) * from reading
      where read_at > now() - make_interval(secs => $1) order by subject, worker, read_at desc) last
group by subject
"""

# a reading between two steps is of one worker alone
TREND = """
select read_at, subject, sum(waiting)::bigint as waiting, max(seconds) as seconds
from reading where read_at > $1 and extract(epoch from read_at) % $2::int = 0 group by read_at, subject
"""
