"""Two workers of each service share the work; one that sleeps through its lease writes nothing when it wakes up.

Waits are not limited in seconds: a busy machine takes as long as it takes. A worker renews its leases at a steady pace
that slows down with the machine, so a wait fails when the workers concerned have renewed too often meanwhile.
"""

import asyncio
import os
import signal
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from contextlib import asynccontextmanager
from datetime import datetime
from functools import partial
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
RENEWALS_MAX = 40
"""A minute on a quiet machine."""
STALLED_SECONDS = 120.0
"""A worker that does not renew for so long is stuck, not slow."""
START_SECONDS_MAX = 400.0
HANDLED_MEANWHILE = 60
BOTH: tuple[ServiceName, ServiceName] = ("device", "activation")


@pytest.fixture
def pair(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[System]:
    """A system with two workers of each service, however long they take to start."""
    monkeypatch.setattr("shared.local.server.START_SECONDS", START_SECONDS_MAX)
    monkeypatch.setattr("tests.journeys.running.READY_SECONDS", START_SECONDS_MAX)
    with running_system(tmp_path) as system:
        for service in BOTH:
            system.worker(service, "2", port=free_port()).start()
        wait_until_ready(system)
        yield system


@pytest.mark.timeout(1800)
async def test_two_workers_share_the_work_and_a_sleeper_writes_nothing_stale(pair: System) -> None:
    """R-120, R-121."""
    quiet_kafka_client()
    load = Load(pair, SEED, WAVE_LIVES, attempt_seconds=ATTEMPT_SECONDS)
    try:
        async with evidence_of(pair) as evidence:
            for service in BOTH:
                await _until_shared(evidence, service)
            async with _under_load(load):
                for service in BOTH:
                    await _until_both_consume(pair, evidence, service)
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
    sleeper, other, ledger = pair.workers[f"{service}.2"], f"{service}.1", evidence.ledger(service)
    await _until_shared(evidence, service)
    before = await _lease_epochs(ledger, sleeper.name)
    claimed = await _claims(ledger)
    assert before, f"{sleeper.name} owns nothing that it could lose"
    os.kill(sleeper.pid, signal.SIGSTOP)
    slept_at = monotonic()
    try:
        await _until(ledger, [other], lambda: _owns_all(ledger, other), f"{other} took over all leases")
        await _until(ledger, [other], lambda: _claims_grew(ledger, claimed), f"{other} took over all partitions")
        for number in range(1, HANDLED_MEANWHILE + 1):
            goal = await _event_count(ledger) + 1
            await _until(ledger, [other], partial(_reached, ledger, goal), f"{other} goes on alone: event {number}")
        say(f"{other} goes on alone after {monotonic() - slept_at:.1f} s")
    finally:
        os.kill(sleeper.pid, signal.SIGCONT)
    say(f"{sleeper.name} slept for {monotonic() - slept_at:.1f} s")
    await _until_shared(evidence, service)
    after = await _lease_epochs(ledger, sleeper.name)
    # every act on a lease checks its epoch: what the sleeper was about to do belongs to an epoch that is over
    assert not set(before.items()) & set(after.items())


async def _stops_and_comes_back(pair: System, evidence: Evidence, load: Load, service: ServiceName) -> None:
    worker, other, ledger = pair.workers[f"{service}.2"], f"{service}.1", evidence.ledger(service)
    canaries = [await Canary.enrolled(load) for _ in range(4)]
    del pair.workers[worker.name]  # a load balancer sends nobody to a worker that is told to stop
    stopped_at = monotonic()
    await asyncio.to_thread(worker.stop)
    say(f"{worker.name} stopped in {monotonic() - stopped_at:.1f} s")
    await _until(ledger, [other], lambda: _owns_all(ledger, other), f"{other} owns all leases")
    say(f"  {other} owned all leases after {monotonic() - stopped_at:.1f} s")
    await asyncio.gather(*(canary.sing() for canary in canaries))
    say(f"  {other} did all the work after {monotonic() - stopped_at:.1f} s")
    await asyncio.to_thread(worker.start)
    pair.workers[worker.name] = worker
    await _until_shared(evidence, service)


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


async def _until(ledger: Connection, workers: Sequence[str], holds: Callable[[], Awaitable[bool]], what: str) -> None:
    """Return when it holds; fail when each of the workers has renewed its leases `RENEWALS_MAX` times meanwhile."""
    renewals = dict.fromkeys(workers, 0)
    seen_at, renewed_at = await _seen_at(ledger, workers), dict.fromkeys(workers, monotonic())
    while not await holds():
        before, seen_at = seen_at, await _seen_at(ledger, workers)
        for worker in workers:
            if seen_at.get(worker) != before.get(worker):
                renewals[worker], renewed_at[worker] = renewals[worker] + 1, monotonic()
            stalled_seconds = monotonic() - renewed_at[worker]
            assert stalled_seconds < STALLED_SECONDS, f"{worker} has renewed no lease for {stalled_seconds:.0f} seconds"
        assert min(renewals.values()) <= RENEWALS_MAX, f"not so after {renewals} renewals: {what}"
        await asyncio.sleep(0.1)


async def _seen_at(ledger: Connection, workers: Sequence[str]) -> dict[str, datetime]:
    rows = await ledger.fetch("select name, seen_at from worker where name = any($1::text[])", workers)
    return {row["name"]: row["seen_at"] for row in rows}


async def _until_shared(evidence: Evidence, service: ServiceName) -> None:
    """Return when each of the two workers owns half of the leases."""
    ledger, workers = evidence.ledger(service), [f"{service}.1", f"{service}.2"]
    wanted = dict.fromkeys(workers, GROUP_COUNT // 2)

    async def shared() -> bool:
        return await _owners(ledger) == wanted

    await _until(ledger, workers, shared, f"the leases of {service} are shared evenly")


async def _until_both_consume(pair: System, evidence: Evidence, service: ServiceName) -> None:
    workers = [f"{service}.1", f"{service}.2"]

    async def both_consume() -> bool:
        return all([await _consumes(pair.workers[worker]) for worker in workers])

    await _until(evidence.ledger(service), workers, both_consume, f"both workers of {service} consume")


async def _owners(ledger: Connection) -> dict[str, int]:
    rows = await ledger.fetch("select owner, count(*) from lease where expires_at > now() group by owner")
    return {row["owner"]: row["count"] for row in rows}


async def _owns_all(ledger: Connection, worker: str) -> bool:
    return await _owners(ledger) == {worker: GROUP_COUNT}


async def _lease_epochs(ledger: Connection, worker: str) -> dict[int, int]:
    rows = await ledger.fetch("select slice_group, epoch from lease where owner = $1", worker)
    return {row["slice_group"]: row["epoch"] for row in rows}


async def _claims(ledger: Connection) -> dict[tuple[str, int], int]:
    rows = await ledger.fetch("select consumer, partition, epoch from inbound_partition")
    return {(row["consumer"], row["partition"]): row["epoch"] for row in rows}


async def _claims_grew(ledger: Connection, before: dict[tuple[str, int], int]) -> bool:
    return all(epoch > before.get(place, 0) for place, epoch in (await _claims(ledger)).items())


async def _event_count(ledger: Connection) -> int:
    total: int = await ledger.fetchval("select sum(position)::bigint from slice_head")
    return total


async def _reached(ledger: Connection, goal: int) -> bool:
    return await _event_count(ledger) >= goal


async def _consumes(worker: Worker) -> bool:
    """Return whether a consumer of this worker has handled something."""
    async with httpx.AsyncClient(trust_env=False, timeout=STALLED_SECONDS) as client:
        lines = (await client.get(f"{worker.url}/metrics")).text.splitlines()
    handled = [float(line.rsplit(" ", 1)[1]) for line in lines if line.startswith("perennial_consumer_records_total{")]
    return bool(handled) and max(handled) > 0
