"""Rebuilds ordered at the door: by a child process, told from any worker, one at a time, and taken up again."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from time import monotonic
from typing import Any

import pytest

from services.activation.forecast import FORECAST
from services.device.projection import LICENSE_VIEW
from shared.doors.problems import Problem
from shared.ledger.database import Connection, Pool
from shared.operations import Operations
from shared.operations.attempt import Progress
from shared.projector.making import LOCK
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


async def ended(door: Client) -> dict[str, Any]:
    """Return the rebuild once it no longer runs."""
    deadline = monotonic() + 60
    while (shown := told(200, await door.get(REBUILD, headers=OPERATOR)))["state"] == "running":
        assert monotonic() < deadline, shown
        await asyncio.sleep(0.05)
    return shown


async def started(door: Client, **body: Any) -> dict[str, Any]:
    return told(202, await door.post(REBUILD, json={**FROM_LEDGER, **body}, headers=OPERATOR))


async def test_a_rebuild_runs_in_the_background_and_ends_equal_and_swapped(
    door: Client, owner: Connection, recorded: int
) -> None:
    """R-118."""
    assert told(200, await door.get(REBUILD, headers=OPERATOR)) == {"name": "license_view", "state": "never"}
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
        await other.execute("select pg_advisory_lock($1, hashtext('license_view'))", LOCK)
        assert told(200, await door.get(REBUILD, headers=OPERATOR))["state"] == "running"
        response = await door.post(REBUILD, json=FROM_LEDGER, headers=OPERATOR)
        assert told(409, response)["code"] == "rebuild_running"


@pytest.mark.usefixtures("recorded")
async def test_a_rebuild_that_died_is_told_as_interrupted_and_can_be_ordered_again(
    door: Client, owner: Connection
) -> None:
    """R-118: its shadow stays, so the next attempt goes on where it was."""
    await owner.execute(
        "insert into rebuild_order (name, source, accept_differences, told_at, done, total)"
        " values ('license_view', 'ledger', false, now() - interval '1 minute', 3, 9)"
    )
    found = told(200, await door.get(REBUILD, headers=OPERATOR))
    assert (found["state"], found["done"]) == ("interrupted", 3)
    await started(door)
    assert (await ended(door))["state"] == "swapped"


@pytest.mark.usefixtures("recorded")
async def test_a_service_that_stops_takes_its_rebuild_along(operations: Operations) -> None:
    running = asyncio.create_task(operations.projections.run())
    await operations.projections.order("license_view", source="ledger", accept_differences=False)
    await asyncio.sleep(0)
    running.cancel()
    async with asyncio.timeout(10):
        await asyncio.gather(running, return_exceptions=True)
    assert (await operations.projections.progress("license_view"))["state"] in ("running", "interrupted")


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
    progress.tell(1_000_000, 2_000_000)
    assert progress.per_second() == 0.0
    progress.tell(1_000_010, 2_000_000)
    assert progress.per_second() > 0
