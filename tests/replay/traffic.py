"""Traffic for a rebuild to go on under: lives begin at a steady rate, and windows are watched.

Where the machine cannot carry the rate, lives begin as fast as it carries them: so many are under way, and no more.
"""

import asyncio
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from itertools import batched
from time import monotonic
from uuid import UUID

import httpx

from services.cli.system import System
from shared.ledger.identity import new_id
from tests.benchmarks.lives import IssuedCode, Life, issue
from tests.benchmarks.orders import TOPIC, Sender, sender
from tests.benchmarks.stand import Stand, connected

TOGETHER = 10
"""So many lives begin at a time."""
POLL_SECONDS = 0.05
WATCHED = 4
UNDER_WAY_SECONDS = 5.0
"""A life begins when the one that began so long before it, at the full rate, has its license."""


@dataclass(slots=True)
class Traffic:
    """What went on: lives begun, requests answered, and everything that should not have happened."""

    lives: int = 0
    requests: int = 0
    seconds: float = 0.0
    wrong: list[str] = field(default_factory=list)

    @property
    def per_second(self) -> float:
        """Return how many lives began in a second, once it is over."""
        return self.lives / self.seconds


@asynccontextmanager
async def traffic(system: System, *, lives_per_second: int) -> AsyncIterator[Traffic]:
    """Yield what goes on, until the end of the block; then it is over."""
    seen = Traffic()
    async with connected(system) as stand, sender(system.stack.kafka.bootstrap) as orders:
        began = monotonic()
        going_on = [asyncio.create_task(_begin(stand, orders, seen, lives_per_second))]
        going_on += [asyncio.create_task(_watch(stand, seen)) for _ in range(WATCHED)]
        try:
            yield seen
        finally:
            seen.seconds = monotonic() - began
            for each in going_on:
                each.cancel()
            ended = await asyncio.gather(*going_on, return_exceptions=True)
            seen.wrong += [repr(each) for each in ended if isinstance(each, Exception)]


async def _begin(stand: Stand, orders: Sender, seen: Traffic, lives_per_second: int) -> None:
    """Enroll devices and add a code, so many lives a second, and the second code when the first is the license."""
    began, under_way, under_way_max = monotonic(), deque[Life](), round(lives_per_second * UNDER_WAY_SECONDS)
    while True:
        for some in batched(await _lives(stand, lives_per_second), TOGETHER, strict=False):
            await orders.send(TOPIC, [each for life in some for each in (life.enroll(), life.add(life.first))])
            seen.lives += len(some)
            under_way.extend(some)
            await asyncio.sleep(max(0.0, began + seen.lives / lives_per_second - monotonic()))
            licensed = [under_way.popleft() for _ in range(len(under_way) - under_way_max)]
            if licensed:
                await _until_licensed(stand, licensed[-1])
                await orders.send(TOPIC, [life.add(life.second) for life in licensed])


async def _lives(stand: Stand, count: int) -> list[Life]:
    codes = [IssuedCode(each["code_ref"], each["last_group"]) for each in await issue(stand, 2 * count, term="P1Y")]
    return [Life(str(UUID(int=new_id().int)), *pair) for pair in batched(codes, 2, strict=True)]


async def _until_licensed(stand: Stand, life: Life) -> None:
    """Return when a device has its first license."""
    licensed = "select license_ref is not null from device where device_id = $1"
    while not await stand.ledgers["device"].fetchval(licensed, life.device_id):
        await asyncio.sleep(POLL_SECONDS)


async def _watch(stand: Stand, seen: Traffic) -> None:
    """Use a device as its owner does: add codes, look at the window, and never see an older state than before."""
    enrolled = await stand.client.post(
        stand.url("device", "/v1/devices"), json={"product": "antivirus", "region": "DE"}
    )
    device = enrolled.raise_for_status().json()
    headers = {"Authorization": f"Bearer {device['token']}"}
    path = stand.url("device", f"/v1/devices/{device['device_id']}")
    shown = 0
    while True:
        (code,) = await issue(stand, 1, term="P1Y")
        added = await stand.client.post(f"{path}/codes", json={"code": code["code"], "replace": True}, headers=headers)
        _expect(added, 202, seen)
        for _ in range(20):
            window = await stand.client.get(f"{path}/license", headers=headers)
            _expect(window, 200, seen)
            version = int(window.headers["ETag"].strip('"').partition("-")[0])
            if version < shown:
                seen.wrong.append(f"stale: version {version} was shown after {shown}")
            shown = version


def _expect(answer: httpx.Response, status: int, seen: Traffic) -> None:
    seen.requests += 1
    if answer.status_code != status:
        seen.wrong.append(f"{answer.request.method} {answer.request.url.path}: {answer.status_code} {answer.text}")
