"""What the tests of a deployment share: lives that go on meanwhile, and how long it took until all worked again."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Sequence
from contextlib import asynccontextmanager
from functools import partial
from time import monotonic
from typing import cast

from services.cli.names import SERVICES
from services.cli.system import System
from shared.ledger.database import Connection
from shared.ledger.lease import GROUP_COUNT
from tests.containers.deployment import Container, Deployment, wait_until_healthy
from tests.journeys.faults import evidence_of, examine, say
from tests.journeys.load import Canary, Load

CANARIES = 3
PATIENCE_SECONDS = 30.0
POLL_SECONDS = 0.1
FINDINGS_SHOWN_MAX = 50


@asynccontextmanager
async def under(load: Load) -> AsyncIterator[list[Canary]]:
    """Let waves of lives run meanwhile, and yield those who tell whether work goes through everything."""
    done = asyncio.Event()
    canaries = [await Canary.enrolled(load) for _ in range(CANARIES)]

    async def live() -> None:
        while not done.is_set():
            await load.run_wave()

    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(live())
        yield canaries
        done.set()


async def recovered(canaries: Sequence[Canary], since: float, what: str) -> float:
    """Wait until work goes through everything, and say how long after `since` that was."""
    await asyncio.gather(*(canary.sing() for canary in canaries))
    seconds = monotonic() - since
    say(f"{what}: all works after {seconds:.1f} s")
    return seconds


async def killed_and_started(container: Container, canaries: Sequence[Canary]) -> None:
    """Kill a container, see that all works without it, start it again, and see that all works with it."""
    killed_at = monotonic()
    await asyncio.to_thread(container.kill)
    await recovered(canaries, killed_at, f"{container.name} killed")
    started_at = monotonic()
    await asyncio.to_thread(container.start)
    await asyncio.to_thread(wait_until_healthy, container)
    await recovered(canaries, started_at, f"{container.name} started again")


async def until[Answer](ask: Callable[[], Awaitable[Answer]], wanted: Callable[[Answer], bool]) -> None:
    """Ask until the answer is wanted."""
    deadline = monotonic() + PATIENCE_SECONDS
    while not wanted(answer := await ask()):
        assert monotonic() < deadline, f"still not so after {PATIENCE_SECONDS:.0f} seconds: {answer!r}"
        await asyncio.sleep(POLL_SECONDS)


async def until_shared(deployment: Deployment, count: int) -> None:
    """Return when `count` workers of each service own equal shares of the leases."""
    async with evidence_of(cast("System", deployment)) as evidence:
        for service in SERVICES:
            await until(partial(_owners, evidence.ledger(service)), partial(_fair, count=count))


def _fair(owners: dict[str, int], *, count: int) -> bool:
    return (
        len(owners) == count
        and sum(owners.values()) == GROUP_COUNT
        and max(owners.values()) <= -(-GROUP_COUNT // count)
    )


async def _owners(ledger: Connection) -> dict[str, int]:
    rows = await ledger.fetch("select owner, count(*) from lease where expires_at > now() group by owner")
    return {row["owner"]: row["count"] for row in rows}


async def assert_all_is_well(deployment: Deployment, load: Load, *, apart_from: Collection[str] = ()) -> None:
    """One more wave, then the checker: nothing is lost, doubled or different in ledgers, topics and tables."""
    await load.run_wave()
    checked = [found for found in await examine(cast("System", deployment), load) if found.name not in apart_from]
    say(f"{len(load.ended)} lives in {load.waves} waves")
    assert not checked, "\n".join(map(str, checked[:FINDINGS_SHOWN_MAX]))
