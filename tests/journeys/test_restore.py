"""A database restored to an older state: its worker refuses it, and its topic gives it back what it lost."""

import asyncio
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import asyncpg
import pytest

from services.cli.names import ServiceName
from services.cli.system import System
from shared.local.failures import LocalStackError
from tests.journeys.faults import examine, quiet_kafka_client, say
from tests.journeys.load import Load
from tests.journeys.running import running_system, wait_until_ready
from tests.journeys.waiting import until

SEED = 5
WAVE_LIVES = 24


@pytest.fixture
def system(tmp_path: Path) -> Iterator[System]:
    """A system of its own, to be restored."""
    quiet_kafka_client()
    with running_system(tmp_path) as system:
        yield system


async def copied(system: System, source: str, target: str) -> None:
    """Copy a database, as it stands, over another one."""
    server = await asyncpg.connect(system.stack.postgres.dsn())
    await server.execute(f"drop database if exists {target} with (force)")
    await server.execute(f"create database {target} template {source}")
    await server.close()


def recovered(system: System, service: ServiceName) -> int:
    """Run `perennial recover` and return how many events came back."""
    words = [sys.executable, "-m", "services.cli", "--kafka", system.stack.kafka.bootstrap, "recover"]
    environment = {**os.environ, f"PERENNIAL_{service.upper()}_DATABASE_URL": system.database_url(service)}
    words += ["--service", service, "--json"]
    outcome = subprocess.run(words, capture_output=True, text=True, timeout=120, check=False, env=environment)
    assert outcome.returncode == 0, outcome.stderr
    count: int = json.loads(outcome.stdout)["recovered_events"]
    return count


@pytest.mark.timeout(280)
@pytest.mark.parametrize("service", ["device", "activation"])
async def test_a_restored_ledger_is_refused_and_catches_up_from_its_topic(system: System, service: ServiceName) -> None:
    """R-120, R-121, R-127."""
    load, worker = Load(system, SEED, WAVE_LIVES), system.workers[f"{service}.1"]
    try:
        await load.run_wave()
        await asyncio.to_thread(worker.stop)
        await copied(system, service, "yesterday")
        await asyncio.to_thread(worker.start)
        await load.run_wave()
        assert not await examine(system, load)
        await asyncio.to_thread(worker.stop)
        await copied(system, "yesterday", service)
        # it may live until Kafka tells it, and never longer
        try:
            await asyncio.to_thread(worker.start)
            await asyncio.to_thread(until, lambda: worker.running, lambda running: not running)
        except LocalStackError:
            pass
        assert f"run `perennial recover --service {service}`" in worker.log.read_text()
        count = await asyncio.to_thread(recovered, system, service)
        say(f"{count} events of the {service} ledger came back")
        assert count > WAVE_LIVES
        assert await asyncio.to_thread(recovered, system, service) == 0
        await asyncio.to_thread(worker.start)
        await asyncio.to_thread(wait_until_ready, system)
        await load.run_wave()
        assert not await examine(system, load)
    finally:
        await load.close()
