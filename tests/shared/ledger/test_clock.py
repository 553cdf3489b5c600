"""The clock of a sandbox moves forward for every worker; a production ledger's cannot be moved."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta

import pytest

from shared.ledger.clock import Clock, ClockRefused, machine_now
from shared.ledger.database import Pool, transaction
from shared.ledger.time_moves import follow_time
from tests.conftest import Database, Databases

YEAR = timedelta(days=365)
SECOND = timedelta(seconds=1)


def about(clock: Clock, ahead: timedelta) -> bool:
    """Whether the clock is ahead of the machine so much."""
    return abs(clock.now() - machine_now() - ahead) < SECOND


async def move(pool: Pool, clock: Clock, ahead: timedelta) -> None:
    async with transaction(pool) as connection:
        await clock.move_to(connection, machine_now() + ahead)


async def test_a_sandbox_moves_forward_and_every_worker_sees_it(device_pool: Pool) -> None:
    mine, yours = Clock(sandbox=True), Clock(sandbox=True)
    await move(device_pool, mine, YEAR)
    async with device_pool.acquire() as connection:
        await yours.refresh(connection)
    assert about(mine, YEAR)
    assert about(yours, YEAR)


@asynccontextmanager
async def following(clock: Clock, pool: Pool) -> AsyncIterator[asyncio.Event]:
    """Let a worker follow its ledger's time; yield an event that is set when something wakes up by it."""
    woken = asyncio.Event()
    task = asyncio.create_task(follow_time(clock, pool, on_move=woken.set))
    try:
        await asyncio.wait_for(woken.wait(), SECOND.total_seconds())
        woken.clear()
        yield woken
    finally:
        task.cancel()
        await asyncio.wait([task])


async def test_every_worker_hears_of_a_move_at_once(device_pool: Pool, monkeypatch: pytest.MonkeyPatch) -> None:
    """Long before it would look by itself."""
    monkeypatch.setattr("shared.ledger.time_moves.LOOK_SECONDS", 3_600)
    yours = Clock(sandbox=True)
    async with following(yours, device_pool) as woken:
        for years in (1, 2):
            await move(device_pool, Clock(sandbox=True), years * YEAR)
            await asyncio.wait_for(woken.wait(), SECOND.total_seconds())
            woken.clear()
            assert about(yours, years * YEAR)


async def test_a_move_is_heard_of_also_after_the_connection_was_lost(
    device_pool: Pool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """R-120."""
    monkeypatch.setattr("shared.ledger.time_moves.LOOK_SECONDS", 3_600)
    monkeypatch.setattr("shared.ledger.time_moves.RETRY_SECONDS", 0.05)
    yours = Clock(sandbox=True)
    async with following(yours, device_pool) as woken, device_pool.acquire() as connection:
        await connection.execute(
            "select pg_terminate_backend(pid) from pg_stat_activity"
            " where datname = current_database() and pid <> pg_backend_pid() and usename = current_user"
        )
        await asyncio.wait_for(woken.wait(), 5 * SECOND.total_seconds())
        woken.clear()
        async with connection.transaction():
            await Clock(sandbox=True).move_to(connection, machine_now() + YEAR)
        await asyncio.wait_for(woken.wait(), SECOND.total_seconds())
        assert about(yours, YEAR)


async def test_a_move_that_is_taken_back_wakes_nobody(device_pool: Pool) -> None:
    async with following(Clock(sandbox=True), device_pool) as woken:
        async with device_pool.acquire() as connection:
            transaction_ = connection.transaction()
            await transaction_.start()
            await Clock(sandbox=True).move_to(connection, machine_now() + YEAR)
            await transaction_.rollback()
        await asyncio.sleep(0.1)
        assert not woken.is_set()


async def test_time_stays_ahead_after_a_restart(device_database: Database) -> None:
    async with device_database.pool() as pool:
        await move(pool, Clock(sandbox=True), YEAR)
    restarted = Clock(sandbox=True)
    async with device_database.connected() as connection:
        await restarted.refresh(connection)
    assert about(restarted, YEAR)


async def test_the_time_reached_is_not_before_the_target(device_pool: Pool) -> None:
    clock = Clock(sandbox=True)
    target = machine_now() + YEAR
    async with transaction(device_pool) as connection:
        assert target <= await clock.move_to(connection, target) < target + SECOND


@pytest.mark.parametrize("back", [timedelta(0), YEAR - timedelta(minutes=1), YEAR / 2])
async def test_a_sandbox_does_not_move_back(device_pool: Pool, back: timedelta) -> None:
    clock = Clock(sandbox=True)
    await move(device_pool, clock, YEAR)
    with pytest.raises(ClockRefused) as refused:
        await move(device_pool, clock, back)
    assert refused.value.code == "clock_backwards"
    assert about(clock, YEAR)


async def test_a_worker_with_an_outdated_offset_does_not_move_time_back(device_pool: Pool) -> None:
    late = Clock(sandbox=True)
    await move(device_pool, Clock(sandbox=True), YEAR)
    with pytest.raises(ClockRefused) as refused:
        await move(device_pool, late, YEAR / 2)
    assert refused.value.code == "clock_backwards"


async def test_of_two_concurrent_moves_each_reaches_at_least_its_target(device_pool: Pool) -> None:
    clocks = [Clock(sandbox=True) for _ in range(8)]
    results = await asyncio.gather(
        *(move(device_pool, clock, YEAR + number * SECOND) for number, clock in enumerate(clocks)),
        return_exceptions=True,
    )
    assert all(result is None or isinstance(result, ClockRefused) for result in results)
    async with device_pool.acquire() as connection:
        await clocks[0].refresh(connection)
    assert about(clocks[0], YEAR + 7 * SECOND)


async def test_a_production_ledger_cannot_be_moved(databases: Databases) -> None:
    ledger = await databases.fresh("device", "production")
    async with ledger.pool() as pool:
        clock = Clock()
        with pytest.raises(ClockRefused) as refused:
            await move(pool, clock, YEAR)
        assert refused.value.code == "not_a_sandbox"
        assert about(clock, timedelta(0))


async def test_time_is_in_whole_milliseconds_in_utc() -> None:
    now = machine_now()
    assert now.microsecond % 1000 == 0
    assert now.utcoffset() == timedelta(0)
