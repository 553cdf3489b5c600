"""Measures an operator's commands on a long log, as whole processes: `python -m tests.benchmarks.commands`.

`--data FOLDER` names a local system that `make seed-log` has filled and whose services are stopped. `log verify` checks
each event of both ledgers and both topics; `what-if` replays each device under another policy and the present one.
"""

import argparse
import asyncio
import json
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import asyncpg
from rich.table import Table

from services.cli.names import SERVICES
from services.cli.system import System, local_system
from tests.benchmarks.report import console
from tests.benchmarks.talk import say

OTHER_POLICY = {"name": "benchmark", "version": 2, "settlement_hold": "P20D"}


@dataclass(frozen=True, slots=True)
class Ran:
    """One run of a command: what it went through, its time, and the CPU time of its processes without the servers."""

    command: str
    unit: str
    count: int
    seconds: float
    cpu_seconds: float

    @property
    def cpu_us_each(self) -> float:
        """Return the microseconds of CPU time for each."""
        return 1e6 * self.cpu_seconds / self.count


async def counts(system: System) -> dict[str, int]:
    """Return the number of events in both ledgers, and of devices."""
    found = {"events": 0, "devices": 0}
    for service in SERVICES:
        ledger = await asyncpg.connect(system.database_url(service))
        found["events"] += int(await ledger.fetchval("select sum(position) from slice_head"))
        if service == "device":
            found["devices"] = await ledger.fetchval("select count(*) from device")
        await ledger.close()
    return found


def ran(system: System, command: str, *options: str, unit: str, count: int) -> Ran:
    """Run a command to its end. Raises `CalledProcessError` unless it finds everything in order."""
    say(f"perennial {command}: {count:,} {unit}")
    began, used_before = time.perf_counter(), _cpu_seconds()
    program = (sys.executable, "-m", "services.cli", "--data", str(system.folder))
    subprocess.run((*program, *command.split(), *options, "--json"), stdout=subprocess.DEVNULL, check=True)
    return Ran(command, unit, count, time.perf_counter() - began, _cpu_seconds() - used_before)


def _cpu_seconds() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def measured(system: System, *, times: int) -> list[Ran]:
    """Run each command so many times, by turns."""
    found, results = asyncio.run(counts(system)), []
    with tempfile.TemporaryDirectory() as folder:
        policy = Path(folder) / "policy.json"
        policy.write_text(json.dumps(OTHER_POLICY))
        for _ in range(times):
            results.append(ran(system, "log verify", unit="events", count=found["events"]))
            results.append(ran(system, "what-if", "--policy", str(policy), unit="devices", count=found["devices"]))
    return results


def show(results: Sequence[Ran]) -> None:
    """Print the table."""
    table = Table("command", "of", "seconds", "per second", "CPU of each, µs")
    for each in results:
        rate = f"{each.count / each.seconds:,.0f}"
        table.add_row(
            each.command, f"{each.count:,} {each.unit}", f"{each.seconds:.1f}", rate, f"{each.cpu_us_each:,.1f}"
        )
    console().print(table)


def main() -> None:
    """Run the measurements, print the results, and write them to a file if requested."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.commands", description=main.__doc__)
    parser.add_argument(
        "--data", type=Path, default=Path(".data"), help="data folder of a seeded system (default .data)"
    )
    parser.add_argument("--times", type=int, default=2, help="number of runs of each command (default 2)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="also write all results to FILE")
    asked = parser.parse_args()
    system = local_system(asked.data)
    with system.stack:
        asyncio.run(system.provision())
        results = measured(system, times=asked.times)
    show(results)
    if asked.json:
        asked.json.write_text(json.dumps([asdict(each) for each in results], indent=1) + "\n")


if __name__ == "__main__":
    main()
