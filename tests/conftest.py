"""A real PostgreSQL for all tests that need one: one server per run, a migrated ledger for each who asks.

A new ledger is a copy of a template. Most tests get one that another test gave back: emptying it costs a
tenth of making it, most of all on a busy disk. Tests that commit nothing share one.
"""

import os
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Literal

import asyncpg
import pytest
from hypothesis import HealthCheck, settings

import services
from shared.ledger.database import Connection, Pool, open_pool
from shared.ledger.migrate import migrate
from shared.local.ports import free_ports
from shared.local.postgres import SETTINGS, Postgres
from tests import java_cache

pytest_plugins = ("tests.scheduling",)

ServiceName = Literal["device", "activation"]
Mode = Literal["production", "sandbox"]

# examples are judged by what they show, not by how busy the machine was
settings.register_profile("perennial", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("perennial")

os.environ.setdefault(java_cache.VARIABLE, java_cache.options())

ROLE = "ledger_service"
CONNECTIONS_MAX = 30
SERVICES = Path(services.__file__).parent


@dataclass(frozen=True)
class Database:
    """One database, by its addresses: `owner` may do everything, `service` is what a service connects as."""

    owner: str
    service: str

    @asynccontextmanager
    async def connected(self, *, owner: bool = False) -> AsyncIterator[Connection]:
        """Yield a connection of its own, outside any pool."""
        connection = await asyncpg.connect(self.owner if owner else self.service)
        try:
            yield connection
        finally:
            await connection.close(timeout=10)

    @asynccontextmanager
    async def rolled_back(self) -> AsyncIterator[Connection]:
        """Yield a connection in a transaction of which nothing stays."""
        async with self.connected() as connection:
            transaction = connection.transaction()
            await transaction.start()
            yield connection
            await transaction.rollback()

    @asynccontextmanager
    async def pool(self, *, connections_max: int = CONNECTIONS_MAX) -> AsyncIterator[Pool]:
        """Yield a pool as a service opens it."""
        pool = await open_pool(self.service, connections_max=connections_max, name="tests")
        try:
            yield pool
        finally:
            pool.terminate()


class Databases:
    """Makes databases on one server, and lends some of them again and again."""

    def __init__(self, server: Postgres, connection: Connection) -> None:
        self._server = server
        self._connection = connection
        self._numbers = count(1)
        self._templates: dict[tuple[ServiceName, Mode], str] = {}
        self._given_back: dict[ServiceName, list[Database]] = {"device": [], "activation": []}

    async def empty(self) -> Database:
        """Return a database without tables."""
        return await self._created("empty")

    async def fresh(self, service: ServiceName, mode: Mode = "sandbox") -> Database:
        """Return a new ledger of the service, for good."""
        if (service, mode) not in self._templates:
            self._templates[service, mode] = await self._template(service, mode)
        return await self._created(service, template=self._templates[service, mode])

    @asynccontextmanager
    async def lent(self, service: ServiceName) -> AsyncIterator[Database]:
        """Yield a sandbox ledger that is as good as new, and empty it afterwards."""
        unused = self._given_back[service]
        database = unused.pop() if unused else await self.fresh(service)
        yield database
        async with database.connected(owner=True) as connection:
            await connection.execute(END_OTHER_SESSIONS)
            await connection.execute(RESTORE)
        unused.append(database)

    async def _created(self, prefix: str, *, template: str = "template0") -> Database:
        name = f"{prefix}_{next(self._numbers)}"
        await self._connection.execute(f"create database {name} template {template}")
        return self._named(name)

    async def _template(self, service: ServiceName, mode: Mode) -> str:
        name = f"template_{service}_{mode}"
        await self._connection.execute(f"create database {name}")
        async with self._named(name).connected(owner=True) as connection:
            await migrate(
                connection, service=service, service_role=ROLE, folder=SERVICES / service / "migrations", mode=mode
            )
            await connection.execute(REMEMBER)
        return name

    def _named(self, name: str) -> Database:
        return Database(self._server.dsn(name), self._server.dsn(name, user=ROLE, password=ROLE))


REMEMBER = """
create schema pristine;
do $$ declare name text; begin
    for name in select tablename from pg_tables where schemaname = 'public' loop
        execute format('create table pristine.%I as table public.%I', name, name);
    end loop;
end $$
"""

# what a killed client has sent may still be committed, so its session is waited for
END_OTHER_SESSIONS = """
select pg_terminate_backend(pid, 10000) from pg_stat_activity
where datname = current_database() and pid <> pg_backend_pid() and backend_type = 'client backend'
"""

RESTORE = """
do $$ declare name text; begin
    set local session_replication_role = replica;
    for name in select tablename from pg_tables where schemaname = 'public' loop
        execute format('delete from public.%I', name);
        execute format('insert into public.%I select * from pristine.%I', name, name);
    end loop;
end $$
"""


@asynccontextmanager
async def databases_on(server: Postgres) -> AsyncIterator[Databases]:
    """Yield the maker of databases on a running server."""
    connection = await asyncpg.connect(server.dsn())
    try:
        await connection.execute(f"create role {ROLE} login password '{ROLE}'")
        yield Databases(server, connection)
    finally:
        connection.terminate()


def quick_server(folder: Path) -> Postgres:
    """Return a running server that leaves its writes to the operating system: they outlive its own end, no more.

    A copied database costs hundreds of flushes, which take seconds when others use the disk too.
    """
    server = Postgres(folder, free_ports().postgres)
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(SETTINGS, "fsync", "off")
        server.start()
    return server


def pytest_configure(config: pytest.Config) -> None:
    """Know the tests that need a container engine."""
    config.addinivalue_line("markers", "containers: needs a container engine (`make test-containers`)")


@pytest.fixture(scope="session")
def postgres_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Postgres]:
    """The run's server; nobody kills it."""
    server = quick_server(tmp_path_factory.mktemp("postgres"))
    yield server
    # its data is not needed any more: no checkpoint, no waiting
    server.kill()
    server.erase()


@pytest.fixture(scope="session")
async def databases(postgres_server: Postgres) -> AsyncIterator[Databases]:
    """The maker of databases."""
    async with databases_on(postgres_server) as made:
        yield made


@pytest.fixture
async def device_database(databases: Databases) -> AsyncIterator[Database]:
    """A sandbox ledger of the device service, as good as new."""
    async with databases.lent("device") as database:
        yield database


@pytest.fixture
async def activation_database(databases: Databases) -> AsyncIterator[Database]:
    """A sandbox ledger of the activation service, as good as new."""
    async with databases.lent("activation") as database:
        yield database


@pytest.fixture(scope="session")
async def untouched_device_ledger(databases: Databases) -> Database:
    """A sandbox ledger of the device service in which nothing is committed."""
    return await databases.fresh("device")


@pytest.fixture(scope="session")
async def untouched_activation_ledger(databases: Databases) -> Database:
    """A sandbox ledger of the activation service in which nothing is committed."""
    return await databases.fresh("activation")


@pytest.fixture
async def connection(untouched_device_ledger: Database) -> AsyncIterator[Connection]:
    """A service's connection to a device ledger, in a transaction that is rolled back."""
    async with untouched_device_ledger.rolled_back() as connection:
        yield connection


@pytest.fixture
async def device_pool(device_database: Database) -> AsyncIterator[Pool]:
    """A pool on a fresh device ledger."""
    async with device_database.pool() as pool:
        yield pool


@pytest.fixture
async def activation_pool(activation_database: Database) -> AsyncIterator[Pool]:
    """A pool on a fresh activation ledger."""
    async with activation_database.pool() as pool:
        yield pool
