"""A device ledger with a small history, keys to sign with, and a real Kafka for those who ask."""

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from services.cli import app
from shared.keys.signing import KeyRing
from shared.ledger.database import Pool
from shared.ledger.events import NewEvent, append
from shared.local.kafka import Kafka
from shared.local.ports import free_port
from shared.proof.findings import Findings
from tests.conftest import Database
from tests.journeys.running import formatted
from tests.shared.records import NOON, packed, stream_in

SLICES = (3, 4, 200)
STREAMS = {number: stream_in(number) for number in SLICES}

type Perennial = Callable[..., Result]
"""Runs a command in this process."""


@dataclass(frozen=True)
class History:
    """A ledger that can be written to and tampered with, from any loop."""

    database: Database
    pool: Pool

    async def append(self, events: list[NewEvent]) -> None:
        """Append as the service does."""
        async with self.database.connected() as connection, connection.transaction():
            await append(connection, events)

    async def tamper(self, sql: str, *arguments: object) -> None:
        """Change anything: full access to the database."""
        async with self.database.connected(owner=True) as connection:
            await connection.execute(sql, *arguments)

    async def value(self, sql: str, *arguments: object) -> object:
        """Return one value."""
        async with self.database.connected() as connection:
            return await connection.fetchval(sql, *arguments)


def events(slice_number: int, first: int, last: int) -> list[NewEvent]:
    """Return events of versions `first` to `last` of a stream of the slice, a minute after each other."""
    stream = STREAMS[slice_number]
    return [
        packed(stream, version)._replace(occurred_at=NOON + timedelta(minutes=version))
        for version in range(first, last + 1)
    ]


def answer(result: Result) -> dict[str, Any]:
    assert result.exit_code == 0, result.stderr
    said: dict[str, Any] = json.loads(result.stdout)
    return said


@pytest.fixture
async def history(device_database: Database, device_pool: Pool) -> History:
    """A ledger with 7, 5 and 1 events in three slices."""
    history = History(device_database, device_pool)
    await history.append([*events(3, 1, 7), *events(4, 1, 5), *events(200, 1, 1)])
    return history


@pytest.fixture
async def ledgers(history: History, activation_database: Database) -> Mapping[str, str]:
    """Where the two ledgers are: the device's has a history, the other one is empty."""
    return {
        "PERENNIAL_DEVICE_DATABASE_URL": history.database.service,
        "PERENNIAL_ACTIVATION_DATABASE_URL": activation_database.service,
    }


@pytest.fixture
def environment(ledgers: Mapping[str, str], tmp_path: Path) -> dict[str, str]:
    """What an operator's shell says, with the local system's keys and no Kafka."""
    KeyRing.load_or_create(tmp_path / "data" / "keys" / "device.pem")
    return {**ledgers, "PERENNIAL_DATA": str(tmp_path / "data"), "PERENNIAL_KAFKA_BOOTSTRAP_SERVERS": "127.0.0.1:9"}


@pytest.fixture
def perennial(environment: dict[str, str]) -> Perennial:
    """Run a command in this process."""

    def run(*words: object, **more: str) -> Result:
        return CliRunner().invoke(app, [str(word) for word in words], env={**environment, **more})

    return run


@pytest.fixture
def keys(tmp_path: Path) -> KeyRing:
    """The service's keys."""
    return KeyRing.load_or_create(tmp_path / "keys" / "device.pem")


@pytest.fixture
def findings() -> Findings:
    """What is found."""
    return Findings("device")


@pytest.fixture(scope="package")
def kafka(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Kafka]:
    """A real Kafka."""
    server = Kafka(tmp_path_factory.mktemp("kafka") / "data", free_port(), free_port())
    formatted(server.folder)
    server.start()
    yield server
    server.kill()
    server.erase()
