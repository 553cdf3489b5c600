"""What Prometheus reads of one process, computed when it asks."""

from collections.abc import Iterable, Sequence
from typing import Any

from prometheus_client import CollectorRegistry
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from shared.consumer import Consumer
from shared.lease import Leases
from shared.relay import Relay


class ProcessMetrics(Collector):
    """The counters of one process's parts."""

    def __init__(self, service: str, consumers: Sequence[Consumer[Any]], relay: Relay, leases: Leases) -> None:
        self._service = service
        self._consumers = consumers
        self._relay = relay
        self._leases = leases

    def collect(self) -> Iterable[Metric]:
        """Return the metrics as they are now."""
        lag = GaugeMetricFamily("perennial_consumer_lag_records", "Records not handled yet", labels=["consumer"])
        records = CounterMetricFamily("perennial_consumer_records", "Records handled", labels=["consumer"])
        batches = CounterMetricFamily("perennial_consumer_batches", "Transactions", labels=["consumer"])
        for consumer in self._consumers:
            lag.add_metric([consumer.source.name], consumer.lag())
            records.add_metric([consumer.source.name], consumer.records)
            batches.add_metric([consumer.source.name], consumer.batches)
        yield from (lag, records, batches)
        yield CounterMetricFamily("perennial_relay_sent_events", "Events sent to Kafka", self._relay.sent)
        yield CounterMetricFamily("perennial_lease_changes", "Changes of the owned groups", self._leases.changes)
        yield GaugeMetricFamily("perennial_lease_groups", "Lease groups owned", len(self._leases.epochs))


def registry_of(service: str, *, consumers: Sequence[Consumer[Any]], relay: Relay, leases: Leases) -> CollectorRegistry:
    """Return the registry of one process."""
    registry = CollectorRegistry()
    registry.register(ProcessMetrics(service, consumers, relay, leases))
    return registry
