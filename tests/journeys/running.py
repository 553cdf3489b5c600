"""A whole system for tests: on ports that nobody uses, in sandbox time, ready when it is handed over."""

import socket
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from services.cli.system import SERVICES, ServiceName, System
from shared.local.ports import LOOPBACK, free_ports
from tests.journeys.waiting import until

READY_SECONDS = 60.0


def new_system(folder: Path, **options: Any) -> System:
    """Return a system with its data below `folder`, not started; `options` are those of `System`."""
    return System(folder, **{"ports": free_ports(), "http_ports": _free_http_ports(), **options})


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


def _free_http_ports() -> dict[ServiceName, int]:
    with ExitStack() as held:
        # both are held at once, so that they differ
        sockets = {name: held.enter_context(socket.socket()) for name in SERVICES}
        for each in sockets.values():
            each.bind((LOOPBACK, 0))
        return {name: each.getsockname()[1] for name, each in sockets.items()}
