"""Kills workers and servers under load, measures how long each takes to recover, and examines what is left."""

import asyncio
import logging
import random
from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from statistics import median
from time import monotonic
from typing import Literal

from services.cli.system import System
from shared.local.processes import last_lines
from shared.local.server import Server
from tests.journeys.checker import Checked, Evidence, Finding, backlog, check, opened
from tests.journeys.load import Canary, Load, StillWaiting

Target = Literal["device.1", "activation.1", "Kafka", "PostgreSQL"]
WORKERS: tuple[Target, Target] = ("device.1", "activation.1")
SERVERS: tuple[Target, Target] = ("Kafka", "PostgreSQL")

CANARIES = 3
WATCH_SECONDS = 0.5
PROGRESS_SECONDS = 5.0
QUIET_SECONDS_MAX = 120.0
DOWN_SECONDS_MAX = 2.0
FINDINGS_SHOWN_MAX = 30


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """How much is lived and killed. Between two kills lie up to `pause_seconds_max` seconds."""

    lives: int
    wave_lives: int
    worker_kills: int
    server_kills: int
    pause_seconds_max: float

    def targets(self, chance: random.Random) -> list[Target]:
        """Return whom to kill, in order."""
        targets = [WORKERS[number % 2] for number in range(self.worker_kills)]
        targets += [server for server in SERVERS for _ in range(self.server_kills)]
        chance.shuffle(targets)
        return targets


@dataclass(slots=True)
class Killer:
    """Kills one after the other, starts it again, and measures when work goes through everything again."""

    system: System
    load: Load
    targets: Sequence[Target]
    pause_seconds_max: float
    chance: random.Random
    started_at: float = field(default_factory=monotonic)
    recovered: list[tuple[Target, float]] = field(default_factory=list)
    down: set[Target] = field(default_factory=set)

    async def watch(self) -> None:
        """Raise AssertionError when a worker ends that nobody killed: it must outlive all others."""
        while True:
            for name in WORKERS:
                worker = self.system.workers[name]
                assert worker.running or name in self.down, f"{name} ended by itself: {last_lines(worker.log)}"
            await asyncio.sleep(WATCH_SECONDS)

    async def run(self) -> None:
        """Kill until all targets have had their turn."""
        for number, target in enumerate(self.targets, 1):
            await asyncio.sleep(self.chance.uniform(0, self.pause_seconds_max))
            # a device that sang at every kill would be taken for one that guesses codes
            canaries = [await Canary.enrolled(self.load) for _ in range(CANARIES)]
            await self._kill(number, target, canaries)

    async def _kill(self, number: int, target: Target, canaries: Sequence[Canary]) -> None:
        server, killed_at = self._server(target), monotonic()
        self.down.add(target)
        await asyncio.to_thread(server.kill)
        say(f"kill {number}/{len(self.targets)}: {target} at {killed_at - self.started_at:.2f} s")
        await asyncio.sleep(self.chance.uniform(0, DOWN_SECONDS_MAX))
        down_seconds = monotonic() - killed_at
        await asyncio.to_thread(server.start)
        up_seconds = monotonic() - killed_at
        self.down.discard(target)
        await asyncio.gather(*(canary.sing() for canary in canaries))
        seconds = monotonic() - killed_at
        self.recovered.append((target, seconds))
        say(f"  {target} was down {down_seconds:.1f} s, up after {up_seconds:.1f} s, all works after {seconds:.1f} s")

    def _server(self, target: Target) -> Server:
        servers: dict[str, Server] = {"Kafka": self.system.stack.kafka, "PostgreSQL": self.system.stack.postgres}
        return servers.get(target) or self.system.workers[target]


def say(line: str) -> None:
    """Tell whoever waits: pytest shows it with -s, and when the test fails."""
    print(line, flush=True)


async def live(load: Load, plan: Plan, killer: asyncio.Task[None]) -> None:
    """Live waves until there were enough lives and the killer is done."""
    while len(load.ended) < plan.lives or not killer.done():
        await load.run_wave()


async def _progress(load: Load, plan: Plan) -> None:
    started_at = monotonic()
    while True:
        await asyncio.sleep(PROGRESS_SECONDS)
        count, seconds = len(load.ended), monotonic() - started_at
        left = f"{(plan.lives - count) * seconds / count:.0f} s" if count else "?"
        say(f"lives {count}/{plan.lives}, {count / seconds:.1f}/s, about {left} left")


async def until_quiet(evidence: Evidence) -> None:
    """Return when nothing is due, unsent or unread."""
    async with asyncio.timeout(QUIET_SECONDS_MAX):
        while await _due(evidence) or await backlog(evidence):
            await asyncio.sleep(0.2)


async def _due(evidence: Evidence) -> int:
    due: int = await evidence.device.fetchval(
        "select count(*) from device, ledger where least(expires_at, retry_at)"
        " <= now() + make_interval(secs => clock_offset_ms / 1000.0)"
    )
    return due


async def examine(system: System, load: Load) -> Checked:
    """Return what the checker finds once the system is quiet."""
    async with evidence_of(system) as evidence:
        await until_quiet(evidence)
        started_at = monotonic()
        checked = await check(evidence, load.acknowledged)
    repeated = sum(checked.records.values()) - sum(checked.events.values())
    say(
        f"checked {sum(checked.events.values())} events in {monotonic() - started_at:.1f} s, {repeated} sent twice,"
        f" {len(load.acknowledged)} promises;"
        f" {load.http.repeated} requests and {load.sender.repeated} messages were repeated"
    )
    return checked


async def _findings(system: System, load: Load) -> Sequence[Finding]:
    async with evidence_of(system) as evidence:
        return (await check(evidence, load.acknowledged))[:FINDINGS_SHOWN_MAX]


def evidence_of(system: System) -> AbstractAsyncContextManager[Evidence]:
    """Return the evidence of a running system."""
    dsn = system.stack.postgres.dsn
    return opened(dsn("device"), dsn("activation"), system.stack.kafka.bootstrap)


async def killed_and_examined(system: System, plan: Plan, seed: int) -> Checked:
    """Live and kill by the plan and return what the checker finds."""
    chance = random.Random(seed)
    load = Load(system, seed, plan.wave_lives)
    killer = Killer(system, load, plan.targets(chance), plan.pause_seconds_max, chance)
    try:
        async with asyncio.TaskGroup() as tasks:
            killing = tasks.create_task(killer.run())
            watching = tasks.create_task(killer.watch())
            progress = tasks.create_task(_progress(load, plan))
            await live(load, plan, killing)
            watching.cancel()
            progress.cancel()
        report(killer)
        return await examine(system, load)
    except* StillWaiting:
        # what did not come is told by the traceback; why, perhaps by the checker
        for finding in await _findings(system, load):
            say(str(finding))
        raise
    finally:
        await load.close()


def report(killer: Killer) -> None:
    """Print how long each kind of kill took until work went through everything again."""
    for target in (*WORKERS, *SERVERS):
        seconds = sorted(taken for name, taken in killer.recovered if name == target)
        if seconds:
            middle, most = median(seconds), seconds[-1]
            say(f"{target}: {len(seconds)} kills, recovered after {middle:.1f} s (median), {most:.1f} s (most)")


def quiet_kafka_client() -> None:
    """Silence the Kafka client: it writes a line for every attempt to reach a broker that is dead."""
    logging.getLogger("aiokafka").setLevel(logging.CRITICAL)
