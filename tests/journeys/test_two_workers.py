"""Two workers of each service share the work; one that sleeps through its lease writes nothing when it wakes up."""

import asyncio
import os
import signal
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from time import monotonic

import httpx
import pytest

from services.cli.system import System, Worker
from shared.ledger.database import Connection
from shared.ledger.lease import GROUP_COUNT
from shared.local.ports import free_port
from tests.journeys.checker import Evidence, ServiceName
from tests.journeys.faults import evidence_of, examine, quiet_kafka_client, say
from tests.journeys.load import Canary, Load
from tests.journeys.running import running_system, wait_until_ready

SEED = 11
WAVE_LIVES = 24
ATTEMPT_SECONDS = 7.0  # a request that waits for a sleeper is repeated elsewhere
DEADLINE_SECONDS = 60.0
HANDLED_MEANWHILE = 60
BOTH: tuple[ServiceName, ServiceName] = ("device", "activation")


@pytest.fixture
def pair(tmp_path: Path) -> Iterator[System]:
    """A system with two workers of each service."""
    with running_system(tmp_path) as system:
        for service in BOTH:
            system.worker(service, "2", port=free_port()).start()
        wait_until_ready(system)
        yield system


@pytest.mark.timeout(280)
async def test_two_workers_share_the_work_and_a_sleeper_writes_nothing_stale(pair: System) -> None:
    """R-120, R-121."""
    quiet_kafka_client()
    load = Load(pair, SEED, WAVE_LIVES, attempt_seconds=ATTEMPT_SECONDS)
    try:
        async with evidence_of(pair) as evidence:
            await _until(lambda: _shared_evenly(evidence), "the leases are shared")
            async with _under_load(load):
                await _until(lambda: _all_consume(pair), "all four workers consume")
                for service in BOTH:
                    await _sleeps_through_its_lease(pair, evidence, service)
                for service in BOTH:
                    await _stops_and_comes_back(pair, evidence, load, service)
        assert len(load.ended) > WAVE_LIVES
        checked = await examine(pair, load)
    finally:
        await load.close()
    assert not checked, "\n".join(map(str, checked[:50]))


async def _sleeps_through_its_lease(pair: System, evidence: Evidence, service: ServiceName) -> None:
    sleeper, ledger = pair.workers[f"{service}.2"], evidence.ledger(service)
    before = await _lease_epochs(ledger, sleeper.name)
    claimed = await _claims(ledger)
    assert before, f"{sleeper.name} owns nothing that it could lose"
    os.kill(sleeper.pid, signal.SIGSTOP)
    slept_at = monotonic()
    try:
        await _until(lambda: _owns_all(ledger, f"{service}.1"), f"{service}.1 took over the leases of {sleeper.name}")
        await _until(lambda: _claims_grew(ledger, claimed), f"{service}.1 took over the partitions of {sleeper.name}")
        goal = await _event_count(ledger) + HANDLED_MEANWHILE
        await _until(lambda: _reached(ledger, goal), f"{service}.1 goes on alone")
        say(f"{service}.1 goes on alone after {monotonic() - slept_at:.1f} s")
    finally:
        os.kill(sleeper.pid, signal.SIGCONT)
    say(f"{sleeper.name} slept for {monotonic() - slept_at:.1f} s")
    await _until(lambda: _shared_evenly(evidence), f"{sleeper.name} has its share again")
    after = await _lease_epochs(ledger, sleeper.name)
    # whoever acts on a lease proves its epoch: what the sleeper had in hand belongs to an epoch that is over
    assert not set(before.items()) & set(after.items())


async def _stops_and_comes_back(pair: System, evidence: Evidence, load: Load, service: ServiceName) -> None:
    worker, ledger = pair.workers[f"{service}.2"], evidence.ledger(service)
    canaries = [await Canary.enrolled(load) for _ in range(4)]
    del pair.workers[worker.name]  # a load balancer sends nobody to a worker that is told to stop
    stopped_at = monotonic()
    await asyncio.to_thread(worker.stop)
    say(f"{worker.name} stopped in {monotonic() - stopped_at:.1f} s")
    await _until(lambda: _owns_all(ledger, f"{service}.1"), f"{service}.1 owns all leases")
    say(f"  {service}.1 owned all leases after {monotonic() - stopped_at:.1f} s")
    await asyncio.gather(*(canary.sing() for canary in canaries))
    say(f"  {service}.1 did all the work after {monotonic() - stopped_at:.1f} s")
    await asyncio.to_thread(worker.start)
    pair.workers[worker.name] = worker
    await _until(lambda: _shared_evenly(evidence), f"{worker.name} has its share again")


# --- load ------------------------------------------------------------------------------------


@asynccontextmanager
async def _under_load(load: Load) -> AsyncIterator[None]:
    """Let waves of lives run while the caller does something; the last wave ends well."""
    done = asyncio.Event()

    async def live() -> None:
        while not done.is_set():
            await load.run_wave()

    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(live())
        yield
        done.set()


# --- what the ledger and the workers say ---------------------------------------------------------


async def _until(holds: Callable[[], Awaitable[bool]], what: str) -> None:
    deadline = monotonic() + DEADLINE_SECONDS
    while not await holds():
        assert monotonic() < deadline, f"not so after {DEADLINE_SECONDS:.0f} seconds: {what}"
        await asyncio.sleep(0.1)


async def _owners(ledger: Connection) -> dict[str, int]:
    rows = await ledger.fetch("select owner, count(*) from lease where expires_at > now() group by owner")
    return {row["owner"]: row["count"] for row in rows}


async def _shared_evenly(evidence: Evidence) -> bool:
    wanted = {service: {f"{service}.1": GROUP_COUNT // 2, f"{service}.2": GROUP_COUNT // 2} for service in BOTH}
    return {service: await _owners(evidence.ledger(service)) for service in BOTH} == wanted


async def _owns_all(ledger: Connection, worker: str) -> bool:
    return await _owners(ledger) == {worker: GROUP_COUNT}


async def _lease_epochs(ledger: Connection, worker: str) -> dict[int, int]:
    rows = await ledger.fetch("select slice_group, epoch from lease where owner = $1", worker)
    return {row["slice_group"]: row["epoch"] for row in rows}


async def _claims(ledger: Connection) -> dict[tuple[str, int], int]:
    rows = await ledger.fetch("select consumer, partition, epoch from inbound_partition")
    return {(row["consumer"], row["partition"]): row["epoch"] for row in rows}


async def _claims_grew(ledger: Connection, before: dict[tuple[str, int], int]) -> bool:
    return all(epoch > before[place] for place, epoch in (await _claims(ledger)).items())


async def _event_count(ledger: Connection) -> int:
    total: int = await ledger.fetchval("select sum(position)::bigint from slice_head")
    return total


async def _reached(ledger: Connection, goal: int) -> bool:
    return await _event_count(ledger) >= goal


async def _all_consume(pair: System) -> bool:
    return all([await _consumes(worker) for worker in pair.workers.values()])


async def _consumes(worker: Worker) -> bool:
    """Whether every consumer of a ledger in this worker has handled something."""
    async with httpx.AsyncClient(trust_env=False, timeout=10) as client:
        lines = (await client.get(f"{worker.url}/metrics")).text.splitlines()
    handled = [float(line.rsplit(" ", 1)[1]) for line in lines if line.startswith("perennial_consumer_records_total{")]
    return bool(handled) and max(handled) > 0
