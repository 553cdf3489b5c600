"""Measures how long adding a code takes at a light load over HTTP, each on its own device with an active license."""

import asyncio
import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from shared.ledger.clock import machine_now
from shared.ledger.identity import new_id
from tests.benchmarks.door_client import DoorClient
from tests.benchmarks.flow import Stuck, drained, look
from tests.benchmarks.lives import issue
from tests.benchmarks.stand import Stand
from tests.benchmarks.usage import Meter, Used, roots

ADDS_PER_SECOND = 50
AT_ONCE = 100
# a waiting reader costs as much as the add itself; a few are enough to see when verdicts are shown
WATCHED_EVERY = 10
# Java compiles hot code, so the first adds would measure the compiler
WARM_UP_SHARE = 0.25
SHOWN_SECONDS_MAX = 30.0
WAIT = "wait=5"
# these licenses outlive the throughput run, which moves the clock by a year
TERM = "P10Y"


@dataclass(frozen=True, slots=True)
class Owner:
    """A device, its credentials, and the code that it will add."""

    device_id: str
    headers: dict[str, str]
    code: str

    def path(self, what: str) -> str:
        """Return a route of the device."""
        return f"/v1/devices/{self.device_id}{what}"


@dataclass(frozen=True, slots=True)
class Added:
    """One added code as its client saw it, in milliseconds from the request; `asked_at` is from the machine's clock.

    `shown_ms` is set only if the client waited for it.
    """

    device_id: str
    asked_at: datetime
    accepted_ms: float
    shown_ms: float | None


@dataclass(frozen=True, slots=True)
class Percentiles:
    """The percentiles of one measurement, in milliseconds."""

    p50: float
    p99: float
    most: float


@dataclass(frozen=True, slots=True, kw_only=True)
class LightLoad:
    """A light load of adds; `decided` is in milliseconds from the add to its verdict, both in the device ledger.

    `adds` are those after the warm-up; `adds_per_second` is the actual rate of requests.
    """

    adds: int
    adds_per_second: float
    used: Used
    decided: Percentiles

    def cpu_ms_per_add(self) -> dict[str, float]:
        """Return the CPU time of each part; the adds of the warm-up count too, as their CPU time does."""
        adds = self.adds_per_second * self.used.seconds
        return {name: 1000 * seconds / adds for name, seconds in self.used.cpu_seconds.items()}


@dataclass(frozen=True, slots=True, kw_only=True)
class Latency(LightLoad):
    """The light load as our own system shows it: milliseconds from the request to each result."""

    accepted: Percentiles
    recorded: Percentiles
    shown: Percentiles


async def prepare(stand: Stand, door: DoorClient, count: int) -> list[Owner]:
    """Return owners of devices with an active license."""
    codes = [each["code"] for each in await issue(stand, 2 * count, term=TERM)]
    operator = {"Authorization": f"Bearer {stand.system.credentials.operator_key}"}
    start = await look(stand)
    owners: list[Owner] = []
    while len(owners) < count:
        numbers = range(len(owners), min(len(owners) + AT_ONCE, count))
        owners += await asyncio.gather(
            *(_enroll(door, operator, codes[2 * number : 2 * number + 2]) for number in numbers)
        )
    # enrolled, added, activated
    await drained(stand, device_events_min=start.device_recorded + 3 * count, watch=lambda _: None)
    return owners


async def _enroll(door: DoorClient, operator: Mapping[str, str], codes: Sequence[str]) -> Owner:
    first, second = codes
    # without the operator key, the enrollments per minute from one address are limited
    device = (await door.post("/v1/devices", operator, {"product": "antivirus", "region": "DE"}, hoped=201)).json()
    owner = Owner(device["device_id"], {"Authorization": f"Bearer {device['token']}"}, second)
    await door.post(owner.path("/codes"), owner.headers, {"code": first}, hoped=202)
    return owner


async def measure(
    stand: Stand, door: DoorClient, owners: Sequence[Owner], *, progress: Callable[[int], None]
) -> Latency:
    """Add one code per owner at a constant rate, however slow the responses are, and return the percentiles."""
    start = await look(stand)
    meter, tasks, done = Meter(roots(stand.system)), list[asyncio.Task[Added]](), 0

    def count(_: object) -> None:
        nonlocal done
        done += 1
        progress(done)

    async with asyncio.TaskGroup() as group:
        for number, owner in enumerate(owners):
            await asyncio.sleep(number / ADDS_PER_SECOND - meter.seconds)
            tasks.append(group.create_task(_add(door, owner, watched=number % WATCHED_EVERY == 0)))
            tasks[-1].add_done_callback(count)
        pace = len(tasks) / meter.seconds
    used = meter.read()
    # added, verified
    await drained(stand, device_events_min=start.device_recorded + 2 * len(owners), watch=lambda _: None)
    warm = tasks[int(WARM_UP_SHARE * len(tasks)) :]
    return await _percentiles(stand, [task.result() for task in warm], pace, used)


async def _add(door: DoorClient, owner: Owner, *, watched: bool) -> Added:
    headers = {**owner.headers, "Idempotency-Key": str(new_id())}
    asked_at, began = machine_now(), time.perf_counter()
    await door.post(owner.path("/codes"), headers, {"code": owner.code}, hoped=202)
    accepted_seconds = time.perf_counter() - began
    if watched:
        await _shown_as_ready(door, owner)
    shown_ms = 1000 * (time.perf_counter() - began) if watched else None
    return Added(owner.device_id, asked_at, 1000 * accepted_seconds, shown_ms)


async def _shown_as_ready(door: DoorClient, owner: Owner) -> None:
    etag, deadline = "", time.monotonic() + SHOWN_SECONDS_MAX
    while time.monotonic() < deadline:
        headers = {**owner.headers, "If-None-Match": etag, "Prefer": WAIT}
        reply = await door.get(owner.path("/license"), headers, hoped=(200, 304))
        etag = reply.headers["etag"]
        if reply.body and reply.json().get("reserve", {}).get("status") == "ready":
            return
    raise Stuck(f"device {owner.device_id} did not show its reserve as ready within {SHOWN_SECONDS_MAX:.0f} s")


async def _percentiles(stand: Stand, adds: Sequence[Added], pace: float, used: Used) -> Latency:
    rows = await stand.ledgers["device"].fetch(VERDICTS, [added.device_id for added in adds])
    facts = {row["device_id"]: row for row in rows}
    return Latency(
        adds=len(adds),
        adds_per_second=pace,
        used=used,
        accepted=percentiles_of([added.accepted_ms for added in adds]),
        recorded=percentiles_of([_ms(added.asked_at, facts[added.device_id]["verified_at"]) for added in adds]),
        shown=percentiles_of([added.shown_ms for added in adds if added.shown_ms is not None]),
        decided=percentiles_of([_ms(row["added_at"], row["verified_at"]) for row in rows]),
    )


def _ms(first: Any, then: Any) -> float:
    return 1000 * float((then - first).total_seconds())


def percentiles_of(values: Sequence[float]) -> Percentiles:
    """Return the percentiles of some times in milliseconds."""
    ordered = sorted(values)
    return Percentiles(p50=_nearest(ordered, 0.50), p99=_nearest(ordered, 0.99), most=ordered[-1])


def _nearest(ordered: Sequence[float], share: float) -> float:
    return ordered[math.ceil(share * len(ordered)) - 1]


# the first code of each device was activated at once, so there is only one verdict of this type
VERDICTS = """
select stream_id as device_id,
       max(recorded_at) filter (where type = 'CodeAdded') as added_at,
       max(recorded_at) filter (where type = 'CodeVerified') as verified_at
from event where stream_id = any($1::text[]) and type in ('CodeAdded', 'CodeVerified')
group by stream_id
"""
