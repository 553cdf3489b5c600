"""The operator's door of the device service on a real ledger: real consumers' sources, real rebuilds, without Kafka."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress
from pathlib import Path

import pytest

from services.device.consumer import commands
from services.device.decider import DECIDER
from services.device.outbox import SANDBOX_OUTBOX
from services.device.projection import DEVICE, LICENSE_VIEW
from services.device.store import DeviceStore
from shared.ledger.clock import Clock
from shared.ledger.command_handler import CommandHandler
from shared.ledger.database import Pool
from shared.operations import Operations, operations_door
from shared.projector.live import live
from tests.at_the_door import OPERATOR_KEY_HASH, Client, served
from tests.conftest import Database
from tests.operations.desk import operations_on


@pytest.fixture
def checkpoint_folder(tmp_path: Path) -> Path:
    """Where the service exports its checkpoints."""
    return tmp_path / "checkpoints"


@pytest.fixture
async def operations(device_pool: Pool, device_database: Database, checkpoint_folder: Path) -> Operations:
    """What the composition root hands to the door."""
    handler = CommandHandler(DECIDER, DeviceStore(), SANDBOX_OUTBOX)
    return operations_on(
        device_pool,
        SANDBOX_OUTBOX,
        (commands(handler, Clock(sandbox=True)), live(LICENSE_VIEW)),
        (LICENSE_VIEW, DEVICE),
        database_url=device_database.service,
        checkpoint_folder=checkpoint_folder,
    )


@pytest.fixture
async def door(operations: Operations) -> AsyncIterator[Client]:
    """The door, with what runs behind it."""
    with suppress(asyncio.CancelledError):
        async with served(operations_door(operations, OPERATOR_KEY_HASH), operations.projections.run, {}) as client:
            yield client
