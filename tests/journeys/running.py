"""A whole system for tests: on ports that nobody uses, in sandbox time, ready when it is handed over."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from services.cli.system import SERVICES, System
from shared.local.ports import free_port, free_ports
from tests.journeys.waiting import until

READY_SECONDS = 60.0


def new_system(folder: Path, **options: Any) -> System:
    """Return a system with its data below `folder`, not started; `options` are those of `System`."""
    return System(folder, **{"ports": free_ports(), "http_ports": {name: free_port() for name in SERVICES}, **options})


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
