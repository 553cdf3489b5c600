"""Restarts and upgrades one worker after the other: nobody outside notices, and no old one trips over the new ones."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from time import monotonic
from typing import cast

import httpx
import pytest

from services.cli.names import SERVICES, ServiceName
from services.cli.system import System
from shared import messages
from tests.containers.deployment import Container, Deployment, run, wait_until_healthy
from tests.containers.living import assert_all_is_well, recovered, under, until_shared
from tests.journeys.faults import evidence_of, say
from tests.journeys.load import Load

NEXT = "perennial:test-next"
REQUEST_SECONDS = 15.0


@dataclass(slots=True)
class Caller:
    """Somebody who asks all the time, and asks once more when a request fails."""

    asked: int = 0
    repeated: int = 0
    failed: int = 0


@asynccontextmanager
async def called(deployment: Deployment) -> AsyncIterator[Caller]:
    """Yield who calls both services, orders and reads, until the end."""
    caller, done = Caller(), asyncio.Event()
    requests = [
        ("POST", f"{deployment.worker('device').url}/v1/devices", {"product": "antivirus", "region": "DE"}),
        ("GET", f"{deployment.worker('activation').url}/v1/sandbox/clock", None),
    ]
    headers = {"Authorization": f"Bearer {deployment.credentials.operator_key}"}

    async def call(client: httpx.AsyncClient) -> None:
        while not done.is_set():
            for method, url, body in requests:
                caller.asked += 1
                if not await _answered(client, method, url, body):
                    caller.repeated += 1
                    caller.failed += not await _answered(client, method, url, body)
            await asyncio.sleep(0.2)

    client = httpx.AsyncClient(headers=headers, trust_env=False, timeout=REQUEST_SECONDS)
    async with client, asyncio.TaskGroup() as tasks:
        tasks.create_task(call(client))
        yield caller
        done.set()


async def _answered(client: httpx.AsyncClient, method: str, url: str, body: object) -> bool:
    try:
        return (await client.request(method, url, json=body)).is_success
    except httpx.TransportError:
        return False


async def restarted(worker: Container) -> None:
    """Stop a worker and start it again, as an operator does."""
    await asyncio.to_thread(worker.stop, timeout=25)
    await asyncio.to_thread(worker.start)
    await asyncio.to_thread(wait_until_healthy, worker)


@pytest.mark.timeout(240)
async def test_a_rolling_restart_is_noticed_by_nobody(deployment: Deployment, load: Load) -> None:
    """R-120, R-121: no request fails that is repeated once."""
    async with under(load) as canaries, called(deployment) as caller:
        started_at = monotonic()
        for service in SERVICES:
            for worker in deployment.containers(service):
                await restarted(worker)
        await recovered(canaries, started_at, "every worker restarted in turn")
    say(f"{caller.asked} requests meanwhile, {caller.repeated} repeated")
    assert caller.failed == 0


@pytest.fixture
def next_release(deployment: Deployment, tmp_path: Path) -> Iterator[str]:
    """An image of the next release: its verdicts have one field more, which no old worker knows."""
    module = Path(messages.__file__).with_name("verdicts.py")
    known = "    predicted_ends_at: Moment\n"
    text = module.read_text()
    assert known in text
    (tmp_path / "verdicts.py").write_text(text.replace(known, f'{known}    mood: str = "cheerful"\n', 1))
    (tmp_path / "Dockerfile").write_text(f"FROM {deployment.image}\nCOPY verdicts.py /app/shared/messages/\n")
    run("docker", "build", "-q", "-t", NEXT, str(tmp_path))
    yield NEXT
    run("docker", "image", "rm", "-f", NEXT)


@pytest.mark.timeout(280)
async def test_old_and_new_workers_run_side_by_side_while_one_replaces_the_other(
    deployment: Deployment, load: Load, next_release: str
) -> None:
    """R-120, R-121, R-122: no request fails that is repeated once, and nothing is parked."""
    parked = await _parked(deployment)
    async with under(load) as canaries, called(deployment) as caller:
        # who reads a new field goes before who writes it; old and new ones of a service still meet
        for service in SERVICES:
            started_at = monotonic()
            old = deployment.containers(service)
            await asyncio.to_thread(_scale, deployment, service, 2 * len(old), next_release)
            await recovered(canaries, started_at, f"{service}: old and new workers side by side")
            for worker in old:
                await asyncio.to_thread(worker.stop, timeout=25)
                await asyncio.to_thread(worker.remove)
            await recovered(canaries, started_at, f"{service}: new workers alone")
    await until_shared(deployment, 2)
    say(f"{caller.asked} requests meanwhile, {caller.repeated} repeated")
    assert caller.failed == 0
    assert await _parked(deployment) == parked
    assert await _told_new_field(deployment)


def _scale(deployment: Deployment, service: ServiceName, count: int, image: str) -> None:
    words = ("up", "-d", "--wait", "--no-recreate", "--no-deps", "--scale", f"{service}={count}", service)
    deployment.compose(*words, PERENNIAL_IMAGE=image)


async def _parked(deployment: Deployment) -> int:
    async with evidence_of(cast("System", deployment)) as evidence:
        return sum([await evidence.ledger(name).fetchval("select count(*) from parked") for name in SERVICES])


async def _told_new_field(deployment: Deployment) -> bool:
    sql = "select exists (select from event_json where type = 'CodeVerified' and data->>'mood' = 'cheerful')"
    async with evidence_of(cast("System", deployment)) as evidence:
        return bool(await evidence.activation.fetchval(sql))


@pytest.mark.timeout(200)
async def test_after_all_that_nothing_is_lost_doubled_or_different(deployment: Deployment, load: Load) -> None:
    """R-120, R-121, R-116, R-118, R-85, R-66."""
    # of a field that only one of two releases knows, the verdict and its copy in the device's log cannot agree
    await assert_all_is_well(deployment, load, apart_from={"verdict_differs_from_cause"})
