"""The timer on a real PostgreSQL: never early, only once, and with the true end however late it fires."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from itertools import count

import pytest

from services.device.decider import DECIDER, AddCode, Command, Device, EnrollDevice, RecordVerdict
from services.device.outbox import OUTBOX
from services.device.store import DeviceStore
from services.device.timer import Timer
from shared.ledger.clock import Clock, machine_now
from shared.ledger.command_handler import CommandHandler, CommandMessage
from shared.ledger.database import Pool, transaction
from shared.ledger.events import RecordedEvent, append, from_row
from shared.ledger.identity import new_id
from shared.ledger.lease import GROUP_COUNT, GROUP_SLICES, Leases, group_of
from shared.ledger.slices import slice_of
from shared.messages import LicenseExpired, LicenseRenewed, decode
from tests.scenarios import A, B, activated, adding, delayed, last_group, renewed, verified
from tests.shared.records import cause, until

HANDLER: CommandHandler[Command, Device] = CommandHandler(DECIDER, DeviceStore(), OUTBOX)
HOUR = timedelta(hours=1)
DAY = timedelta(days=1)
EVERY_GROUP = range(GROUP_COUNT)


async def order(pool: Pool, *commands: Command, at: datetime) -> None:
    """Let the device service decide commands."""
    async with transaction(pool) as connection:
        decided = await HANDLER.decide(connection, [CommandMessage(command, cause(at)) for command in commands])
        await append(connection, decided.events)


async def license_until(pool: Pool, ends_at: datetime, *devices: str) -> None:
    """Give the devices a license that ends then."""
    start = ends_at - 365 * DAY
    await order(
        pool,
        *(
            command
            for device in devices
            for command in (
                EnrollDevice(device_id=device, at=start, request_id=new_id(), product="security", region="DE"),
                RecordVerdict(device_id=device, verdict=activated(A, at=start, ends=ends_at, device=device), at=start),
            )
        ),
        at=start,
    )


@asynccontextmanager
async def timers(
    pool: Pool, number: int = 1, *, clock: Clock | None = None, groups: Sequence[int] = EVERY_GROUP, batch_max: int = 50
) -> AsyncIterator[list[Timer]]:
    """Run timers that all believe that they own the groups, as workers do for a moment at a take-over."""
    running, made = [], []
    for each in range(number):
        leases = Leases(f"device.{each}", pool=pool, on_change=lambda: None)
        leases.epochs = dict.fromkeys(groups, 1)
        timer = Timer(
            HANDLER,
            pool=pool,
            clock=clock or Clock(),
            leases=leases,
            batch_max=batch_max,
        )
        made.append(timer)
        running.append(asyncio.create_task(timer.run()))
    try:
        yield made
    finally:
        for task in running:
            task.cancel()
        await asyncio.wait(running)


async def expiries(pool: Pool) -> list[RecordedEvent]:
    async with pool.acquire() as connection:
        rows = await connection.fetch("select * from event where type = 'LicenseExpired' order by stream_id, version")
        return [from_row(row) for row in rows]


async def expired(pool: Pool, count_wanted: int) -> list[RecordedEvent]:
    """Wait until so many licenses have expired and return their expiries."""

    async def there() -> bool:
        return len(await expiries(pool)) >= count_wanted

    await until(there, what=f"{count_wanted} expiries")
    return await expiries(pool)


def told(entry: RecordedEvent) -> LicenseExpired:
    event = decode(entry.event.type_name, entry.event.schema_version, entry.event.data)
    assert isinstance(event, LicenseExpired)
    return event


async def test_a_license_expires_at_its_end_and_never_before(device_pool: Pool) -> None:
    """R-39, R-40."""
    ends_at = machine_now() + timedelta(milliseconds=700)
    await license_until(device_pool, ends_at, "soon")
    await license_until(device_pool, ends_at + HOUR, "later")
    async with timers(device_pool):
        while machine_now() < ends_at - timedelta(milliseconds=100):
            assert await expiries(device_pool) == []
            await asyncio.sleep(0.02)
        [entry] = await expired(device_pool, 1)
    assert (entry.event.stream_id, told(entry).ended_at) == ("soon", ends_at)
    assert ends_at <= entry.event.recorded_at < ends_at + timedelta(seconds=5)


async def test_a_timer_rests_until_the_next_end_and_not_longer(
    device_pool: Pool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """R-39: it knows the next end before it rests."""
    monkeypatch.setattr("services.device.timer.POLL_SECONDS", 60.0)
    ends_at = machine_now() + timedelta(seconds=1)
    await license_until(device_pool, ends_at, "soon")
    async with timers(device_pool):
        [entry] = await expired(device_pool, 1)
    assert ends_at <= entry.event.recorded_at < ends_at + timedelta(seconds=5)


async def test_a_timer_that_is_woken_looks_at_once(device_pool: Pool, monkeypatch: pytest.MonkeyPatch) -> None:
    """R-39: when time is moved or other slices come, it does not rest on."""
    monkeypatch.setattr("services.device.timer.POLL_SECONDS", 60.0)
    ends_at = machine_now() + 300 * DAY
    await license_until(device_pool, ends_at, "d")
    async with timers(device_pool, clock=Clock(sandbox=True)) as [timer]:
        await asyncio.sleep(0.2)
        async with transaction(device_pool) as connection:
            await Clock(sandbox=True).move_to(connection, ends_at)
        timer.wake()
        await expired(device_pool, 1)


async def test_an_expiry_missed_for_days_has_the_true_end(device_pool: Pool) -> None:
    """R-43, R-37."""
    ends_at = machine_now() - 9 * DAY
    await license_until(device_pool, ends_at, "away")
    async with timers(device_pool):
        [entry] = await expired(device_pool, 1)
    assert told(entry).ended_at == entry.event.occurred_at == ends_at
    assert entry.event.recorded_at > ends_at + 9 * DAY
    assert entry.event.event_id == told(entry).request_id


async def test_many_timers_at_once_record_each_expiry_once(device_pool: Pool) -> None:
    """R-32, R-121."""
    devices = [f"device-{number}" for number in range(120)]
    await license_until(device_pool, machine_now() - DAY, *devices)
    async with timers(device_pool, 4, batch_max=30):
        await expired(device_pool, len(devices))
        # each timer has looked once more when one that falls due now is recorded
        await license_until(device_pool, machine_now(), "last")
        entries = await expired(device_pool, len(devices) + 1)
    assert sorted(entry.event.stream_id for entry in entries) == sorted([*devices, "last"])


async def test_more_than_a_batch_is_recorded_too(device_pool: Pool) -> None:
    devices = [f"device-{number}" for number in range(25)]
    await license_until(device_pool, machine_now() - DAY, *devices)
    async with timers(device_pool, batch_max=4):
        assert len(await expired(device_pool, 25)) == 25


async def test_a_timer_polls_only_its_own_slices(device_pool: Pool) -> None:
    mine, yours = (next(f"d-{n}" for n in count() if group_of(slice_of(f"d-{n}")) == group) for group in (3, 4))
    await license_until(device_pool, machine_now() - DAY, mine, yours)
    async with timers(device_pool, groups=[3]):
        await expired(device_pool, 1)
        also_mine = next(f"e-{n}" for n in count() if slice_of(f"e-{n}") // GROUP_SLICES == 3)
        await license_until(device_pool, machine_now() - DAY, also_mine)
        entries = await expired(device_pool, 2)
    assert {entry.event.stream_id for entry in entries} == {mine, also_mine}


async def test_a_license_that_was_renewed_meanwhile_expires_only_at_its_new_end(device_pool: Pool) -> None:
    """R-34, R-93."""
    ends_at = machine_now() - DAY
    await license_until(device_pool, ends_at, "renewed", "other")
    renewal: LicenseRenewed = renewed(A, previous=ends_at, ends=machine_now() + HOUR, device="renewed")
    await order(device_pool, RecordVerdict(device_id="renewed", verdict=renewal, at=machine_now()), at=ends_at)
    async with timers(device_pool):
        entries = await expired(device_pool, 1)
    assert [entry.event.stream_id for entry in entries] == ["other"]


async def test_a_second_term_has_an_expiry_of_its_own(device_pool: Pool) -> None:
    """R-32."""
    ends_at = machine_now() - 2 * DAY
    await license_until(device_pool, ends_at, "d")
    async with timers(device_pool):
        [first] = await expired(device_pool, 1)
        renewal = renewed(A, previous=ends_at, ends=ends_at + DAY, device="d")
        await order(device_pool, RecordVerdict(device_id="d", verdict=renewal, at=machine_now()), at=machine_now())
        entries = await expired(device_pool, 2)
    assert [told(entry).generation for entry in entries] == [1, 2]
    assert entries[1].event.event_id != first.event.event_id
    assert told(entries[1]).ended_at == ends_at + DAY


async def test_the_reserve_is_named_as_the_successor(device_pool: Pool) -> None:
    """R-31."""
    ends_at = machine_now() - DAY
    await _with_reserve(device_pool, ends_at)
    async with timers(device_pool):
        [entry] = await expired(device_pool, 1)
    assert told(entry).reserve_ref == B


async def _with_reserve(pool: Pool, ends_at: datetime, device: str = "device-1") -> None:
    await license_until(pool, ends_at, device)
    add = AddCode(device_id=device, at=ends_at - DAY, request_id=adding(B), code_ref=B, last_group=last_group(B))
    await order(pool, add, at=ends_at - DAY)
    verdict = verified(B, ends=ends_at + 365 * DAY, device=device)
    await order(pool, RecordVerdict(device_id=device, verdict=verdict, at=ends_at - DAY), at=ends_at - DAY)


async def test_a_delayed_activation_is_retried_when_it_is_due_and_not_before(device_pool: Pool) -> None:
    """R-49."""
    retry_at = machine_now() + timedelta(milliseconds=700)
    await _with_reserve(device_pool, machine_now() - DAY)
    async with timers(device_pool):
        [entry] = await expired(device_pool, 1)
        verdict = delayed(B, until=retry_at, request=told(entry).request_id)
        await order(
            device_pool, RecordVerdict(device_id="device-1", verdict=verdict, at=machine_now()), at=machine_now()
        )
        await until(lambda: _retried(device_pool), what="tried again")
    async with device_pool.acquire() as connection:
        [row] = await connection.fetch("select * from event where type = 'ActivationRetried'")
    assert retry_at <= row["recorded_at"] < retry_at + timedelta(seconds=5)


async def test_an_attempt_without_an_answer_is_noticed_when_it_is_overdue(device_pool: Pool) -> None:
    """R-49."""
    await _with_reserve(device_pool, machine_now() - DAY)
    clock, elsewhere = Clock(sandbox=True), Clock(sandbox=True)
    async with timers(device_pool, clock=clock):
        [entry] = await expired(device_pool, 1)
        overdue_at = told(entry).answer_by
        assert overdue_at is not None
        async with transaction(device_pool) as connection:
            assert not await connection.fetchval("select exists (select from event where type = 'ActivationDelayed')")
            await elsewhere.move_to(connection, overdue_at)
        await until(lambda: _delayed(device_pool), what="noticed")
    async with device_pool.acquire() as connection:
        [row] = await connection.fetch("select * from event where type = 'ActivationDelayed'")
    assert row["recorded_at"] >= overdue_at


async def _delayed(pool: Pool) -> bool:
    async with pool.acquire() as connection:
        found: bool = await connection.fetchval("select exists (select from event where type = 'ActivationDelayed')")
        return found


async def _retried(pool: Pool) -> bool:
    async with pool.acquire() as connection:
        found: bool = await connection.fetchval("select exists (select from event where type = 'ActivationRetried')")
        return found


async def test_moving_the_time_of_a_sandbox_makes_a_license_expire(device_pool: Pool) -> None:
    ends_at = machine_now() + 300 * DAY
    await license_until(device_pool, ends_at, "d")
    clock, elsewhere = Clock(sandbox=True), Clock(sandbox=True)
    async with timers(device_pool, clock=clock):
        async with transaction(device_pool) as connection:
            await elsewhere.move_to(connection, ends_at + DAY)
        [entry] = await expired(device_pool, 1)
    assert entry.event.occurred_at == ends_at
    assert entry.event.recorded_at >= ends_at + DAY


async def test_a_timer_goes_on_after_losing_its_connection(device_pool: Pool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("services.device.timer.RETRY_SECONDS", 0.05)
    async with timers(device_pool):
        await license_until(device_pool, machine_now() - DAY, "before")
        await expired(device_pool, 1)
        await device_pool.expire_connections()
        async with device_pool.acquire() as connection:
            await connection.execute(
                "select pg_terminate_backend(pid) from pg_stat_activity"
                " where datname = current_database() and pid <> pg_backend_pid() and usename = current_user"
            )
        await license_until(device_pool, machine_now() - DAY, "after")
        await expired(device_pool, 2)
