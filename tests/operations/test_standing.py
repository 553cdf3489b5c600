"""How far consumers and relay are, all workers together, and the latest checkpoint."""

import math
from datetime import timedelta
from pathlib import Path

import pytest

from shared.keys.signing import KeyRing
from shared.ledger.clock import machine_now
from shared.ledger.database import Pool
from shared.operations import Operations
from shared.operations.readings import NOTE, STEP_SECONDS, direction, on_step
from shared.proof.checkpoint_exporter import new_checkpoint
from shared.proof.signed_checkpoint import write_checkpoint
from tests.at_the_door import OPERATOR, Client, told

CONSUMER = "device.commands"


async def read(
    pool: Pool, worker: str, *, waiting: int = 0, seconds: float = 0.0, steps_ago: int = 0, problem: str | None = None
) -> None:
    """Note what a worker read so many steps ago."""
    at = on_step(machine_now() - timedelta(seconds=steps_ago * STEP_SECONDS))
    await pool.execute(NOTE, at, worker, CONSUMER, waiting, seconds, 0, at, problem)


async def standing(door: Client) -> dict[str, object]:
    answer = told(200, await door.get("/v1/operations/consumers", headers=OPERATOR))
    (found,) = [each for each in answer["consumers"] if each["name"] == CONSUMER]
    return dict(found)


async def test_the_shares_of_all_workers_add_up_and_the_longest_wait_counts(door: Client, device_pool: Pool) -> None:
    await read(device_pool, "1", waiting=2, seconds=3.0)
    await read(device_pool, "2", waiting=5, seconds=1.0, problem="device.commands has not joined its group yet")
    found = await standing(door)
    assert (found["workers"], found["waiting"], found["seconds"]) == (2, 7, 3.0)
    assert found["problem"] == "device.commands has not joined its group yet"


async def test_only_what_a_worker_read_last_counts_and_not_for_ever(door: Client, device_pool: Pool) -> None:
    await read(device_pool, "1", waiting=9, seconds=9.0, steps_ago=2)
    await read(device_pool, "1", waiting=1, seconds=1.0)
    await read(device_pool, "gone", waiting=50, seconds=50.0, steps_ago=5)
    found = await standing(door)
    assert (found["workers"], found["waiting"], found["seconds"]) == (1, 1, 1.0)


async def test_a_worker_that_recovers_says_so_between_two_steps_and_no_trend_counts_it(
    door: Client, device_pool: Pool
) -> None:
    await read(device_pool, "1", waiting=3, problem="device.commands has not joined its group yet")
    between = on_step(machine_now()) + timedelta(seconds=1)
    await device_pool.execute(NOTE, between, "1", CONSUMER, 7, 0.0, 0, between, None)
    found = await standing(door)
    assert (found["problem"], found["waiting"]) == (None, 7)
    trend = found["trend"]
    assert isinstance(trend, dict)
    assert [value for value in trend["waiting"] if value is not None] == [3]


async def test_nobody_who_tells_is_told(door: Client) -> None:
    found = await standing(door)
    assert (found["workers"], found["waiting"]) == (0, None)
    assert found["problem"] == "no worker has told how far it is"


async def test_the_trend_has_a_value_for_each_step_and_none_where_nobody_read(door: Client, device_pool: Pool) -> None:
    for steps_ago in range(40, 0, -1):
        await read(device_pool, "1", waiting=40 - steps_ago, seconds=40.0 - steps_ago, steps_ago=steps_ago)
    trend = (await standing(door))["trend"]
    assert isinstance(trend, dict)
    assert (len(trend["seconds"]), trend["step_seconds"], trend["direction"]) == (180, STEP_SECONDS, "rising")
    known = [value for value in trend["seconds"] if value is not None]
    assert known == [float(value) for value in range(40)]


@pytest.mark.parametrize(
    ("seconds", "expected"),
    [
        ([], "steady"),
        ([0.1] * 36, "steady"),
        ([0.0] * 24 + [0.9] * 12, "steady"),
        ([0.0] * 24 + [5.0] * 12, "rising"),
        ([90.0] * 24 + [60.0] * 12, "falling"),
        ([100.0] * 24 + [105.0] * 12, "steady"),
        ([None] * 24 + [5.0] * 12, "steady"),
    ],
)
def test_a_trend_is_named_when_it_is_more_than_noise(seconds: list[float | None], expected: str) -> None:
    assert direction(seconds) == expected


# --- checkpoints ---------------------------------------------------------------------------------


async def test_the_latest_checkpoint_is_shown_and_its_age_is_measured(
    door: Client, operations: Operations, device_pool: Pool, checkpoint_folder: Path, tmp_path: Path
) -> None:
    """R-127."""
    assert told(404, await door.get("/v1/log/checkpoints", headers=OPERATOR))["code"] == "no_checkpoint"
    assert math.isnan(operations.checkpoints.age_seconds())
    keys = KeyRing.load_or_create(tmp_path / "keys.pem")
    files: list[str] = []
    for ledger in ("/perennial/sandbox/device", "/perennial/sandbox/device", "/perennial/sandbox/devices"):
        made = await new_checkpoint(device_pool, ledger=ledger, keys=keys)
        files.append(write_checkpoint(made, checkpoint_folder).name)
    shown = told(200, await door.get("/v1/log/checkpoints", headers=OPERATOR))
    assert shown["ledger"] == "/perennial/sandbox/device"
    assert shown["file"] == files[1]
    assert (len(shown["heads"]), shown["checkpoint"].count(".")) == (256, 2)
    assert 0 <= operations.checkpoints.age_seconds() < 60
