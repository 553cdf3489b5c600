"""Until when a consumer knows what other services said, in this service's time (R-99, R-100)."""

import asyncio
from datetime import datetime, timedelta
from typing import Protocol

from shared.ledger.clock import Clock

LOOK_SECONDS = 1.0
SILENT_SECONDS = 3.0
"""Kafka answers twice a second even if nothing is new. After this long it is away, or far from keeping up."""


class Hears(Protocol):
    """What is asked of a consumer."""

    @property
    def joined(self) -> bool:
        """Whether it has joined its group."""

    def silence_seconds(self) -> float:
        """Return for how long nothing has been heard."""

    def lag_seconds(self) -> float:
        """Return for how long records have been waiting."""


class Freshness:
    """The freshness of what one consumer brings."""

    def __init__(self, consumer: Hears, clock: Clock) -> None:
        self._consumer = consumer
        self._clock = clock
        self._heard_at: datetime | None = None

    async def run(self) -> None:
        """Note the time while all is heard, until cancelled: a sandbox's time may be moved while Kafka is away."""
        while True:
            if self._consumer.joined and self._behind_seconds() < LOOK_SECONDS:
                self._heard_at = self._clock.now()
            await asyncio.sleep(LOOK_SECONDS)

    def as_of(self) -> datetime | None:
        """Return the time up to which everything was heard: now, if nothing is amiss; None before anything was."""
        if self._consumer.joined and self._behind_seconds() < SILENT_SECONDS:
            return self._clock.now()
        if self._heard_at is None:
            return None
        return min(self._heard_at, self._clock.now() - timedelta(seconds=self._consumer.lag_seconds()))

    def _behind_seconds(self) -> float:
        return max(self._consumer.silence_seconds(), self._consumer.lag_seconds())
