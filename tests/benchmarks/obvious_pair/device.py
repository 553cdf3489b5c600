"""The pair's device service: takes codes over HTTP and from Kafka, and keeps one row per device."""

from typing import assert_never

from asyncpg import Record
from faststream.asgi import AsgiFastStream, AsgiResponse, Request, make_ping_asgi, post

from shared.ledger.database import Connection
from tests.benchmarks.obvious_pair.messages import (
    ACTIVATION_EVENTS,
    COMMANDS,
    DEVICE_EVENTS,
    AddCode,
    CodeAdded,
    CodeRejected,
    CodeVerified,
    Command,
    Expire,
    LicenseActivated,
    LicenseExpired,
    Verdict,
)
from tests.benchmarks.obvious_pair.shell import CONSUMERS, Shell

shell = Shell(says=DEVICE_EVENTS)


@post
async def add(request: Request) -> AsgiResponse:
    """Add the code in the body."""
    await shell.handle(AddCode.model_validate_json(await request.body()), decide)
    return AsgiResponse(b"{}", 202)


@shell.broker.subscriber(COMMANDS, group_id="device.commands", auto_offset_reset="earliest", max_workers=CONSUMERS)
async def on_command(command: Command) -> None:
    """Do what a command asks."""
    await shell.handle(command, decide)


@shell.broker.subscriber(
    ACTIVATION_EVENTS, group_id="device.verdicts", auto_offset_reset="earliest", max_workers=CONSUMERS
)
async def on_verdict(verdict: Verdict) -> None:
    """Show what the activation service has decided."""
    await shell.handle(verdict, show)


async def decide(connection: Connection, command: AddCode | Expire) -> CodeAdded | LicenseExpired | None:
    """Keep a code in reserve, or let the one in reserve take over."""
    device = await connection.fetchrow(LOCKED, command.device_id)
    match command:
        case AddCode(device_id=device_id, code=code) if device and device["reserve_code"] is None:
            await connection.execute(ADDED, device_id, code)
            return CodeAdded(device_id=device_id, code=code)
        case Expire(device_id=device_id, code=code) if device and _takes_over(device, code):
            await connection.execute(EXPIRED, device_id)
            return LicenseExpired(device_id=device_id, code=device["reserve_code"])
        case AddCode() | Expire():
            return None
        case _:
            assert_never(command)


def _takes_over(device: Record, expired: str) -> bool:
    return bool(device["status"] == "verified" and device["current_code"] == expired)


async def show(connection: Connection, verdict: CodeVerified | CodeRejected | LicenseActivated) -> None:
    """Write a verdict into the row of its device."""
    match verdict:
        case CodeVerified():
            await connection.execute(VERIFIED, verdict.device_id, verdict.code)
        case CodeRejected():
            await connection.execute(REJECTED, verdict.device_id, verdict.code)
        case LicenseActivated():
            await connection.execute(ACTIVATED, verdict.device_id, verdict.code)
        case _:
            assert_never(verdict)


app = AsgiFastStream(
    shell.broker,
    asgi_routes=[("/codes", add), ("/ready", make_ping_asgi(shell.broker, timeout=5.0))],
    lifespan=shell.running,
)

LOCKED = "select status, current_code, reserve_code from device where device_id = $1 for update"
ADDED = """
update device set status = 'added', reserve_code = $2, added_at = clock_timestamp() where device_id = $1
"""
EXPIRED = "update device set status = 'expired' where device_id = $1"
VERIFIED = """
update device set status = 'verified', verified_at = clock_timestamp() where device_id = $1 and reserve_code = $2
"""
REJECTED = "update device set status = 'rejected', reserve_code = null where device_id = $1 and reserve_code = $2"
ACTIVATED = """
update device set status = 'active', current_code = $2, reserve_code = null
where device_id = $1 and reserve_code = $2
"""
