"""Metrics that are counted and timed as things happen; `shared.operations.metrics` has those read at scrape time.

A request's correlation id is a UUIDv7 made when the request came in, so a duration needs no lookup, and no clock but
the machine's, even in a sandbox, whose time jumps. No rule may come in here.
"""

from collections.abc import Iterable
from uuid import UUID

from prometheus_client import CollectorRegistry, Counter, Histogram

from shared.ledger.clock import machine_now
from shared.ledger.command_handler import DECISIONS

DURATION_SECONDS_MAX = 86_400.0
"""A correlation id that claims an earlier time was not made by us: outside tools may send their own."""

UUID_WITH_TIME = 7
SECONDS = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0, 1_800.0)

REGISTRY = CollectorRegistry()

REGISTRY.register(DECISIONS)
VERDICT_SECONDS = Histogram(
    "perennial_verdict_seconds",
    "From the order to the other service's verdict in the device's ledger",
    ["verdict"],
    buckets=SECONDS,
    registry=REGISTRY,
)
FRESHNESS_SECONDS = Histogram(
    "perennial_freshness_seconds",
    "From the arrival of a purchase to the renewed license shown",
    buckets=SECONDS,
    registry=REGISTRY,
)
HTTP_REQUESTS = Counter("perennial_http_requests", "Requests answered", ["method", "status"], registry=REGISTRY)


def seconds_since_request_began(correlation_id: UUID | None) -> float | None:
    """Return how long ago the request with this correlation id came in, or None if the id does not tell."""
    if correlation_id is None or correlation_id.version != UUID_WITH_TIME:
        return None
    began_at = (correlation_id.int >> 80) / 1_000
    seconds = machine_now().timestamp() - began_at
    return max(0.0, seconds) if seconds < DURATION_SECONDS_MAX else None


def time_verdicts(verdicts: Iterable[tuple[str, UUID | None]]) -> None:
    """Observe how long each verdict took, given its name and correlation id."""
    for verdict, correlation_id in verdicts:
        if (seconds := seconds_since_request_began(correlation_id)) is not None:
            VERDICT_SECONDS.labels(verdict).observe(seconds)


def time_renewals(correlation_ids: Iterable[UUID | None]) -> None:
    """Observe how long each renewal took from the purchase until it was shown."""
    for correlation_id in correlation_ids:
        if (seconds := seconds_since_request_began(correlation_id)) is not None:
            FRESHNESS_SECONDS.observe(seconds)
