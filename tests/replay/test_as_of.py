"""What was true, and what was known, at any time: each answer against a fold of the whole log, read from end to end."""

from collections.abc import AsyncIterator, Sequence
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import pytest

from services.activation.decider import Code
from services.activation.decider import evolve as evolve_code
from services.device.api import license_representation
from services.device.projection import LicenseView, project
from shared.calendar import instant
from shared.doors.history import PAGE, Sense
from shared.ledger.database import Pool, transaction
from shared.ledger.events import NewEvent, append
from tests.at_the_door import OPERATOR, Client, told
from tests.conftest import Databases
from tests.replay.kept import code_doors, device_doors, event_of, keep_codes, keep_devices, life_of
from tests.replay.world import BEGIN, CODES, DAY, HOUR, World, random_world, world_ends

SENSES: Sequence[Sense] = ("true", "known")
NOW = world_ends()
TIMES = [BEGIN + days * DAY + 5 * HOUR for days in (1, 20, 33, 61, 90, 140, 200)]

pytestmark = pytest.mark.timeout(120)


@pytest.fixture(scope="module")
def world() -> World:
    return random_world(4, slowness=timedelta(days=3))


@pytest.fixture(scope="module")
async def device_pool(databases: Databases, world: World) -> AsyncIterator[Pool]:
    database = await databases.fresh("device")
    async with database.pool() as pool:
        await keep_devices(world, pool)
        yield pool


@pytest.fixture(scope="module")
async def code_pool(databases: Databases, world: World) -> AsyncIterator[Pool]:
    database = await databases.fresh("activation")
    async with database.pool() as pool:
        await keep_codes(world, pool)
        yield pool


@pytest.fixture(scope="module")
async def devices(device_pool: Pool) -> AsyncIterator[Client]:
    async with device_doors(device_pool, NOW) as client:
        yield client


@pytest.fixture(scope="module")
async def codes(code_pool: Pool) -> AsyncIterator[Client]:
    async with code_doors(code_pool, NOW) as client:
        yield client


def belongs(entry: NewEvent, at: datetime, sense: Sense) -> bool:
    return (entry.recorded_at if sense == "known" else entry.occurred_at) <= at


def as_of_by_hand(world: World, device_id: str, at: datetime, sense: Sense) -> dict[str, Any]:
    """Fold the log from end to end and keep what belongs to the time."""
    view = LicenseView()
    for entry in world.device_log:
        if entry.stream_id == device_id and belongs(entry, at, sense):
            view = project(view, event_of(entry), occurred_at=entry.occurred_at, recorded_at=entry.recorded_at)
    return license_representation(view, device_id=device_id, now=at, as_of=at)


@pytest.mark.parametrize("sense", SENSES)
async def test_a_license_as_of_any_time_is_what_the_whole_log_says(devices: Client, world: World, sense: Sense) -> None:
    """R-124, R-125."""
    for device_id in world.devices:
        for at in TIMES:
            asked = {"at": instant(at), "sense": sense}
            shown = told(200, await devices.get(f"/v1/devices/{device_id}/license", params=asked, headers=OPERATOR))
            assert {**shown, "version": 0} == {
                **as_of_by_hand(world, device_id, at, sense),
                "sense": sense,
                "version": 0,
            }


async def test_what_was_true_and_what_was_known_differ_while_a_timer_is_late(devices: Client, world: World) -> None:
    """R-43, R-125: an expiry that is noticed two days later was true before it was known."""
    late = next(
        entry
        for entry in world.device_log
        if entry.type_name == "LicenseExpired" and entry.recorded_at - entry.occurred_at > DAY
    )
    between = {"at": instant(late.occurred_at + HOUR)}
    path = f"/v1/devices/{late.stream_id}/history"
    seen = {
        sense: told(200, await devices.get(path, params={**between, "sense": sense, "limit": 500}, headers=OPERATOR))
        for sense in SENSES
    }
    assert str(late.event_id) in {event["event_id"] for event in seen["true"]["events"]}
    assert str(late.event_id) not in {event["event_id"] for event in seen["known"]["events"]}


@pytest.mark.parametrize("sense", SENSES)
async def test_a_history_as_of_a_time_is_the_same_page_by_page(devices: Client, world: World, sense: Sense) -> None:
    """R-125."""
    device_id, at = "device-1", TIMES[4]
    expected = [str(e.event_id) for e in life_of(world.device_log, device_id) if belongs(e, at, sense)]
    seen: list[str] = []
    after: int | None = 0
    while after is not None:
        asked: dict[str, str | int] = {"at": instant(at), "sense": sense, "limit": 3, "after": after}
        page = told(200, await devices.get(f"/v1/devices/{device_id}/history", params=asked, headers=OPERATOR))
        seen += [event["event_id"] for event in page["events"]]
        after = page["next"]
    assert seen == expected
    assert len(seen) > 6


@pytest.mark.parametrize("sense", SENSES)
async def test_a_code_as_of_any_time_is_what_the_whole_log_says(codes: Client, world: World, sense: Sense) -> None:
    """R-125."""
    for code_ref in CODES[:6]:
        for at in TIMES:
            code = Code()
            for entry in world.code_log:
                if entry.stream_id == code_ref and belongs(entry, at, sense):
                    code = evolve_code(code, event_of(entry))
            asked = {"at": instant(at), "sense": sense}
            shown = told(200, await codes.get(f"/v1/codes/{code_ref}", params=asked, headers=OPERATOR))
            del shown["version"]
            assert shown == {"as_of": instant(at), "sense": sense, **code.to_dict()}


@pytest.mark.parametrize(
    ("at", "code"),
    [
        ("2099-01-01T00:00:00Z", "in_the_future"),
        (instant(BEGIN), "before_first_event"),
        ("2026-03-01T00:00:00", "invalid_fields"),
        ("yesterday", "invalid_fields"),
    ],
)
@pytest.mark.parametrize("path", ["license", "history", "why"])
async def test_a_time_that_history_does_not_have_is_refused(devices: Client, path: str, at: str, code: str) -> None:
    answer = await devices.get(f"/v1/devices/device-1/{path}", params={"at": at}, headers=OPERATOR)
    problem = told(422, answer)
    assert problem["code"] == code
    if code == "before_first_event":
        assert problem["began_at"] == instant(BEGIN + HOUR)


@pytest.mark.parametrize("at", ["2099-01-01T00:00:00Z", "2020-01-01T00:00:00Z"])
@pytest.mark.parametrize("path", ["", "/history"])
async def test_a_time_that_the_life_of_a_code_does_not_have_is_refused(codes: Client, path: str, at: str) -> None:
    answer = await codes.get(f"/v1/codes/{CODES[0]}{path}", params={"at": at}, headers=OPERATOR)
    assert told(422, answer)["code"] == ("in_the_future" if at > "2090" else "before_first_event")


@pytest.mark.parametrize("path", ["license", "history", "why"])
async def test_a_device_that_nobody_enrolled_has_no_past(devices: Client, path: str) -> None:
    asked = {"at": instant(TIMES[0])}
    answer = await devices.get(f"/v1/devices/nobody/{path}", params=asked, headers=OPERATOR)
    assert told(404, answer)["code"] == "unknown_device"


@pytest.mark.parametrize("path", ["license", "why"])
async def test_an_event_of_a_newer_release_is_named_and_not_guessed(
    databases: Databases, world: World, path: str
) -> None:
    """R-122."""
    newer = world.device_log[0]._replace(
        type_name="LicenseTeleported", schema_version=3, stream_id="device-9", event_id=UUID(int=1)
    )
    async with databases.lent("device") as database, database.pool() as pool:
        async with transaction(pool) as connection:
            await append(connection, [newer])
        async with device_doors(pool, NOW) as devices:
            asked = {"at": instant(TIMES[0])}
            answer = await devices.get(f"/v1/devices/device-9/{path}", params=asked, headers=OPERATOR)
    problem = told(503, answer)
    assert problem["code"] == "newer_log"
    assert "'LicenseTeleported' version 3" in problem["detail"]


@pytest.mark.parametrize("sense", SENSES)
async def test_an_answer_about_one_stream_reads_that_stream_alone(device_pool: Pool, sense: Sense) -> None:
    async with device_pool.acquire() as connection, connection.transaction():
        await connection.execute("set local enable_seqscan = off")
        plan = await connection.fetch(f"explain {PAGE[sense]}", "device-1", 0, NOW, 100)
    text = "\n".join(row[0] for row in plan)
    assert "Index Scan using event_stream_id_version_key" in text
    assert "Seq Scan" not in text
