"""Opens a service's ledger for an operator's order, wired as the service itself is.

The command line is a second composition root beside the services' `__main__`: what is handled again by hand must go
through the same source, rules and outbox.
"""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from services.activation import consumer as activation
from services.activation import decider as codes
from services.activation import outbox as activation_outbox
from services.activation.store import CodeStore
from services.cli.failures import CommandFailed, ExitCode
from services.cli.names import ServiceName
from services.cli.system import MIGRATIONS
from services.device import consumer as device
from services.device import decider as devices
from services.device import outbox as device_outbox
from services.device.store import DeviceStore
from shared.clock import Clock
from shared.command_handler import CommandHandler
from shared.consumer import Source
from shared.database import Connection, Pool, open_pool
from shared.migrate import SchemaError, check_schema
from shared.outbox import Outbox

CONSUMERS: Mapping[str, ServiceName] = {
    "device.verdicts": "device",
    "device.commands": "device",
    "license_view": "device",
    "activation.requests": "activation",
    "activation.purchases": "activation",
    "code_view": "activation",
    "switchover_forecast": "activation",
}
"""Every consumer and the service it belongs to."""


@dataclass(frozen=True, slots=True)
class Ledger:
    """An open ledger. `sources` are the consumers that decide; a projection is rebuilt, not redriven."""

    pool: Pool
    clock: Clock
    outbox: Outbox
    sources: Mapping[str, Source[Any]]


@asynccontextmanager
async def opened(service: ServiceName, database_url: str) -> AsyncIterator[Ledger]:
    """Yield the ledger at `database_url`.

    Raises `CommandFailed` if it is another service's, or another release's (`other_release`).
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
        outbox = _outbox(service, sandbox=clock.sandbox)
        yield Ledger(pool, clock, outbox, _sources(service, clock, outbox))
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


def _sources(service: ServiceName, clock: Clock, outbox: Outbox) -> Mapping[str, Source[Any]]:
    sources: list[Source[Any]]
    match service:
        case "device":
            on_devices = CommandHandler(devices.DECIDER, DeviceStore(), outbox)
            sources = [device.verdicts(on_devices, clock), device.commands(on_devices, clock)]
        case "activation":
            on_codes = CommandHandler(codes.DECIDER, CodeStore(), outbox)
            sources = [activation.requests(on_codes, clock), activation.purchases(on_codes, clock)]
    return {source.name: source for source in sources}
