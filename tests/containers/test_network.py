"""Partitions and a bad network: doors answer or refuse clearly within their deadline, and nothing is lost."""

import asyncio
from contextlib import ExitStack
from time import monotonic

import httpx
import pytest

from services.cli.names import SERVICES
from tests.containers.deployment import BROKERS, Deployment
from tests.containers.living import assert_all_is_well, recovered, under
from tests.containers.network import cut_off, losing, narrow, spoiling_impossible
from tests.containers.test_faults import DOOR_SECONDS_MAX
from tests.journeys.faults import say
from tests.journeys.load import Load

LOST = 0.1
NARROW_KILOBITS_PER_SECOND = 512
QUEUE_SECONDS_MAX = 0.5


@pytest.fixture(autouse=True)
def root() -> None:
    """Pass over where the network cannot be spoiled."""
    if problem := spoiling_impossible():
        pytest.skip(problem)


@pytest.mark.timeout(200)
async def test_with_kafka_out_of_reach_the_doors_stay_open_and_nothing_is_lost(
    deployment: Deployment, load: Load
) -> None:
    """R-120, R-121."""
    async with under(load) as canaries:
        brokers = [deployment.container(broker) for broker in BROKERS]
        with ExitStack() as cuts:
            for worker in (worker for service in SERVICES for worker in deployment.containers(service)):
                cuts.enter_context(cut_off(deployment, worker, brokers))
            asked_at = monotonic()
            await load.enroll(canaries[0].life)
            await load.add(canaries[0].life, canaries[0].life.first)
            say(f"Kafka out of reach: two orders taken after {monotonic() - asked_at:.2f} s")
            assert monotonic() - asked_at < DOOR_SECONDS_MAX
            await asyncio.to_thread(_until_not_ready, deployment)
        await recovered(canaries[1:], monotonic(), "Kafka back in reach")


def _until_not_ready(deployment: Deployment) -> None:
    """A worker that cannot reach Kafka says so; its door stays open all the same."""
    deadline = monotonic() + 40
    url = deployment.urls("device")[0]
    while (answer := httpx.get(f"{url}/readyz", timeout=5, trust_env=False)).is_success:
        assert monotonic() < deadline, "a worker without Kafka still says that it is ready"
    detail = answer.json()["detail"]
    say(f"without Kafka a worker says: {detail}")
    assert "Kafka" in detail


@pytest.mark.timeout(200)
async def test_a_worker_without_its_ledger_refuses_in_time_and_the_others_go_on(
    deployment: Deployment, load: Load
) -> None:
    """R-120, R-121."""
    async with under(load) as canaries:
        worker = deployment.containers("device")[0]
        url = f"http://{deployment.address(worker)}:8100"
        with cut_off(deployment, worker, [deployment.container("postgres-device")]):
            asked_at = monotonic()
            async with httpx.AsyncClient(trust_env=False, timeout=2 * DOOR_SECONDS_MAX) as client:
                answer = await client.post(f"{url}/v1/devices", json={"product": "antivirus", "region": "DE"})
            say(f"a worker without its ledger refused after {monotonic() - asked_at:.1f} s: {answer.text}")
            assert answer.status_code == httpx.codes.SERVICE_UNAVAILABLE
            assert answer.headers["content-type"] == "application/problem+json"
            assert monotonic() - asked_at < DOOR_SECONDS_MAX
            await recovered(canaries, asked_at, "one worker without its ledger")
        await recovered(canaries, monotonic(), "the worker has its ledger back")


@pytest.mark.timeout(200)
async def test_a_network_that_loses_a_tenth_of_all_packets_makes_it_slow_and_nothing_else(
    deployment: Deployment, load: Load
) -> None:
    """R-120, R-121."""
    parts = [*SERVICES, *BROKERS, "postgres-device", "postgres-activation"]
    async with under(load) as canaries:
        with ExitStack() as spoilt:
            for container in (container for part in parts for container in deployment.containers(part)):
                spoilt.enter_context(losing(container, LOST))
            started_at = monotonic()
            for _ in range(3):
                await recovered(canaries, started_at, "a tenth of all packets lost")
        await recovered(canaries, monotonic(), "no packet lost any more")


@pytest.mark.timeout(200)
async def test_a_narrow_line_on_which_everything_is_late_makes_it_slow_and_nothing_else(
    deployment: Deployment, load: Load
) -> None:
    """R-120, R-121."""
    async with under(load) as canaries:
        with ExitStack() as spoilt:
            for part in (*SERVICES, *BROKERS):
                for container in deployment.containers(part):
                    line = narrow(
                        container, kilobits_per_second=NARROW_KILOBITS_PER_SECOND, seconds_max=QUEUE_SECONDS_MAX
                    )
                    spoilt.enter_context(line)
            started_at = monotonic()
            await recovered(canaries, started_at, "half a megabit per second for each")
        await recovered(canaries, monotonic(), "the lines are wide again")


@pytest.mark.timeout(200)
async def test_after_all_that_nothing_is_lost_doubled_or_different(deployment: Deployment, load: Load) -> None:
    """R-120, R-121, R-116, R-118, R-85, R-66."""
    await assert_all_is_well(deployment, load)
