"""The pair's activation service: one row per code, with its seats."""

from typing import assert_never

from faststream.asgi import AsgiFastStream, make_ping_asgi

from shared.ledger.database import Connection
from tests.benchmarks.obvious_pair.messages import (
    ACTIVATION_EVENTS,
    DEVICE_EVENTS,
    CodeAdded,
    CodeRejected,
    CodeVerified,
    LicenseActivated,
    LicenseExpired,
    Message,
    Request,
)
from tests.benchmarks.obvious_pair.shell import CONSUMERS, Shell

shell = Shell(says=ACTIVATION_EVENTS)


@shell.broker.subscriber(
    DEVICE_EVENTS, group_id="activation.requests", auto_offset_reset="earliest", max_workers=CONSUMERS
)
async def on_request(request: Request) -> None:
    """Answer a device."""
    await shell.handle(request, decide)


async def decide(connection: Connection, request: CodeAdded | LicenseExpired) -> Message:
    """Verify a code, or take one of its seats."""
    code = await connection.fetchrow(LOCKED, request.code)
    about = {"device_id": request.device_id, "code": request.code}
    if code is None or code["seats_taken"] >= code["seats"]:
        return CodeRejected(**about)
    match request:
        case CodeAdded():
            return CodeVerified(**about)
        case LicenseExpired():
            await connection.execute(TAKEN, request.code)
            return LicenseActivated(**about)
        case _:
            assert_never(request)


app = AsgiFastStream(
    shell.broker, asgi_routes=[("/ready", make_ping_asgi(shell.broker, timeout=5.0))], lifespan=shell.running
)

LOCKED = "select seats, seats_taken from code where code = $1 for update"
TAKEN = "update code set seats_taken = seats_taken + 1 where code = $1"
