"""Opens the ledger of a service for an operator."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass

from services.activation import outbox as activation_outbox
from services.cli.failures import CommandFailed, ExitCode
from services.cli.names import MIGRATIONS, ServiceName
from services.device import outbox as device_outbox
from shared.ledger.clock import Clock
from shared.ledger.database import Connection, Pool, open_pool
from shared.ledger.migrate import SchemaError, check_schema
from shared.ledger.outbox import Outbox

CONSUMERS: Mapping[str, ServiceName] = {
    "device.verdicts": "device",
    "device.commands": "device",
    "license_view": "device",
    "code_terms": "device",
    "activation.requests": "activation",
    "activation.purchases": "activation",
    "code_view": "activation",
    "switchover_forecast": "activation",
}
"""Every consumer and its service."""


@dataclass(frozen=True, slots=True)
class Ledger:
    """An open ledger."""

    pool: Pool
    clock: Clock
    outbox: Outbox


@asynccontextmanager
async def open_ledger(service: ServiceName, database_url: str) -> AsyncIterator[Ledger]:
    """Yield the ledger at `database_url`.

    Raises `CommandFailed` if it belongs to another service or to another release (`other_release`).
    """
    pool = await open_pool(database_url, connections_max=1, name="perennial operator")
    try:
        row = await pool.fetchrow("select service, mode from ledger")
        if row is None or row["service"] != service:
            raise CommandFailed(ExitCode.REFUSED, f"this database is not the {service} ledger")
        clock = Clock(sandbox=row["mode"] == "sandbox")
        async with pool.acquire() as connection:
            await _check_release(connection, service)
            await clock.refresh(connection)
        yield Ledger(pool, clock, _outbox(service, sandbox=clock.sandbox))
    finally:
        pool.terminate()


async def _check_release(connection: Connection, service: ServiceName) -> None:
    try:
        await check_schema(connection, MIGRATIONS[service])
    except SchemaError as other:
        raise CommandFailed(ExitCode.REFUSED, f"other_release: {other}") from None


def _outbox(service: ServiceName, *, sandbox: bool) -> Outbox:
    match service:
        case "device":
            return device_outbox.SANDBOX_OUTBOX if sandbox else device_outbox.OUTBOX
        case "activation":
            return activation_outbox.SANDBOX_OUTBOX if sandbox else activation_outbox.OUTBOX
