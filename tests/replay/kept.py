"""A world's logs in real ledgers, with the rows beside them, and both services' doors in front."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Any

from services.activation.api import Doors as CodeDoors
from services.activation.api import routes as code_routes
from services.activation.decider import DECIDER as ON_CODES
from services.activation.forecast import FORECAST
from services.activation.outbox import SANDBOX_OUTBOX as CODES_OUT
from services.activation.store import CodeStore
from services.device.api import Doors as DeviceDoors
from services.device.api import Throttle, Watch
from services.device.api import routes as device_routes
from services.device.decider import DECIDER as ON_DEVICES
from services.device.outbox import SANDBOX_OUTBOX as DEVICES_OUT
from services.device.store import DeviceStore
from shared.doors.command_queue import CommandQueue
from shared.keys.crypto_shredding import Sealing
from shared.ledger.clock import Clock, machine_now
from shared.ledger.command_handler import CommandHandler, Stored
from shared.ledger.database import Pool, transaction
from shared.ledger.events import NewEvent, append
from shared.messages import decode
from shared.projector.projection import Row
from shared.projector.views import save_rows
from tests.at_the_door import OPERATOR_KEY_HASH, Client, served
from tests.replay.world import World


def event_of(entry: NewEvent) -> Any:
    """Return the event of a log."""
    return decode(entry.type_name, entry.schema_version, entry.data)


def life_of(log: Sequence[NewEvent], stream_id: str) -> list[NewEvent]:
    """Return one stream of a log."""
    return [entry for entry in log if entry.stream_id == stream_id]


async def keep_devices(world: World, pool: Pool) -> None:
    """Write the device service's log and rows."""
    async with transaction(pool) as connection:
        await append(connection, world.device_log)
        versions = {name: Stored(len(life_of(world.device_log, name)), state) for name, state in world.devices.items()}
        await DeviceStore().save(connection, {}, versions)


async def keep_codes(world: World, pool: Pool) -> None:
    """Write the activation service's log and rows, and what it foresees from the devices' log."""
    async with transaction(pool) as connection:
        await append(connection, world.code_log)
        versions = {ref: Stored(len(life_of(world.code_log, ref)), state) for ref, state in world.codes.items()}
        await CodeStore().save(connection, {}, versions)
        rows: list[Row] = []
        for name in sorted(world.devices):
            row = FORECAST.initial
            for entry in life_of(world.device_log, name):
                row = FORECAST.fold(row, event_of(entry), occurred_at=entry.occurred_at, recorded_at=entry.recorded_at)
            rows += FORECAST.rows(name, len(life_of(world.device_log, name)), row)
        await save_rows(connection, FORECAST, rows)


@asynccontextmanager
async def device_doors(pool: Pool, now: datetime) -> AsyncIterator[Client]:
    """Yield a client of the device service's doors, at the time `now`."""
    queue = CommandQueue(CommandHandler(ON_DEVICES, DeviceStore(), DEVICES_OUT), pool=pool)
    clock = Clock(ahead=now - machine_now(), sandbox=True)
    doors = DeviceDoors(
        queue=queue,
        pool=pool,
        clock=clock,
        watch=Watch(),
        heard_until=clock.now,
        sealing=Sealing(pool),
        enrollments=Throttle(per_minute=60),
        keys=None,
        issuer="tests",
        operator_key_hash=OPERATOR_KEY_HASH,
    )
    async with served(device_routes(doors), queue.run, {}) as client:
        yield client


@asynccontextmanager
async def code_doors(pool: Pool, now: datetime) -> AsyncIterator[Client]:
    """Yield a client of the activation service's doors, at the time `now`."""
    queue = CommandQueue(CommandHandler(ON_CODES, CodeStore(), CODES_OUT), pool=pool)
    doors = CodeDoors(
        queue=queue,
        pool=pool,
        clock=Clock(ahead=now - machine_now(), sandbox=True),
        sealing=Sealing(pool),
        operator_key_hash=OPERATOR_KEY_HASH,
    )
    async with served(code_routes(doors), queue.run, {}) as client:
        yield client
