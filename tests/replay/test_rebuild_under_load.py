"""Rebuilds in earnest: under as many lives as the machine carries, and killed again and again. `make faults-replay`.

The moments come from a seed, which is printed: a run is repeated with `PERENNIAL_FAULTS_SEED`.
"""

import asyncio
import json
import os
import random
import subprocess
import time
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import psutil
import pytest

from services.cli.names import SERVICES
from services.cli.projections import PROJECTIONS
from services.cli.system import System
from shared.ledger.identity import new_id
from tests.benchmarks.seed import seed
from tests.cli.running import CHECKOUT, PERENNIAL
from tests.journeys.checker import backlog, opened
from tests.journeys.running import new_system, wait_until_ready
from tests.replay.traffic import traffic

DEVICE_EVENTS = 60_000
LIVES_PER_SECOND = 200
"""So many are asked for; how many there were is printed."""
LIVES_PER_SECOND_MIN = 10
"""Fewer are no traffic."""
KILLS = 10
REBUILD_SECONDS_MAX = 300
VIEWS = [name for name, (_, projection) in PROJECTIONS.items() if projection.restore]

pytestmark = pytest.mark.faults


@pytest.fixture(scope="module")
def system(tmp_path_factory: pytest.TempPathFactory) -> Iterator[System]:
    """A system with years of history, whose views are filled before their consumers begin."""
    system = new_system(tmp_path_factory.mktemp("load"))
    try:
        with system.stack:
            asyncio.run(system.provision())
            seed(system, device_events=DEVICE_EVENTS, lives=1_000, twins=3, seed=1, parts=len(SERVICES))
            for name in VIEWS:
                (made,) = ended(started(shell_of(system), "rebuild", name, "--from", "ledger"))
                assert made["swapped"]
        with system:
            wait_until_ready(system)
            asyncio.run(quiet(system))
            yield system
    finally:
        system.stack.erase()


async def quiet(system: System) -> None:
    """Return when everything that happened is heard by all."""
    postgres, kafka = system.stack.postgres, system.stack.kafka
    async with opened(postgres.dsn("device"), postgres.dsn("activation"), kafka.bootstrap) as evidence:
        deadline = time.monotonic() + REBUILD_SECONDS_MAX
        while await backlog(evidence):
            assert time.monotonic() < deadline
            await asyncio.sleep(0.2)


@pytest.fixture(scope="module")
def environment(system: System) -> dict[str, str]:
    return shell_of(system)


def shell_of(system: System) -> dict[str, str]:
    """Return the shell of an operator of the system."""
    ports = system.stack.ports
    own = {
        "PERENNIAL_DATA": str(system.folder),
        "PERENNIAL_POSTGRES_PORT": str(ports.postgres),
        "PERENNIAL_KAFKA_PORT": str(ports.kafka),
    }
    return {name: value for name, value in os.environ.items() if not name.startswith("PERENNIAL_")} | own


def started(environment: dict[str, str], *words: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [PERENNIAL, "projection", *words, "--json"],
        cwd=CHECKOUT,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def ended(command: subprocess.Popen[str]) -> list[dict[str, Any]]:
    said, talk = command.communicate(timeout=REBUILD_SECONDS_MAX)
    assert command.returncode == 0, talk
    return [json.loads(line) for line in said.splitlines()]


@pytest.mark.timeout(900)
async def test_lives_go_on_while_views_are_made_anew(system: System, environment: dict[str, str]) -> None:
    """R-118, R-102: every request is answered, nothing old is shown, and all tables are folds in the end."""
    async with traffic(system, lives_per_second=LIVES_PER_SECOND) as seen:
        for name, source in (("license_view", "ledger"), ("license_view", "kafka"), ("code_view", "kafka")):
            (made,) = await asyncio.to_thread(ended, started(environment, "rebuild", name, "--from", source))
            assert (made["swapped"], made["differing"]) == (True, 0)
            print(f"{name} from {source}: {made['events']:,} events, {made['per_second']:,}/s under traffic")
    print(f"{seen.per_second:.0f} lives/s, {seen.requests} requests in {seen.seconds:.0f} s; load {os.getloadavg()}")
    assert seen.wrong == []
    assert seen.per_second > LIVES_PER_SECOND_MIN
    await quiet(system)
    assert all(each["equal"] for each in await asyncio.to_thread(ended, started(environment, "verify", "--all")))


@pytest.mark.timeout(900)
@pytest.mark.parametrize("source", ["kafka", "ledger"])
def test_a_rebuild_killed_at_ten_random_moments_ends_equal(environment: dict[str, str], source: str) -> None:
    """R-118, R-120."""
    number = int(os.environ.get("PERENNIAL_FAULTS_SEED", new_id().int % 1_000_000))
    print(f"seed {number}: repeat with PERENNIAL_FAULTS_SEED={number}")
    chance = random.Random(number)
    (sound,) = ended(started(environment, "verify", "license_view"))
    moment_seconds_max = sound["seconds"]
    command, kills, resumed = started(environment, "rebuild", "license_view", "--from", source), 0, False
    while kills < KILLS:
        time.sleep(chance.uniform(0.2, moment_seconds_max))
        if command.poll() is not None:
            assert ended(command)[0]["digest"] == sound["digest"]
            command = started(environment, "rebuild", "license_view", "--from", source)
            continue
        kills += 1
        workers = workers_of(command)
        if workers and chance.random() < 0.5:
            chance.choice(workers).kill()
            continue
        command.kill()
        command.communicate()
        # they end with whom they worked for
        assert not psutil.wait_procs(workers, timeout=10)[1]
        command, resumed = started(environment, "rebuild", "license_view", "--from", source), True
    (made,) = ended(command)
    assert (made["swapped"], made["differing"], made["digest"]) == (True, 0, sound["digest"])
    assert made["rows"] == sound["rows"]
    assert resumed
    assert ended(started(environment, "verify", "license_view"))[0]["digest"] == sound["digest"]


def workers_of(command: subprocess.Popen[str]) -> list[psutil.Process]:
    """Return the processes that fold."""
    with suppress(psutil.NoSuchProcess):
        children = psutil.Process(command.pid).children()
        return [child for child in children if "shared.projector.worker" in child.cmdline()]
    return []
