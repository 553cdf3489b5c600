"""Describes the machine and versions of a run: without them its numbers mean nothing."""

import os
import platform
import shlex
import sys
from dataclasses import dataclass
from importlib.metadata import version

import psutil

from shared.local.jars import KAFKA_VERSION
from tests.benchmarks.stand import Stand

PACKAGES = ("faststream", "aiokafka", "asyncpg", "pydantic", "uvloop")


@dataclass(frozen=True, slots=True)
class Machine:
    """The machine, the versions and the command. `load_average`, of the last minute, shows what else was running."""

    cores: int
    memory_gib: float
    system: str
    load_average: float
    versions: dict[str, str]
    command: str
    seed: int


async def describe(stand: Stand, *, seed: int) -> Machine:
    """Return the machine and versions of this run."""
    postgres = await stand.ledgers["device"].fetchval("show server_version")
    return Machine(
        cores=len(psutil.Process().cpu_affinity()) if sys.platform == "linux" else os.cpu_count() or 1,
        memory_gib=psutil.virtual_memory().total / 2**30,
        system=f"{platform.system()} {platform.release()} {platform.machine()}",
        load_average=os.getloadavg()[0],
        versions={
            "Python": platform.python_version(),
            "PostgreSQL": postgres,
            "Kafka": KAFKA_VERSION,
            **{name: version(name) for name in PACKAGES},
        },
        command=shlex.join(["python", "-m", "tests.benchmarks", *sys.argv[1:]]),
        seed=seed,
    )
