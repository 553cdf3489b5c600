"""The pair that we are compared with does its work: a life on a real PostgreSQL, its messages carried by hand."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from importlib import import_module
from typing import Any
from uuid import UUID

import asyncpg
import pytest
from pydantic import TypeAdapter

from shared.ledger.database import Pool
from shared.ledger.identity import new_id
from tests.benchmarks.obvious_pair.messages import AddCode, CodeRejected, Expire, Message, Request, Verdict
from tests.benchmarks.obvious_pair.stand import SCHEMA
from tests.conftest import Databases


@dataclass(frozen=True)
class PairAtHand:
    """Both services on one database, in which each uses its own tables."""

    pool: Pool
    device: Any
    activation: Any

    async def commanded(self, command: AddCode | Expire) -> None:
        """Let the device service handle a command, and carry what follows until nothing is left to send."""
        await self.device.shell.handle(command, self.device.decide)
        for request in await self.sent(Request):
            await self.activation.shell.handle(request, self.activation.decide)
        for verdict in await self.sent(Verdict):
            await self.device.shell.handle(verdict, self.device.show)

    async def sent(self, kind: Any) -> list[Message]:
        """Empty the outbox."""
        rows = await self.pool.fetch("delete from outbox returning body")
        return [TypeAdapter(kind).validate_json(row["body"]) for row in rows]

    async def row(self, device_id: UUID) -> tuple[str, str, str | None]:
        """Return a device's status, and its codes."""
        found = await self.pool.fetchrow(
            "select status, current_code, reserve_code from device where device_id = $1", device_id
        )
        assert found
        return found["status"], found["current_code"], found["reserve_code"]

    async def enrolled(self, *, seats: int = 1) -> UUID:
        """Return a device whose license was activated with `first`; `second` has these seats."""
        device_id = new_id()
        await self.pool.execute(
            "insert into device (device_id, current_code, status) values ($1, 'first', 'active')", device_id
        )
        await self.pool.execute("insert into code (code, seats) values ('second', $1)", seats)
        return device_id


@pytest.fixture
async def pair(databases: Databases, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[PairAtHand]:
    """The pair with an outbox, on an empty database."""
    database = await databases.empty()
    monkeypatch.setenv("PAIR_DATABASE_URL", database.owner)
    monkeypatch.setenv("PAIR_BOOTSTRAP_SERVERS", "127.0.0.1:1")
    monkeypatch.setenv("PAIR_OUTBOX", "true")
    services = [import_module(f"tests.benchmarks.obvious_pair.{name}") for name in ("device", "activation")]
    async with asyncpg.create_pool(database.owner, min_size=1, max_size=2) as pool:
        await pool.execute(SCHEMA.read_text())
        for service in services:
            service.shell.pool = pool
        yield PairAtHand(pool, *services)


async def test_a_code_is_verified_and_takes_over_when_the_license_expires(pair: PairAtHand) -> None:
    device_id = await pair.enrolled()
    await pair.commanded(AddCode(device_id=device_id, code="second"))
    assert await pair.row(device_id) == ("verified", "first", "second")
    await pair.commanded(Expire(device_id=device_id, code="first"))
    assert await pair.row(device_id) == ("active", "second", None)
    assert await pair.pool.fetchval("select seats_taken from code") == 1
    assert await pair.pool.fetchval("select count(*) from event") == 4


async def test_a_message_that_comes_twice_is_handled_once(pair: PairAtHand) -> None:
    device_id = await pair.enrolled(seats=2)
    await pair.commanded(AddCode(device_id=device_id, code="second"))
    await pair.device.shell.handle(Expire(device_id=device_id, code="first"), pair.device.decide)
    (request,) = await pair.sent(Request)
    for _ in range(2):
        await pair.activation.shell.handle(request, pair.activation.decide)
    assert len(await pair.sent(Verdict)) == 1
    assert await pair.pool.fetchval("select seats_taken from code") == 1


async def test_a_code_without_a_free_seat_is_rejected(pair: PairAtHand) -> None:
    device_id = await pair.enrolled(seats=0)
    await pair.device.shell.handle(AddCode(device_id=device_id, code="second"), pair.device.decide)
    (request,) = await pair.sent(Request)
    await pair.activation.shell.handle(request, pair.activation.decide)
    (verdict,) = await pair.sent(Verdict)
    assert isinstance(verdict, CodeRejected)
    await pair.device.shell.handle(verdict, pair.device.show)
    assert await pair.row(device_id) == ("rejected", "first", None)
