"""Leases on a real PostgreSQL: fair shares, take-over after expiry, and epochs that fence the one who slept.

The real loops run, only faster: a lease lasts a second here.
"""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta

import pytest

from shared.kafka.relay import NOTE_PUBLISHED
from shared.ledger import lease
from shared.ledger.database import Pool
from shared.ledger.lease import GROUP_COUNT, GROUP_SLICES, Leases, group_of
from shared.ledger.slices import SLICE_COUNT
from tests.shared.records import until

LEASE_SECONDS = 1.0


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let leases last a second."""
    monkeypatch.setattr(lease, "LEASE_SECONDS", LEASE_SECONDS)
    monkeypatch.setattr(lease, "RENEW_SECONDS", LEASE_SECONDS / 20)


@dataclass(slots=True)
class Worker:
    """A worker that keeps its leases until it is paused."""

    leases: Leases
    keeping: asyncio.Task[None]

    async def pause(self) -> None:
        """Stop renewing, as a process does that is stopped: it knows nothing of it."""
        self.keeping.cancel()
        await asyncio.wait([self.keeping])


@asynccontextmanager
async def at_work(pool: Pool, *names: str) -> AsyncIterator[list[Worker]]:
    workers = []
    for name in names:
        leases = Leases(name, pool=pool, on_change=lambda: None)
        workers.append(Worker(leases, asyncio.create_task(leases.keep())))
    try:
        yield workers
    finally:
        for worker in workers:
            await worker.pause()


async def owners(pool: Pool) -> dict[str, int]:
    """Return how many groups each worker holds a lease of."""
    async with pool.acquire() as connection:
        rows = await connection.fetch("select owner from lease where expires_at > now()")
        return dict(Counter(row["owner"] for row in rows))


async def epochs(pool: Pool) -> dict[int, int]:
    async with pool.acquire() as connection:
        return {row["slice_group"]: row["epoch"] for row in await connection.fetch("select * from lease")}


def shares(pool: Pool, wanted: dict[str, int]) -> Callable[[], Awaitable[bool]]:
    async def shared() -> bool:
        return await owners(pool) == wanted

    return shared


def test_every_slice_is_of_one_group() -> None:
    groups = Counter(group_of(number) for number in range(SLICE_COUNT))
    assert groups == dict.fromkeys(range(GROUP_COUNT), GROUP_SLICES)


@pytest.mark.parametrize(("names", "fair"), [("a", [16]), ("ab", [8, 8]), ("abc", [4, 6, 6])])
async def test_workers_get_a_fair_share_and_nobody_twice(device_pool: Pool, names: str, fair: list[int]) -> None:
    async def fairly_shared() -> bool:
        return sorted((await owners(device_pool)).values()) == fair

    async with at_work(device_pool, *names) as workers:
        await until(fairly_shared, what="fair shares")

        async def known() -> bool:
            return sorted(number for worker in workers for number in worker.leases.slices()) == list(range(256))

        await until(known, what="every slice has its worker")


async def test_a_worker_that_joins_later_gets_its_share_at_once(device_pool: Pool) -> None:
    async with at_work(device_pool, "a"):
        await until(shares(device_pool, {"a": 16}), what="the first worker has everything")
        async with at_work(device_pool, "b"):
            await until(shares(device_pool, {"a": 8, "b": 8}), what="half of it")


async def test_a_lease_is_taken_over_after_it_ran_out_never_before_and_its_epoch_rises(device_pool: Pool) -> None:
    """R-121."""
    async with at_work(device_pool, "a", "b") as (paused, _):
        await until(shares(device_pool, {"a": 8, "b": 8}), what="fair shares")
        await paused.pause()
        ends, before = await _ends(device_pool, "a"), await epochs(device_pool)
        lost = set(ends)
        await until(shares(device_pool, {"b": 16}), what="the other one has everything")
        taken_at = {group: end - timedelta(seconds=LEASE_SECONDS) for group, end in (await _ends(device_pool)).items()}
        assert all(taken_at[group] >= ends[group] for group in lost)
        after = await epochs(device_pool)
    assert {group: after[group] - before[group] for group in before} == {
        group: int(group in lost) for group in range(GROUP_COUNT)
    }


async def _ends(pool: Pool, owner: str | None = None) -> dict[int, datetime]:
    """Return when the leases run out."""
    async with pool.acquire() as connection:
        rows = await connection.fetch("select * from lease where owner = coalesce($1, owner)", owner)
        return {row["slice_group"]: row["expires_at"] for row in rows}


async def test_renewing_keeps_the_epochs(device_pool: Pool) -> None:
    async with at_work(device_pool, "a") as (worker,):
        await until(shares(device_pool, {"a": 16}), what="everything")
        before, first_ends = await epochs(device_pool), await _ends(device_pool)

        async def renewed() -> bool:
            return min((await _ends(device_pool)).values()) > max(first_ends.values())

        await until(renewed, what="renewed")
        assert await epochs(device_pool) == before == worker.leases.epochs
        assert worker.leases.changes == 1


async def test_what_is_released_is_free_at_once(device_pool: Pool) -> None:
    async with at_work(device_pool, "a") as (worker,):
        await until(shares(device_pool, {"a": 16}), what="everything")
        before = await epochs(device_pool)
        await worker.pause()
        await worker.leases.release()
        assert worker.leases.slices() == []
    assert await owners(device_pool) == {}
    async with at_work(device_pool, "b"):
        await until(shares(device_pool, {"b": 16}), what="taken at once", within=timedelta(seconds=LEASE_SECONDS * 0.8))
    assert await epochs(device_pool) == {group: epoch + 1 for group, epoch in before.items()}


async def test_a_worker_that_slept_through_its_lease_cannot_note_what_it_sent(device_pool: Pool) -> None:
    """R-121."""
    async with at_work(device_pool, "a") as (sleeper,):
        await until(shares(device_pool, {"a": 16}), what="everything")
        await sleeper.pause()
        async with at_work(device_pool, "b") as (other,):
            await until(shares(device_pool, {"b": 16}), what="taken over")
            assert await _note(device_pool, sleeper.leases) == 0
            assert await _published(device_pool) == 0
            assert await _note(device_pool, other.leases) == 1
            assert await _published(device_pool) == 1


async def test_a_worker_that_wakes_up_learns_what_it_lost(device_pool: Pool) -> None:
    async with at_work(device_pool, "a") as (sleeper,):
        await until(shares(device_pool, {"a": 16}), what="everything")
        await sleeper.pause()
        stale = dict(sleeper.leases.epochs)
        async with at_work(device_pool, "b"):
            await until(shares(device_pool, {"b": 16}), what="taken over")
            sleeper.keeping = asyncio.create_task(sleeper.leases.keep())
            await until(shares(device_pool, {"a": 8, "b": 8}), what="shared again")
            await sleeper.pause()
            now = await epochs(device_pool)
            assert sleeper.leases.epochs == {group: now[group] for group in sleeper.leases.epochs}
            assert all(epoch > stale[group] for group, epoch in sleeper.leases.epochs.items())


async def _note(pool: Pool, leases: Leases) -> int:
    """Note as the relay of this worker would that it sent position 1 of slice 5."""
    async with pool.acquire() as connection:
        count: int = await connection.fetchval(
            NOTE_PUBLISHED, [5], [0], [1], list(leases.epochs), list(leases.epochs.values()), leases.worker
        )
        return count


async def _published(pool: Pool) -> int:
    async with pool.acquire() as connection:
        position: int = await connection.fetchval("select position from slice_published where slice = 5")
        return position
