"""As of when a consumer has heard its topic, in the service's time."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from datetime import timedelta

from shared.kafka.freshness import SILENT_SECONDS, Freshness
from shared.ledger.clock import Clock

DAY = timedelta(days=1)
MOMENT = timedelta(seconds=1)


@dataclass
class Heard:
    """What a consumer says of itself."""

    joined: bool = True
    silent_for: float = 0.0
    waiting_for: float = 0.0

    def silence_seconds(self) -> float:
        return self.silent_for

    def lag_seconds(self) -> float:
        return self.waiting_for


@asynccontextmanager
async def noted(freshness: Freshness) -> AsyncIterator[None]:
    """Let it look once, and no more while the block lasts."""
    looking = asyncio.create_task(freshness.run())
    await asyncio.sleep(0)
    looking.cancel()
    with suppress(asyncio.CancelledError):
        await looking
    yield


async def test_while_all_is_heard_it_is_now_and_before_that_unknown() -> None:
    """R-100."""
    clock, heard = Clock(sandbox=True), Heard(joined=False)
    freshness = Freshness(heard, clock)
    assert freshness.as_of() is None
    heard.joined = True
    now = freshness.as_of()
    assert now is not None
    assert clock.now() - now < MOMENT


async def test_while_kafka_is_away_it_stays_what_it_was_even_if_time_is_moved() -> None:
    """R-100."""
    clock, heard = Clock(sandbox=True), Heard()
    freshness = Freshness(heard, clock)
    async with noted(freshness):
        before = clock.now()
        heard.silent_for = SILENT_SECONDS
        clock.ahead = DAY
        as_of = freshness.as_of()
    assert as_of is not None
    assert abs(as_of - before) < MOMENT


async def test_records_that_wait_make_it_as_old_as_they_are() -> None:
    """R-99: what was bought an hour ago and is not handled yet is not shown yet."""
    clock, heard = Clock(), Heard()
    freshness = Freshness(heard, clock)
    async with noted(freshness):
        heard.waiting_for = 3_600.0
        as_of = freshness.as_of()
    assert as_of is not None
    assert abs(clock.now() - timedelta(hours=1) - as_of) < MOMENT
