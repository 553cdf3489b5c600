"""Kills, stops and scales everything under load; afterwards nothing is lost, doubled or different.

One life of the deployment, test after test; each prints how long it took until work went through everything again.
"""

import asyncio
from time import monotonic

import pytest

from services.cli.names import SERVICES, ServiceName
from tests.containers.deployment import BROKERS, Deployment, crash, wait_until_healthy
from tests.containers.living import assert_all_is_well, killed_and_started, recovered, under, until_shared
from tests.journeys.faults import say
from tests.journeys.load import Load

DOOR_SECONDS_MAX = 12.0
"""A door answers, or refuses clearly, within its deadline of 10 seconds; the rest is for a busy machine."""


@pytest.mark.timeout(240)
async def test_each_broker_may_be_killed_in_turn(deployment: Deployment, load: Load) -> None:
    """R-120, R-121: two of three copies are enough, and nobody waits for the third."""
    async with under(load) as canaries:
        for broker in BROKERS:
            await killed_and_started(deployment.container(broker), canaries)


@pytest.mark.timeout(240)
async def test_with_two_brokers_gone_the_doors_stay_open_and_the_flow_goes_on_afterwards(
    deployment: Deployment, load: Load
) -> None:
    """R-120, R-121."""
    async with under(load) as canaries:
        down = [deployment.container(broker) for broker in BROKERS[:2]]
        for broker in down:
            await asyncio.to_thread(broker.kill)
        asked_at = monotonic()
        await load.enroll(canaries[0].life)
        await load.add(canaries[0].life, canaries[0].life.first)
        say(f"two brokers killed: two orders taken after {monotonic() - asked_at:.2f} s")
        assert monotonic() - asked_at < DOOR_SECONDS_MAX
        started_at = monotonic()
        for broker in down:
            await asyncio.to_thread(broker.start)
        await recovered(canaries[1:], started_at, "two brokers started again")
        for broker in down:
            await asyncio.to_thread(wait_until_healthy, broker)


@pytest.mark.timeout(240)
async def test_postgresql_may_crash_and_the_engine_starts_it_again(deployment: Deployment, load: Load) -> None:
    """R-120, R-121."""
    async with under(load) as canaries:
        for service in SERVICES:
            killed_at = monotonic()
            crash(deployment.container(f"postgres-{service}"))
            await recovered(canaries, killed_at, f"postgres-{service} crashed")


@pytest.mark.timeout(240)
@pytest.mark.parametrize("service", SERVICES)
async def test_a_worker_may_crash_or_be_stopped(deployment: Deployment, load: Load, service: ServiceName) -> None:
    """R-120, R-121: the others take its share over, and it takes it back."""
    async with under(load) as canaries:
        worker = deployment.container(service)
        killed_at = monotonic()
        crash(worker)
        await recovered(canaries, killed_at, f"{worker.name} crashed")
        await asyncio.to_thread(wait_until_healthy, worker)
        stopped_at = monotonic()
        await asyncio.to_thread(worker.stop, timeout=25)
        say(f"{worker.name} stopped in {monotonic() - stopped_at:.1f} s")
        worker.reload()
        assert worker.attrs["State"]["ExitCode"] == 0
        await recovered(canaries, stopped_at, f"{worker.name} stopped")
        await asyncio.to_thread(worker.start)
        await asyncio.to_thread(wait_until_healthy, worker)


@pytest.mark.timeout(240)
async def test_workers_find_their_share_themselves_from_one_to_four_and_back(
    deployment: Deployment, load: Load
) -> None:
    """R-120, R-121."""
    async with under(load) as canaries:
        for count in (1, 4, 1, 2):
            scaled_at = monotonic()
            await asyncio.to_thread(deployment.up, device=count, activation=count)
            await until_shared(deployment, count)
            say(f"{count} workers of each service: shared after {monotonic() - scaled_at:.1f} s")
            await recovered(canaries, scaled_at, f"{count} workers of each service")


@pytest.mark.timeout(240)
async def test_after_all_that_nothing_is_lost_doubled_or_different(deployment: Deployment, load: Load) -> None:
    """R-120, R-121, R-116, R-118, R-85, R-66."""
    await assert_all_is_well(deployment, load)
