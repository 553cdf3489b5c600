"""The stand of the pair: both of its services, in a system of their own, on the same servers as ours."""

import asyncio
import signal
import sys
import tempfile
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import override

import asyncpg
import httpx
from aiokafka.admin import AIOKafkaAdminClient, NewTopic

from services.cli.names import SERVICES, ServiceName
from shared.ledger.database import Pool
from shared.local.ports import LOOPBACK, free_port, free_ports
from shared.local.processes import Command
from shared.local.server import Server
from shared.local.stack import LocalStack
from tests.benchmarks.obvious_pair.messages import TOPICS
from tests.benchmarks.stand import PARTITIONS, erased_unless_it_failed
from tests.benchmarks.usage import pids_of

SCHEMA = Path(__file__).with_name("schema.sql")


class Worker(Server):
    """The process of one service of the pair, as `faststream run` starts it."""

    def __init__(self, folder: Path, service: ServiceName, environment: Mapping[str, str]) -> None:
        super().__init__(folder)
        self.name = service
        self.port = free_port()
        self._environment = environment

    @property
    def url(self) -> str:
        """The address of its door."""
        return f"http://{LOOPBACK}:{self.port}"

    @override
    def _prepare(self) -> Command:
        app = f"tests.benchmarks.obvious_pair.{self.name}:app"
        options = ("--host", LOOPBACK, "--port", str(self.port))
        return Command(
            name=f"the pair's {self.name} service",
            words=(sys.executable, "-m", "faststream", "run", app, *options),
            log=self.folder / "log.txt",
            stop_signal=signal.SIGTERM,
            environment=dict(self._environment),
        )

    @override
    def _ready(self, pid: int) -> bool:
        try:
            return httpx.get(f"{self.url}/ready", timeout=2, trust_env=False).is_success
        except httpx.TransportError:
            return False


@dataclass(frozen=True, slots=True)
class Pair:
    """A running pair."""

    stack: LocalStack
    workers: Mapping[ServiceName, Worker]

    @property
    def pids(self) -> dict[str, int]:
        """The process id of each part, by the name used in reports."""
        return pids_of({name: worker.pid for name, worker in self.workers.items()}, self.stack)


@contextmanager
def started(*, outbox: bool) -> Iterator[Pair]:
    """Yield a running pair that sends its messages through an outbox, or else after each commit.

    Its data is removed at the end. After a failure the data is kept for its logs, and the error says where it is.
    """
    folder = Path(tempfile.mkdtemp(prefix="perennial-pair-"))
    stack = LocalStack(folder, free_ports(), partitions=PARTITIONS)
    with erased_unless_it_failed(stack.erase, folder, logs=folder), stack:
        asyncio.run(_provision(stack))
        environment = {"PAIR_BOOTSTRAP_SERVERS": stack.kafka.bootstrap, "PAIR_OUTBOX": str(outbox)}
        workers = {
            name: Worker(folder / name, name, {**environment, "PAIR_DATABASE_URL": stack.postgres.dsn(name)})
            for name in SERVICES
        }
        with workers["device"], workers["activation"]:
            yield Pair(stack, workers)


async def _provision(stack: LocalStack) -> None:
    admin = AIOKafkaAdminClient(bootstrap_servers=stack.kafka.bootstrap)
    await admin.start()
    try:
        await admin.create_topics([NewTopic(topic, PARTITIONS, 1) for topic in TOPICS])
    finally:
        await admin.close()
    for service in SERVICES:
        server = await asyncpg.connect(stack.postgres.dsn())
        await server.execute(f"create database {service}")
        await server.close()
        database = await asyncpg.connect(stack.postgres.dsn(service))
        await database.execute(SCHEMA.read_text())
        await database.close()


@asynccontextmanager
async def databases(pair: Pair) -> AsyncIterator[Mapping[ServiceName, Pool]]:
    """Yield connections to both databases."""
    async with (
        asyncpg.create_pool(pair.stack.postgres.dsn("device"), min_size=1, max_size=2) as device,
        asyncpg.create_pool(pair.stack.postgres.dsn("activation"), min_size=1, max_size=2) as activation,
    ):
        yield {"device": device, "activation": activation}
