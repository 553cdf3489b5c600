"""Rebuilds by turns with another build of ours, and with Kafka Streams: what `--against REF` does in `rebuild`."""

import argparse
import asyncio
import json
from pathlib import Path

import asyncpg

from services.cli.system import local_system
from shared.local.stack import LocalStack
from tests.benchmarks import kafka_streams
from tests.benchmarks.figures import REBUILD
from tests.benchmarks.report import comparison, console
from tests.benchmarks.talk import say
from tests.benchmarks.turns import THIS, Build, Turn, by_turns, checked_out

MODULE = "tests.benchmarks.rebuild"
SEED = "tests.benchmarks.seed"


def take_turns(asked: argparse.Namespace) -> None:
    """Rebuild by turns as the options of `rebuild` say, and print the medians. Raises `NoSuchBuild`."""
    ours = _options(THIS, asked, asked.data.resolve())
    with checked_out(asked.against) as other:
        data = other.folder / ".data"
        try:
            _seed(other, data, asked)
            peer = ["--peer", str(asked.peer)] if asked.peer else []
            found, theirs = by_turns(
                Turn(THIS, MODULE, [*ours, *peer]), Turn(other, MODULE, _options(other, asked, data)), turns=asked.turns
            )
        finally:
            LocalStack(data).erase()
    others = {asked.against: theirs}
    if asked.peer:
        others[kafka_streams.NAME] = [kafka_streams.as_runs(document["peer"]) for document in found]
    console().print(comparison(f"Medians, by turns: {asked.turns} of each build", REBUILD, found, others))
    if asked.json:
        asked.json.write_text(json.dumps({THIS.name: found, asked.against: theirs}, indent=1))


def _options(build: Build, asked: argparse.Namespace, data: Path) -> list[str]:
    options = ["--data", str(data)]
    if asked.processes:
        options += ["--processes", str(asked.processes)]
    # the first builds rebuilt once from each log, and had no such option
    return [*options, "--times", "1"] if build.knows(MODULE, "--times") else options


def _seed(other: Build, data: Path, asked: argparse.Namespace) -> None:
    """Give the other build a log as long as ours: a data folder that a newer build migrated is no longer its own."""
    count = asyncio.run(_log_length(asked.data))
    say(f"filling the log of {other.name} with {count:,} events")
    twins = ["--twins", str(asked.twins)] if other.knows(SEED, "--twins") else []
    other.run(SEED, str(count), "--data", str(data), *twins)


async def _log_length(data: Path) -> int:
    """Return the number of device events in a system, whose servers are started for it."""
    system = local_system(data)
    with system.stack:
        connection = await asyncpg.connect(system.database_url("device"))
        count = await connection.fetchval("select sum(position) from slice_head")
        await connection.close()
    return int(count)
