"""The test stand of one run: a separate system in a temporary folder, on free ports, in sandbox time.

Nothing is measured here.
"""

import asyncio
import shutil
import tempfile
import time
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path

import asyncpg
import httpx

from services.cli.names import SERVICES, ServiceName
from services.cli.system import System
from shared.ledger.database import Pool
from shared.local.ports import free_port, free_ports

READY_SECONDS_MAX = 60.0
POLL_SECONDS = 0.05
PARTITIONS = 8


@contextmanager
def started(environment: Mapping[str, str]) -> Iterator[System]:
    """Yield a running system with `environment` for both services.

    Its data is removed at the end. After a failure the data is kept for its logs, and the error says where it is.
    """
    folder = Path(tempfile.mkdtemp(prefix="perennial-bench-"))
    system = System(
        folder,
        ports=free_ports(),
        partitions=PARTITIONS,
        http_ports={"device": free_port(), "activation": free_port()},
        environment=dict(environment),
    )
    with erased_unless_it_failed(system.stack.erase, folder, logs=folder / "workers"), system:
        _wait_until_ready(system)
        yield system


@contextmanager
def erased_unless_it_failed(erase: Callable[[], None], folder: Path, *, logs: Path) -> Iterator[None]:
    """Erase the data and remove the folder at the end. After a failure they stay, and the error names `logs`."""
    failed = False
    try:
        yield
    except Exception as failure:
        failed = True
        failure.add_note(f"the logs are in {logs}")
        raise
    finally:
        if not failed:
            erase()
            shutil.rmtree(folder, ignore_errors=True)


def _wait_until_ready(system: System) -> None:
    deadline = time.monotonic() + READY_SECONDS_MAX
    while not all(worker.ready() for worker in system.workers.values()):
        if time.monotonic() > deadline:
            raise TimeoutError(f"the services were not ready after {READY_SECONDS_MAX:.0f} s")
        time.sleep(POLL_SECONDS)


@dataclass(frozen=True, slots=True)
class Stand:
    """A running system, with clients to drive and observe it."""

    system: System
    client: httpx.AsyncClient
    ledgers: Mapping[ServiceName, Pool]

    @property
    def operator(self) -> dict[str, str]:
        """The HTTP headers of an operator."""
        return {"Authorization": f"Bearer {self.system.credentials.operator_key}"}

    def url(self, service: ServiceName, path: str) -> str:
        """Return the URL of a route."""
        return f"{self.system.worker(service).url}{path}"

    async def advance_clocks(self, step: str) -> None:
        """Move the clocks of both services forward by an ISO 8601 duration."""
        moves = [
            self.client.post(self.url(service, "/v1/sandbox/clock"), json={"advance": step}, headers=self.operator)
            for service in SERVICES
        ]
        for answer in await asyncio.gather(*moves):
            answer.raise_for_status()


@asynccontextmanager
async def connected(system: System) -> AsyncIterator[Stand]:
    """Yield the stand of a running system, with an HTTP client and connections to both ledgers."""
    async with (
        httpx.AsyncClient(trust_env=False, timeout=30) as client,
        asyncpg.create_pool(system.stack.postgres.dsn("device"), min_size=1, max_size=2) as device,
        asyncpg.create_pool(system.stack.postgres.dsn("activation"), min_size=1, max_size=2) as activation,
    ):
        yield Stand(system, client, {"device": device, "activation": activation})
