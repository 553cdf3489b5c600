"""`make bench`: measures the system on this machine. `python -m tests.benchmarks --help` lists the options."""

import argparse
import json
from dataclasses import dataclass
from pathlib import Path

import uvloop

from services.cli.system import System
from tests.benchmarks import endings, latency, limits, lives
from tests.benchmarks.door_client import door_client
from tests.benchmarks.latency import ADDS_PER_SECOND, Latency
from tests.benchmarks.limits import Limit
from tests.benchmarks.machine import Machine, describe
from tests.benchmarks.obvious_pair import work as obvious_pair
from tests.benchmarks.orders import Sender, sender
from tests.benchmarks.report import show, show_turns
from tests.benchmarks.results import PairResults, Results, Throughput
from tests.benchmarks.stand import Stand, connected, started
from tests.benchmarks.storage import Disk
from tests.benchmarks.talk import say, step
from tests.benchmarks.turns import THIS, Turn, by_turns, checked_out
from tests.benchmarks.usage import Memory, percent_at_rest, roots, watched

MODULE = "tests.benchmarks"
PAIR_FOLDER = "tests/benchmarks/obvious_pair"
PAIR = {"pair, outbox": True, "pair, after commit": False}
BATCH_OF_ONE = {"PERENNIAL_BATCH_RECORDS_MAX": "1"}


@dataclass(frozen=True, slots=True)
class Plan:
    """How much to measure."""

    lives: int
    lives_in_batches_of_one: int
    latency_seconds: int
    records: int
    rows: int
    pair_lives: int
    seed: int


@dataclass(frozen=True, slots=True)
class Found:
    """The results of the system with its usual settings."""

    machine: Machine
    at_rest: dict[str, float]
    latency: Latency
    throughput: Throughput
    memory: Memory
    bare_producer: Limit
    bare_insert: Limit


def main() -> None:
    """Run the benchmarks, print the results, and write them to a file if requested."""
    asked = _parser().parse_args()
    if asked.against:
        _take_turns(asked)
        return
    results = _run(_plan(asked))
    show(results)
    if asked.json:
        results.write(asked.json)


def _take_turns(asked: argparse.Namespace) -> None:
    with checked_out(asked.against) as other:
        options = _shared_options(asked)
        without_pair = ["--no-pair"] if other.has(PAIR_FOLDER) else []
        ours, theirs = by_turns(
            Turn(THIS, MODULE, options if asked.pair else [*options, "--no-pair"]),
            Turn(other, MODULE, [*options, *without_pair]),
            turns=asked.turns,
        )
    show_turns(ours, asked.against, theirs)
    if asked.json:
        asked.json.write_text(json.dumps({"this build": ours, asked.against: theirs}, indent=2) + "\n")


def _shared_options(asked: argparse.Namespace) -> list[str]:
    """Return the options that all builds of ours know."""
    options = ["--seed", str(asked.seed)]
    if asked.lives:
        options += ["--lives", str(asked.lives)]
    return [*options, "--quick"] if asked.quick else options


def _run(plan: Plan) -> Results:
    say("starting PostgreSQL, Kafka and both services")
    with started({}) as system:
        found = uvloop.run(_measure(system, plan))
    say("restarting everything with batches of one")
    with started(BATCH_OF_ONE) as system:
        one = uvloop.run(_measure_batches_of_one(system, plan))
    return Results(
        machine=found.machine,
        cpu_percent_at_rest=found.at_rest,
        latency=found.latency,
        throughput=found.throughput,
        memory_peak_bytes=found.memory.peak,
        memory_end_bytes=found.memory.last,
        bare_producer=found.bare_producer,
        bare_insert=found.bare_insert,
        batch_of_one=one,
        obvious_pair={way: _measure_pair(outbox, plan) for way, outbox in PAIR.items()} if plan.pair_lives else {},
    )


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks", description=main.__doc__)
    parser.add_argument("--lives", type=int, help="number of lives at full speed (default 20000; 2000 with --quick)")
    parser.add_argument("--quick", action="store_true", help="do a short run to check that everything works")
    parser.add_argument("--seed", type=int, default=1, help="seed for the device ids (default 1)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="also write all results to FILE")
    parser.add_argument(
        "--pair", action=argparse.BooleanOptionalAction, default=True, help="also measure the obvious pair (default)"
    )
    parser.add_argument("--against", metavar="REF", help="also build this commit, and run it by turns with this build")
    parser.add_argument("--turns", type=int, default=3, help="turns of each build with --against (default 3)")
    return parser


def _plan(asked: argparse.Namespace) -> Plan:
    return Plan(
        lives=asked.lives or (2_000 if asked.quick else 20_000),
        lives_in_batches_of_one=200 if asked.quick else 500,
        latency_seconds=5 if asked.quick else 20,
        records=50_000 if asked.quick else 200_000,
        rows=10_000 if asked.quick else 50_000,
        pair_lives=(400 if asked.quick else 5_000) if asked.pair else 0,
        seed=asked.seed,
    )


def _measure_pair(outbox: bool, plan: Plan) -> PairResults:
    return obvious_pair.measure(outbox=outbox, lives=plan.pair_lives, latency_seconds=plan.latency_seconds)


async def _measure(system: System, plan: Plan) -> Found:
    async with connected(system) as stand, sender(system.stack.kafka.bootstrap) as orders:
        machine = await describe(stand, seed=plan.seed)
        say("measuring the idle system, then preparing devices for the light load")
        at_rest = await percent_at_rest(roots(system))
        with watched(roots(system)) as memory:
            latency_found = await _measure_latency(stand, plan)
            throughput = await _measure_throughput(stand, orders, plan.lives, plan.seed)
        say("measuring the limits: a bare producer and a bare insert")
        return Found(
            machine=machine,
            at_rest=at_rest,
            latency=latency_found,
            throughput=throughput,
            memory=memory,
            bare_producer=await limits.bare_producer(stand, orders, records=plan.records),
            bare_insert=await limits.bare_insert(stand, rows=plan.rows),
        )


async def _measure_latency(stand: Stand, plan: Plan) -> Latency:
    async with door_client(stand.url("device", "")) as door:
        owners = await latency.prepare(stand, door, plan.latency_seconds * ADDS_PER_SECOND)
        with step("light load: codes added", len(owners)) as progress:
            return await latency.measure(stand, door, owners, progress=progress)


async def _measure_throughput(stand: Stand, orders: Sender, count: int, seed: int) -> Throughput:
    empty = await Disk.of(stand.ledgers.values())
    with step("preparing: active licenses", count) as progress:
        prepared = await lives.prepare(stand, orders, count, seed=seed, progress=progress)
    with step("A: codes added and verified", count) as progress:
        add = await lives.add(stand, orders, prepared, progress=progress)
    with step("B: licenses expired and switched", count) as progress:
        switch = await lives.switch(stand, prepared, progress=progress)
    return Throughput(add, switch, await Disk.of(stand.ledgers.values()) - empty)


async def _measure_batches_of_one(system: System, plan: Plan) -> Throughput:
    async with connected(system) as stand, sender(system.stack.kafka.bootstrap) as orders:
        return await _measure_throughput(stand, orders, plan.lives_in_batches_of_one, plan.seed)


if __name__ == "__main__":
    endings.run(main)
