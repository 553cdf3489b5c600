"""The whole system on one machine without Docker: both servers, both ledgers, the topics, and any number of workers.

`make run`, the journeys and the benchmarks all start it. The services run as they do anywhere else; only their
environment points them to a local Kafka and PostgreSQL.
"""

import asyncio
import signal
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Self

import asyncpg
import httpx

from services.cli.connections import HTTP_PORTS, Connections, http_ports
from services.cli.credentials import Credentials
from services.cli.foreground import run
from services.cli.names import MIGRATIONS, SERVICES, Mode, ServiceName
from shared.kafka.topics import Layout, ensure_topics
from shared.keys.signing import KeyRing
from shared.ledger.identity import hash_of
from shared.ledger.migrate import migrate
from shared.local.ports import LOOPBACK, Ports, require_free
from shared.local.processes import Command
from shared.local.server import Server
from shared.local.stack import LocalStack
from shared.settings.certificates import authorities_for


class Worker(Server):
    """One process of one service."""

    def __init__(
        self, folder: Path, *, service: ServiceName, name: str, port: int, environment: dict[str, str]
    ) -> None:
        super().__init__(folder)
        self.name = f"{service}.{name}"
        self.url = f"http://127.0.0.1:{port}"
        self._service = service
        self._port = port
        self._environment = {**environment, "PERENNIAL_WORKER": name, "PERENNIAL_HTTP_PORT": str(port)}

    @property
    def log(self) -> Path:
        """The log file of the process."""
        return self.folder / "log.txt"

    def _prepare(self) -> Command:
        require_free(self._port, setting=f"PERENNIAL_{self._service.upper()}_PORT")
        return Command(
            name=self.name,
            words=(sys.executable, "-m", f"services.{self._service}"),
            log=self.log,
            stop_signal=signal.SIGTERM,
            environment=self._environment,
        )

    def _ready(self, pid: int) -> bool:
        return _responds_ok(f"{self.url}/livez")

    def ready(self) -> bool:
        """Whether every consumer and the relay are making progress."""
        return _responds_ok(f"{self.url}/readyz")


def _responds_ok(url: str) -> bool:
    try:
        return httpx.get(url, timeout=2, trust_env=False, verify=authorities_for(url)).status_code == httpx.codes.OK
    except httpx.TransportError:
        return False


class System:
    """The whole system, with its data in `folder`."""

    def __init__(
        self,
        folder: Path,
        *,
        ports: Ports | None = None,
        mode: Mode = "sandbox",
        partitions: int = 8,
        http_ports: dict[ServiceName, int] | None = None,
        environment: dict[str, str] | None = None,
    ) -> None:
        self.folder = folder.resolve()
        self.mode = mode
        self.partitions = partitions
        self.stack = LocalStack(self.folder, ports, partitions=partitions)
        self.credentials = Credentials.load_or_create(self.folder)
        self._http_ports = http_ports or HTTP_PORTS
        self._environment = environment or {}
        self.workers: dict[str, Worker] = {}

    def start(self, report: Callable[[str], None] = lambda _: None) -> None:
        """Start everything with one worker per service and wait until they respond; `report` gets each milestone."""
        try:
            self.stack.start()
            report("PostgreSQL and Kafka are running")
            run(self.provision())
            report("the databases and topics are ready")
            with ThreadPoolExecutor(len(SERVICES)) as threads:
                list(threads.map(lambda name: self.worker(name).start(), SERVICES))
            report("both services are running")
        except BaseException:
            self.stop()
            raise

    def stop(self) -> None:
        """Stop the workers, then the servers."""
        if self.workers:
            with ThreadPoolExecutor(len(self.workers)) as threads:
                list(threads.map(lambda worker: worker.stop(), self.workers.values()))
        self.stack.stop()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def worker(self, service: ServiceName, name: str = "1", *, port: int | None = None) -> Worker:
        """Return a worker of the service, not started; the first one listens on the usual port."""
        full_name = f"{service}.{name}"
        if full_name not in self.workers:
            self.workers[full_name] = Worker(
                self.folder / "workers" / full_name,
                service=service,
                name=name,
                port=port or self._http_ports[service],
                environment=self.environment(service),
            )
        return self.workers[full_name]

    def environment(self, service: ServiceName) -> dict[str, str]:
        """Return the environment variables for a process of the service."""
        return {
            "PERENNIAL_DATABASE_URL": self.database_url(service),
            "PERENNIAL_KAFKA_BOOTSTRAP_SERVERS": self.stack.kafka.bootstrap,
            "PERENNIAL_MODE": self.mode,
            "PERENNIAL_OPERATOR_KEY_HASH": hash_of(self.credentials.operator_key).hex(),
            "PERENNIAL_SIGNING_KEY_FILE": str(self.signing_key_file(service)),
            "PERENNIAL_CONSOLE_KEYS_FILE": str(self.signing_key_file("activation")),
            "PERENNIAL_DEVICE_URL": f"http://127.0.0.1:{self._http_ports['device']}",
            "PERENNIAL_CHECKPOINT_FOLDER": str(self.folder / "checkpoints"),
            **self._environment,
        }

    def signing_key_file(self, service: ServiceName) -> Path:
        """Return the file with the service's signing keys, which the first start creates."""
        return self.folder / "keys" / f"{service}.pem"

    def database_url(self, service: ServiceName) -> str:
        """Return the database URL of the service."""
        return self.credentials.database_url(service, port=self.stack.postgres.port)

    def connections(self) -> Connections:
        """Return the addresses and credentials of this system, whatever the environment says."""
        return Connections(
            data=self.folder,
            urls={name: f"http://{LOOPBACK}:{port}" for name, port in self._http_ports.items()},
            kafka=self.stack.kafka.bootstrap,
            operator_key=self.credentials.operator_key,
            database_urls={name: self.database_url(name) for name in SERVICES},
        )

    async def provision(self) -> None:
        """Create the keys, roles, databases, tables and topics that are missing."""
        for service in SERVICES:
            KeyRing.load_or_create(self.signing_key_file(service))
        await asyncio.gather(
            ensure_topics(self.stack.kafka.bootstrap, Layout(self.partitions)),
            *(self._provision_database(service) for service in SERVICES),
        )

    async def _provision_database(self, service: ServiceName) -> None:
        server = await asyncpg.connect(self.stack.postgres.dsn())
        role, password = f"{service}_service", self.credentials.passwords[service]
        if not await server.fetchval("select 1 from pg_roles where rolname = $1", role):
            # these statements take no parameters; both values are generated here and need no quoting
            await server.execute(f"create role {role} login password '{password}'")
            await server.execute(f"create database {service}")
        await server.close()
        database = await asyncpg.connect(self.stack.postgres.dsn(service))
        await migrate(database, service=service, service_role=role, folder=MIGRATIONS[service], mode=self.mode)
        await database.close()


def local_system(data: Path) -> System:
    """Return the local system in a folder, not started."""
    return System(data, ports=Ports.from_environment(), http_ports=http_ports())
