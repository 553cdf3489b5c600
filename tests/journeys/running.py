"""A whole system for tests: on ports that nobody uses, in sandbox time, ready when it is handed over.

Its servers are local processes; with PERENNIAL_TEST_SERVERS=containers they are containers, and every test stays as
it is.
"""

import atexit
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any, cast

from services.cli.names import SERVICES, ServiceName
from services.cli.system import System
from shared.local.kafka import Kafka
from shared.local.ports import free_port, free_ports
from shared.local.stack import LocalStack
from tests.journeys.waiting import until

READY_SECONDS = 60.0
SERVERS = os.environ.get("PERENNIAL_TEST_SERVERS", "local")


def new_system(folder: Path, **options: Any) -> System:
    """Return a system with its data below `folder`, not started; `options` are those of `System`."""
    ports = {name: free_port() for name in SERVICES}
    system = System(folder, **{"ports": free_ports(), "http_ports": ports, **options})
    if SERVERS == "containers":
        from tests.containers.servers import ContainerStack  # noqa: PLC0415 - needs an engine, which most tests do not

        # the same words, said by containers
        system.stack = cast("LocalStack", ContainerStack(partitions=system.partitions))
    else:
        formatted(folder / "kafka")
    return system


def formatted(folder: Path) -> None:
    """Make Kafka's folder a copy of one that was formatted once in this process: Java takes two seconds for it."""
    if not folder.exists():
        shutil.copytree(_template(), folder)


@cache
def _template() -> Path:
    folder = Path(tempfile.mkdtemp(prefix="perennial-kafka-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    Kafka(folder, free_port(), free_port()).format()
    return folder


def wait_until_ready(system: System) -> None:
    """Return when every consumer and relay of every worker makes progress."""
    for worker in system.workers.values():
        until(worker.ready, bool, seconds=READY_SECONDS)


@contextmanager
def running_system(folder: Path, **options: Any) -> Iterator[System]:
    """Yield a new system that is ready; afterwards stop it and remove its data."""
    system = new_system(folder, **options)
    try:
        with system:
            wait_until_ready(system)
            yield system
    finally:
        system.stack.erase()


@contextmanager
def away(system: System, service: ServiceName) -> Iterator[None]:
    """Take the service's worker away, and give it back."""
    worker = system.worker(service)
    worker.kill()
    try:
        yield
    finally:
        worker.start()
        wait_until_ready(system)
