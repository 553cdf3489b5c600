"""Rebuilds ordered at the door: by a child process, told from any worker, one at a time, and taken up again."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress
from dataclasses import replace
from typing import Any

import psutil
import pytest

from services.activation.forecast import FORECAST
from services.device.projection import LICENSE_VIEW
from shared.doors.problems import Problem
from shared.ledger.database import Connection, Pool
from shared.operations import Operations
from shared.operations.rebuild_process import Progress
from shared.projector.lock import ORDER_LOCK, REBUILD_LOCK
from tests.at_the_door import OPERATOR, Client, told
from tests.conftest import Database
from tests.replay.seeded import WRITTEN, fill_devices, hear

REBUILD = "/v1/operations/projections/license_view/rebuild"
FROM_LEDGER = {"source": "ledger"}


@pytest.fixture
async def owner(device_database: Database) -> AsyncIterator[Connection]:
    """Somebody with the owner's password: what no service may do, they do."""
    async with device_database.connected(owner=True) as connection:
        yield connection


@pytest.fixture
async def recorded(device_pool: Pool) -> int:
    """Years of devices, all of them heard by the license view; how many events."""
    async with device_pool.acquire() as connection:
        recorded = await fill_devices(connection)
    await hear(device_pool, LICENSE_VIEW)
    return len(recorded)


async def shown(door: Client) -> dict[str, Any]:
    return told(200, await door.get(REBUILD, headers=OPERATOR))


async def ended(door: Client) -> dict[str, Any]:
    """Return the rebuild once it no longer runs, however long the machine takes."""
    while (rebuild := await shown(door))["state"] == "running":
        await asyncio.sleep(0.05)
    return rebuild


async def started(door: Client, **body: Any) -> dict[str, Any]:
    return told(202, await door.post(REBUILD, json={**FROM_LEDGER, **body}, headers=OPERATOR))


async def process_of_the_rebuild() -> psutil.Process:
    """Return the child process that rebuilds, as soon as there is one."""
    while True:
        for child in psutil.Process().children():
            with suppress(psutil.NoSuchProcess):
                if "shared.operations.rebuild_process" in child.cmdline():
                    return child
        await asyncio.sleep(0.01)


async def holder(pool: Pool, lock: int) -> int:
    """Return the session that holds an advisory lock, as soon as one does."""
    while (
        pid := await pool.fetchval("select pid from pg_locks where classid = $1::int::oid and granted", lock)
    ) is None:
        await asyncio.sleep(0.01)
    return int(pid)


async def long_silent(pool: Pool) -> None:
    """Let the last report of the rebuild be an hour old, as on a machine that is very busy."""
    await pool.execute("update rebuild_order set told_at = now() - interval '1 hour'")


async def test_a_rebuild_runs_in_the_background_and_ends_equal_and_swapped(
    door: Client, owner: Connection, recorded: int
) -> None:
    """R-118."""
    assert await shown(door) == {"name": "license_view", "state": "never"}
    was = await owner.fetchval("select 'license_view'::regclass::oid")
    begun = await started(door)
    assert (begun["state"], begun["from"], begun["outcome"]) == ("running", "ledger", None)
    busy = await door.post(REBUILD, json=FROM_LEDGER, headers=OPERATOR)
    assert told(409, busy)["code"] == "rebuild_running"
    done = await ended(door)
    assert (done["state"], done["outcome"]["equal"], done["outcome"]["differing"]) == ("swapped", True, 0)
    assert (done["done"], done["total"], done["share"]) == (recorded, recorded, 1.0)
    assert (done["outcome"]["rows"], done["outcome"]["listed"]) == (len(WRITTEN.device_states), [])
    assert await owner.fetchval("select 'license_view'::regclass::oid") != was


@pytest.mark.usefixtures("recorded")
async def test_what_differs_is_listed_and_replaced_only_on_order(door: Client, owner: Connection) -> None:
    """R-118."""
    await owner.execute(
        "update license_view set version = version + 1 where device_id = $1", min(WRITTEN.device_states)
    )
    await started(door)
    found = await ended(door)
    assert (found["state"], found["outcome"]["differing"]) == ("differs", 1)
    (row,) = found["outcome"]["listed"]
    assert row["row"] == min(WRITTEN.device_states)
    assert row["stored"] != row["folded"]
    await started(door, accept_differences=True)
    assert (await ended(door))["state"] == "swapped"
    versions = "select count(*) from license_view v join device d using (device_id) where v.version <> d.version"
    assert await owner.fetchval(versions) == 0


@pytest.mark.usefixtures("recorded")
async def test_a_rebuild_whose_log_is_away_says_so(door: Client) -> None:
    told(202, await door.post(REBUILD, json={"source": "kafka"}, headers=OPERATOR))
    found = await ended(door)
    assert (found["state"], found["outcome"]["code"]) == ("failed", "unreachable")


@pytest.mark.usefixtures("recorded")
async def test_a_rebuild_of_another_process_is_seen_and_not_disturbed(door: Client, device_database: Database) -> None:
    """The command line's too: its lock tells."""
    async with device_database.connected() as other:
        await other.execute("select pg_advisory_lock($1, hashtext('license_view'))", REBUILD_LOCK)
        assert (await shown(door))["state"] == "running"
        response = await door.post(REBUILD, json=FROM_LEDGER, headers=OPERATOR)
        assert told(409, response)["code"] == "rebuild_running"


@pytest.mark.usefixtures("recorded")
async def test_a_rebuild_whose_process_is_stopped_is_still_running(door: Client, device_pool: Pool) -> None:
    """A process that is too slow to connect to its database is not dead."""
    await started(door)
    process = await process_of_the_rebuild()
    process.suspend()
    await long_silent(device_pool)
    assert (await shown(door))["state"] == "running"
    again = await door.post(REBUILD, json=FROM_LEDGER, headers=OPERATOR)
    assert told(409, again)["code"] == "rebuild_running"
    process.resume()
    assert (await ended(door))["state"] == "swapped"


@pytest.mark.usefixtures("recorded")
async def test_a_rebuild_that_waits_for_the_database_is_still_running_until_it_is_killed(
    door: Client, owner: Connection, device_pool: Pool
) -> None:
    """R-118: in the middle of a query; its shadow stays, and the next attempt continues."""
    async with owner.transaction():
        await owner.execute("lock table event in access exclusive mode")
        await started(door)
        process = await process_of_the_rebuild()
        await holder(device_pool, REBUILD_LOCK)
        process.suspend()
        await long_silent(device_pool)
        assert (await shown(door))["state"] == "running"
        process.kill()
        found = await ended(door)
        assert (found["state"], found["outcome"], found["finished_at"]) == ("interrupted", None, None)
    await started(door)
    assert (await ended(door))["state"] == "swapped"


@pytest.mark.usefixtures("recorded")
async def test_a_rebuild_that_is_killed_as_it_starts_is_interrupted(door: Client) -> None:
    await started(door)
    (await process_of_the_rebuild()).kill()
    assert (await ended(door))["state"] == "interrupted"
    await started(door)
    assert (await ended(door))["state"] == "swapped"


@pytest.mark.usefixtures("recorded")
async def test_an_order_runs_until_its_service_dies(
    operations: Operations, owner: Connection, device_pool: Pool
) -> None:
    """The service has not come to start the process yet: its session alone says that it will."""
    projections = operations.projections
    await projections.order("license_view", source="ledger", accept_differences=False)
    await long_silent(device_pool)
    assert (await projections.progress("license_view"))["state"] == "running"
    with pytest.raises(Problem, match="is already being rebuilt"):
        await projections.order("license_view", source="ledger", accept_differences=False)
    # what the server does with the session of a process that is gone
    assert await owner.fetchval("select pg_terminate_backend($1, 60000)", await holder(device_pool, ORDER_LOCK))
    assert (await projections.progress("license_view"))["state"] == "interrupted"


@pytest.mark.usefixtures("recorded")
async def test_an_order_that_nobody_runs_is_interrupted_however_lately_it_was_told_of(
    door: Client, owner: Connection
) -> None:
    """R-118: its shadow stays, so the next attempt goes on where it was."""
    await owner.execute(
        "insert into rebuild_order (name, source, accept_differences, told_at, done, total)"
        " values ('license_view', 'ledger', false, now(), 3, 9)"
    )
    found = await shown(door)
    assert (found["state"], found["done"]) == ("interrupted", 3)
    await started(door)
    assert (await ended(door))["state"] == "swapped"


@pytest.mark.usefixtures("recorded")
async def test_a_service_that_stops_takes_its_rebuild_along(operations: Operations) -> None:
    running = asyncio.create_task(operations.projections.run())
    await operations.projections.order("license_view", source="ledger", accept_differences=False)
    await asyncio.sleep(0)
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    while (found := await operations.projections.progress("license_view"))["state"] == "running":
        await asyncio.sleep(0.05)
    assert found["state"] == "interrupted"


@pytest.mark.parametrize(
    ("name", "status", "code"),
    [("device", 409, "not_replaceable"), ("nothing", 404, "unknown_projection"), ("Seat;", 422, "invalid_fields")],
)
async def test_what_cannot_be_rebuilt_is_refused(name: str, status: int, code: str, door: Client) -> None:
    """R-118."""
    response = await door.post(f"/v1/operations/projections/{name}/rebuild", json={}, headers=OPERATOR)
    assert told(status, response)["code"] == code


async def test_the_log_of_the_other_service_is_read_from_kafka_alone(operations: Operations) -> None:
    """The services meet only in Kafka."""
    foreign = replace(operations.projections, known={FORECAST.name: replace(FORECAST, topic="another.events.v1")})
    with pytest.raises(Problem) as refused:
        await foreign.order(FORECAST.name, source="ledger", accept_differences=False)
    assert (refused.value.status, refused.value.code) == (409, "kafka_only")


async def test_projections_are_listed_with_who_keeps_them_and_how_far_they_are(door: Client, recorded: int) -> None:
    answer = told(200, await door.get("/v1/operations/projections", headers=OPERATOR))
    view, device = answer["projections"]
    assert (view["name"], view["kept_by"], view["events"], view["behind"]) == ("license_view", "consumer", recorded, 0)
    assert (device["name"], device["kept_by"], device["replaceable"]) == ("device", "decider", False)
    assert view["rebuild"]["state"] == "never"


def test_the_rate_counts_what_this_attempt_folded_and_not_what_it_found() -> None:
    progress = Progress()
    progress.update(1_000_000, 2_000_000)
    assert progress.per_second() == 0.0
    progress.update(1_000_010, 2_000_000)
    assert progress.per_second() > 0
