"""What Prometheus reads of one process: what happened (`shared.watching.metrics`), and how things stand when it asks.

What concerns the whole ledger is looked up by every worker and is the same from each: take the maximum over the
workers. What concerns one worker's share adds up.
"""

import asyncio
import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from prometheus_client import CollectorRegistry
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from shared.kafka.consumer import Consumer
from shared.kafka.relay import Relay
from shared.ledger.clock import Clock
from shared.ledger.database import ACQUIRE_TIMEOUT_SECONDS, UNAVAILABLE, Pool
from shared.ledger.lease import LEASE_SECONDS, Leases
from shared.version import VERSION
from shared.watching.metrics import REGISTRY

logger = logging.getLogger(__name__)

SURVEY_SECONDS = 5.0

type Check = Callable[[], str | None]
type Reading = tuple[str, str, Callable[[], float]]
"""A gauge of one service: its name, what it means, and how it is read."""


@dataclass(slots=True)
class Survey:
    """How the ledger stands, looked up every few seconds: a scrape never waits for the database."""

    pool: Pool
    clock: Clock
    reachable: bool = False
    standing: Mapping[str, Any] = field(default_factory=dict)
    parked: Sequence[Mapping[str, Any]] = ()

    async def run(self) -> None:
        """Look again and again until cancelled."""
        while True:
            try:
                await self.look()
            except UNAVAILABLE as error:
                self.reachable = False
                logger.debug("the ledger cannot be surveyed: %r", error)
            await asyncio.sleep(SURVEY_SECONDS)

    async def look(self) -> None:
        """Look once. Raises one of `UNAVAILABLE`."""
        async with self.pool.acquire(timeout=ACQUIRE_TIMEOUT_SECONDS) as connection:
            self.standing = dict(await connection.fetchrow(STANDING, LEASE_SECONDS) or {})
            self.parked = [dict(row) for row in await connection.fetch(PARKED)]
        self.reachable = True

    def oldest_seconds(self) -> float:
        """Return the age of the oldest event that is not on Kafka yet, 0 when there is none."""
        recorded_at = self.standing.get("oldest")
        return max(0.0, (self.clock.now() - recorded_at).total_seconds()) if recorded_at else 0.0


STANDING = """
select coalesce(sum(head.position - sent.position), 0)::bigint as backlog,
       min(next.recorded_at) as oldest,
       (select count(*) from lease where expires_at is null or expires_at <= now()) as unowned,
       (select count(*) from worker where seen_at > now() - make_interval(secs => $1)) as workers
from slice_head head
join slice_published sent using (slice)
left join event next on next.slice = head.slice and next.position = sent.position + 1
where head.position > sent.position
"""

PARKED = """
select consumer, reason, count(*) as records from parked
where redriven_at is null and discarded_at is null group by consumer, reason
"""


class ProcessMetrics(Collector):
    """How one process and its ledger stand."""

    def __init__(
        self,
        *,
        consumers: Sequence[Consumer[Any]],
        relay: Relay,
        leases: Leases,
        survey: Survey,
        checks: Sequence[Check],
        readings: Sequence[Reading],
    ) -> None:
        self._consumers = consumers
        self._relay = relay
        self._leases = leases
        self._survey = survey
        self._checks = checks
        self._readings = readings

    def collect(self) -> Iterable[Metric]:
        """Return the metrics as they are now."""
        yield from self._process()
        yield from self._of_consumers()
        yield from self._of_ledger()
        for name, meaning, read in self._readings:
            yield GaugeMetricFamily(name, meaning, read())

    def _process(self) -> Iterable[Metric]:
        ready = not any(check() for check in self._checks)
        yield GaugeMetricFamily("perennial_ready", "1 when every consumer and the relay make progress", int(ready))
        build = GaugeMetricFamily("perennial_build_info", "The release that runs", labels=["version"])
        build.add_metric([VERSION], 1)
        yield build
        yield CounterMetricFamily("perennial_relay_sent_events", "Events sent to Kafka", self._relay.sent)
        yield CounterMetricFamily("perennial_lease_changes", "Changes of the owned groups", self._leases.changes)
        yield GaugeMetricFamily("perennial_lease_groups", "Lease groups owned", len(self._leases.epochs))

    def _of_consumers(self) -> Iterable[Metric]:
        label = ["consumer"]
        lag = GaugeMetricFamily("perennial_consumer_lag_records", "Records not handled yet", labels=label)
        age = GaugeMetricFamily(
            "perennial_consumer_lag_seconds", "Since when records wait that are on Kafka", labels=label
        )
        gaps = GaugeMetricFamily(
            "perennial_consumer_gap_waits", "Slices that wait for a missing position", labels=label
        )
        records = CounterMetricFamily("perennial_consumer_records", "Records handled", labels=label)
        batches = CounterMetricFamily("perennial_consumer_batches", "Transactions", labels=label)
        for consumer in self._consumers:
            name = [consumer.source.name]
            lag.add_metric(name, consumer.lag())
            age.add_metric(name, consumer.lag_seconds())
            gaps.add_metric(name, consumer.gap_waits())
            records.add_metric(name, consumer.records)
            batches.add_metric(name, consumer.batches)
        yield from (lag, age, gaps, records, batches)

    def _of_ledger(self) -> Iterable[Metric]:
        survey, standing = self._survey, self._survey.standing
        yield GaugeMetricFamily("perennial_ledger_up", "1 when the ledger answered lately", int(survey.reachable))
        if not survey.reachable:
            return
        yield GaugeMetricFamily("perennial_relay_backlog_events", "Events not on Kafka yet", standing["backlog"])
        yield GaugeMetricFamily(
            "perennial_relay_oldest_unpublished_seconds", "Age of the oldest of them", survey.oldest_seconds()
        )
        yield GaugeMetricFamily("perennial_lease_groups_unowned", "Lease groups of nobody", standing["unowned"])
        yield GaugeMetricFamily("perennial_workers", "Workers that renew their leases", standing["workers"])
        parked = GaugeMetricFamily(
            "perennial_parked_records", "Set aside, to be redriven", labels=["consumer", "reason"]
        )
        for row in survey.parked:
            parked.add_metric([row["consumer"], row["reason"]], row["records"])
        yield parked


def registry_of(process: ProcessMetrics) -> CollectorRegistry:
    """Return the registry of one process."""
    registry = CollectorRegistry()
    registry.register(REGISTRY)
    registry.register(process)
    return registry
