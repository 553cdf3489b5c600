"""Measures how fast a projection is rebuilt from a long log, what resources it uses, and where the time goes.

`python -m tests.benchmarks.rebuild --data FOLDER` uses a local system that `make seed-log` has filled and whose
services are stopped. It rebuilds from both copies of the log, compares with the live table and swaps the new one in.
With `--against REF`, another build of ours takes turns with it; with `--peer FOLDER`, so does Kafka Streams.
"""

import argparse
import asyncio
import gc
import json
import os
import resource
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, field
from itertools import islice
from pathlib import Path
from threading import Event, Thread
from typing import Any

import asyncpg
import psutil
from rich.table import Table

from services.cli.system import System, local_system
from services.device.projection import LICENSE_VIEW
from shared.messages import decode
from shared.projector import Subject, rebuild_projection
from shared.projector.bounded_fold import BoundedFold, Entry
from shared.projector.kafka_log import PartitionSift
from shared.projector.ledger_log import LedgerLog
from shared.projector.shadow import LogName, PartitionProgress
from shared.projector.topic_reader import StoredRecord, open_topic
from tests.benchmarks import endings, kafka_streams
from tests.benchmarks.figures import REBUILD
from tests.benchmarks.rebuild_turns import take_turns
from tests.benchmarks.report import comparison, console
from tests.benchmarks.talk import say, step
from tests.benchmarks.usage import Meter, roots

PEER_TITLE = "Beside Kafka Streams: the same events, rows and positions durable at the end"
MIB = 2**20
SAMPLE_SECONDS = 0.2
SAMPLE_EVENTS = 100_000


@dataclass(frozen=True, slots=True)
class Run:
    """One rebuild: its source, the number of events and rows, the time and the resources used."""

    source: str
    events: int
    rows: int
    fold_seconds: float
    seconds: float
    cpu_seconds: dict[str, float]
    others_share: float
    memory_peak_bytes: int
    memory_half_way_bytes: int
    swapped: bool

    @property
    def per_second(self) -> float:
        """Return the rate of reading, fold and writing."""
        return self.events / self.fold_seconds


@dataclass(slots=True)
class Peak:
    """The peak memory of this process and its children together, over the whole run and over the first half."""

    bytes: int = 0
    half_way_bytes: int = 0

    def look(self) -> None:
        """Take one sample."""
        total = 0
        for process in (psutil.Process(), *psutil.Process().children(recursive=True)):
            with suppress(psutil.NoSuchProcess):
                # the servers of the stack are child processes too
                if process.name().startswith("python"):
                    total += process.memory_info().rss
        self.bytes = max(self.bytes, total)


@contextmanager
def peak() -> Iterator[Peak]:
    """Yield the peak, sampled until the end."""
    seen, ended = Peak(), Event()

    def watch() -> None:
        while not ended.wait(SAMPLE_SECONDS):
            seen.look()

    thread = Thread(target=watch, daemon=True)
    thread.start()
    try:
        yield seen
    finally:
        ended.set()
        thread.join()


def run(system: System, source: LogName, processes: int | None) -> Run:
    """Rebuild the license view."""
    url = system.database_url("device")
    subject = Subject(
        projection=LICENSE_VIEW,
        database_url=url,
        ledger_url=url,
        source=source,
        bootstrap_servers=system.stack.kafka.bootstrap,
        processes=processes,
    )
    meter, children = Meter(roots(system)), _children_seconds()
    with peak() as memory, step(f"license_view from {source}", 100) as progress:

        def on_progress(done: int, total: int) -> None:
            progress(100 * done // max(1, total))
            if 2 * done <= total:
                memory.half_way_bytes = memory.bytes

        outcome = asyncio.run(rebuild_projection(subject, on_progress=on_progress))
    used = meter.read()
    say(f"{outcome.events / outcome.seconds:,.0f} events/s from {source}, load average {os.getloadavg()[0]:.1f}")
    return Run(
        source=source,
        events=outcome.events,
        rows=outcome.comparison.rows,
        fold_seconds=outcome.seconds,
        seconds=used.seconds,
        cpu_seconds={**used.cpu_seconds, "rebuild": _children_seconds() - children},
        others_share=used.others_share,
        memory_peak_bytes=memory.bytes,
        memory_half_way_bytes=memory.half_way_bytes,
        swapped=outcome.swapped,
    )


def _children_seconds() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


# --- where the time goes ----------------------------------------------------------------------


@dataclass(slots=True)
class Parts:
    """Microseconds of one core per event, by step."""

    of: dict[str, float] = field(default_factory=dict)

    def time(self, name: str, events: int, work: Callable[[], Any]) -> Any:
        """Do the work and record how long it took."""
        began = time.process_time()
        answer = work()
        self.of[name] = 1e6 * (time.process_time() - began) / events
        return answer


async def parts(system: System) -> Parts:
    """Run each step by itself on the first events of the log, in this process."""
    found = Parts()
    gc.disable()
    entries = await _from_kafka(system, found)
    await _from_ledger(system, found)
    found.time("decode JSON", len(entries), lambda: [decode(each[5], each[6], each[9]) for each in entries])
    fold = BoundedFold(LICENSE_VIEW)
    found.time("decode and fold", len(entries), lambda: fold.fold(entries))
    found.time("rows as JSON", len(entries), fold.flush)
    return found


async def _from_kafka(system: System, found: Parts) -> Sequence[Entry]:
    async with open_topic(system.stack.kafka.bootstrap, LICENSE_VIEW.topic) as opened:
        records: list[StoredRecord] = []
        began, end = time.process_time(), 1
        while len(records) < min(SAMPLE_EVENTS, end):
            more, end = await opened.fetch(0, records[-1].offset + 1 if records else 0)
            records += more
        found.of["Kafka: fetch, unpack"] = 1e6 * (time.process_time() - began) / len(records)
        upto = dict.fromkeys(range(0, 256, opened.partition_count), 1_000_000_000)
        sift = PartitionSift(opened.name, 0, opened.partition_count, upto, {}, PartitionProgress())
        entries: Sequence[Entry] = found.time("Kafka: headers, hash chain", len(records), lambda: sift.accept(records))
    return entries


async def _from_ledger(system: System, found: Parts) -> None:
    connection = await asyncpg.connect(system.database_url("device"))
    server = psutil.Process(await connection.fetchval("select pg_backend_pid()"))
    heads = await connection.fetch("select slice, position from slice_head where position > 0 order by slice")
    upto = {row["slice"]: row["position"] for row in islice(heads, max(1, 256 * SAMPLE_EVENTS // _total(heads)))}
    began, served, events = time.process_time(), sum(server.cpu_times()[:2]), 0
    async for chunk in LedgerLog(connection).whole_streams(upto):
        events += chunk.event_count
    found.of["ledger: unpack rows"] = 1e6 * (time.process_time() - began) / events
    found.of["ledger: PostgreSQL reads, sorts"] = 1e6 * (sum(server.cpu_times()[:2]) - served) / events
    await connection.close()


def _total(heads: Sequence[Any]) -> int:
    return sum(row["position"] for row in heads)


# --- output -----------------------------------------------------------------------------------


def show(runs: Sequence[Run], found: Parts) -> None:
    """Print the tables."""
    table = Table(
        "log", "events", "rows", "fold, s", "events/s", "total, s", "CPU, s", "peak MiB (halfway)", "other CPU"
    )
    for each in runs:
        cpu = ", ".join(f"{name} {seconds:.0f}" for name, seconds in each.cpu_seconds.items() if seconds >= 1)
        table.add_row(
            each.source,
            f"{each.events:,}",
            f"{each.rows:,}",
            f"{each.fold_seconds:.1f}",
            f"{each.per_second:,.0f}",
            f"{each.seconds:.1f}",
            cpu,
            f"{each.memory_peak_bytes / MIB:.0f} ({each.memory_half_way_bytes / MIB:.0f})",
            f"{each.others_share:.0%}",
        )
    steps = Table("step", "µs of one core per event")
    for name, microseconds in found.of.items():
        steps.add_row(name, f"{microseconds:.2f}")
    console().print(table)
    console().print(steps)


def main() -> None:
    """Run the measurements, print the results, and write them to a file if requested."""
    asked = _parser().parse_args()
    if asked.peer:
        kafka_streams.require_built(asked.peer)
    if asked.against:
        take_turns(asked)
        return
    results, found, peer = _measured(asked)
    show(results, found)
    document = {"runs": [asdict(each) for each in results], "parts": found.of}
    if peer:
        console().print(
            comparison(PEER_TITLE, REBUILD, [document], {kafka_streams.NAME: [kafka_streams.as_runs(peer)]})
        )
        document["peer"] = peer
    if asked.json:
        asked.json.write_text(json.dumps(document, indent=1))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.rebuild", description=main.__doc__)
    parser.add_argument(
        "--data", type=Path, default=Path(".data"), help="data folder of a seeded system (default .data)"
    )
    parser.add_argument("--processes", type=int, help="number of parallel processes (default: one per core)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="also write all results to FILE")
    parser.add_argument("--times", type=int, default=2, help="number of rebuilds from each log (default 2)")
    parser.add_argument(
        "--peer", type=_folder, metavar="FOLDER", help="also run the Kafka Streams peer built there, by turns"
    )
    parser.add_argument(
        "--against", metavar="REF", help="also build this commit, and run it by turns on a log of its own"
    )
    parser.add_argument("--turns", type=int, default=3, help="turns of each build with --against (default 3)")
    parser.add_argument(
        "--twins", type=int, default=30, help="twins of the other build's log, as `make seed-log` has them (default 30)"
    )
    return parser


def _folder(text: str) -> Path:
    # the peer runs in another folder
    return Path(text).resolve()


def _measured(asked: argparse.Namespace) -> tuple[list[Run], Parts, list[Mapping[str, Any]]]:
    """Return all rebuilds, the steps of one, and the results of the peer, if it is asked for."""
    system, results, peer = local_system(asked.data), list[Run](), list[Mapping[str, Any]]()
    sources: tuple[LogName, ...] = ("ledger", "kafka")
    system.stack.start()
    try:
        asyncio.run(system.provision())
        say(f"{len(os.sched_getaffinity(0))} cores, load average before {os.getloadavg()[0]:.1f}")
        for _ in range(asked.times):
            results += [run(system, source, asked.processes) for source in sources]
            if asked.peer:
                peer.append(_peer(system, asked))
        found = asyncio.run(parts(system))
    finally:
        system.stack.stop()
    return results, found, peer


def _peer(system: System, asked: argparse.Namespace) -> Mapping[str, Any]:
    say(f"{kafka_streams.NAME}, on a copy of the topic")
    threads = asked.processes or len(os.sched_getaffinity(0))
    return asyncio.run(kafka_streams.rebuilt(asked.peer, system.stack.kafka, LICENSE_VIEW.topic, threads=threads))


if __name__ == "__main__":
    endings.run(main)
