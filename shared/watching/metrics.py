"""What is counted and timed while it happens. What is looked up when Prometheus asks is `shared.operations.metrics`.

A story begins at a door or with an outside message, and its correlation id, made at that moment, says when: so a
duration needs no lookup and no clock but the machine's, also in a sandbox, whose time jumps. No rule may come in here.
"""

from collections.abc import Iterable
from uuid import UUID

from prometheus_client import CollectorRegistry, Counter, Histogram

from shared.ledger.clock import machine_now
from shared.ledger.command_handler import DECISIONS

STORY_SECONDS_MAX = 86_400.0
"""What claims to have begun earlier was not named by us: outside tools may send correlation ids of their own."""

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


def seconds_since_story_began(correlation_id: UUID | None) -> float | None:
    """Return how long ago the story of this correlation id began, or None if its name does not tell."""
    if correlation_id is None or correlation_id.version != UUID_WITH_TIME:
        return None
    began_at = (correlation_id.int >> 80) / 1_000
    seconds = machine_now().timestamp() - began_at
    return max(0.0, seconds) if seconds < STORY_SECONDS_MAX else None


def time_verdicts(stories: Iterable[tuple[str, UUID | None]]) -> None:
    """Note how long each verdict took: its name, and its story."""
    for verdict, correlation_id in stories:
        if (seconds := seconds_since_story_began(correlation_id)) is not None:
            VERDICT_SECONDS.labels(verdict).observe(seconds)


def time_renewals(stories: Iterable[UUID | None]) -> None:
    """Note how long each renewal took from its purchase until it is shown."""
    for correlation_id in stories:
        if (seconds := seconds_since_story_began(correlation_id)) is not None:
            FRESHNESS_SECONDS.observe(seconds)
