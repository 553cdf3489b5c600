"""A topic is lost while lives are lived, and filled again from the ledger: the system goes on, nothing twice."""

import asyncio
import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from aiokafka.admin import AIOKafkaAdminClient

from services.cli.names import ServiceName
from services.cli.system import System
from tests.cli.running import answer, surroundings
from tests.journeys.faults import evidence_of, examine, quiet_kafka_client, say
from tests.journeys.load import Canary, Load
from tests.journeys.running import running_system

LIVES_PER_WAVE = 120
WAVES_AFTER = 1
LOST_SECONDS = 3.0


@pytest.fixture
def system(tmp_path: Path) -> Iterator[System]:
    """A system of its own, to lose its topics."""
    quiet_kafka_client()
    with running_system(tmp_path / "data") as system:
        yield system


async def delete_topic(system: System, topic: str) -> None:
    admin = AIOKafkaAdminClient(bootstrap_servers=system.stack.kafka.bootstrap)
    await admin.start()
    try:
        await admin.delete_topics([topic])
        while topic in await admin.list_topics():
            await asyncio.sleep(0.05)
    finally:
        await admin.close()


def environment_of(system: System) -> dict[str, str]:
    """Return the shell of an operator of the system."""
    ports = system.stack.ports
    return {
        **surroundings(system.folder),
        "PERENNIAL_POSTGRES_PORT": str(ports.postgres),
        "PERENNIAL_KAFKA_PORT": str(ports.kafka),
        "PERENNIAL_KAFKA_CONTROLLER_PORT": str(ports.kafka_controller),
    }


async def lose_and_fill(system: System, service: ServiceName) -> None:
    """Delete the service's topic, leave the system without it for a while, and fill it again from the ledger."""
    await delete_topic(system, f"{service}.events.v1")
    say(f"{service}.events.v1 is gone")
    await asyncio.sleep(LOST_SECONDS)
    words = ("log", "republish", "--service", service, "--json")
    outcome = await asyncio.to_thread(answer, environment_of(system), *words)
    assert outcome.returncode == 0, outcome.stderr
    told = json.loads(outcome.stdout)
    assert (told["made"], told["topic"]) == (True, f"{service}.events.v1")
    assert told["events"] > 0
    say(f"filled again: {told}")


@pytest.mark.faults
@pytest.mark.timeout(600)
async def test_both_topics_are_lost_under_traffic_and_nothing_is_lost_or_done_twice(system: System) -> None:
    """R-116, R-118, R-120, R-127."""
    load = Load(system, 7, LIVES_PER_WAVE)
    try:
        await load.run_wave()
        canary = await Canary.enrolled(load)
        for service in ("device", "activation"):
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(load.run_wave())
                await asyncio.sleep(1)
                await tasks.create_task(lose_and_fill(system, service))
            await canary.sing()
            say(f"everything works again: {len(load.ended)} lives")
        for _ in range(WAVES_AFTER):
            await load.run_wave()
        checked = await examine(system, load)
    finally:
        await load.close()
    assert not checked, "\n".join(map(str, checked[:50]))
    async with evidence_of(system) as evidence:
        for ledger in (evidence.device, evidence.activation):
            assert await ledger.fetchval("select count(*) from parked") == 0
    whole = await asyncio.to_thread(answer, environment_of(system), "log", "verify", "--json")
    assert whole.returncode == 0, whole.stderr
    for line in whole.stdout.splitlines():
        told = json.loads(line)
        assert (told["whole"], told["not_sent_yet"]) == (True, 0)
        say(f"{told['ledger']}: {told['events']} events, {told['records']} records, {told['findings']}")
