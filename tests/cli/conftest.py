"""The activation service's doors on a socket: the real routes, decider and ledger, without Kafka."""

import asyncio
import os
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import suppress
from functools import partial
from pathlib import Path
from subprocess import CompletedProcess

import pytest
import uvicorn
from prometheus_client import CollectorRegistry

from services.activation.api import Doors, routes
from services.activation.decider import DECIDER
from services.activation.outbox import SANDBOX_OUTBOX
from services.activation.store import CodeStore
from shared.doors.app import new_app
from shared.doors.command_queue import CommandQueue
from shared.keys.crypto_shredding import Sealing
from shared.ledger.clock import Clock
from shared.ledger.command_handler import CommandHandler
from shared.ledger.database import Pool
from shared.local.ports import LOOPBACK, free_port
from tests.at_the_door import OPERATOR_KEY, OPERATOR_KEY_HASH
from tests.cli.running import answer

type Perennial = Callable[..., Awaitable[CompletedProcess[str]]]


@pytest.fixture
async def shell(activation_pool: Pool, tmp_path: Path) -> AsyncIterator[dict[str, str]]:
    """Yield the environment of an operator's shell, while the activation service answers."""
    queue = CommandQueue(CommandHandler(DECIDER, CodeStore(), SANDBOX_OUTBOX), pool=activation_pool)
    app = new_app(title="tests", version="0", registry=CollectorRegistry(), checks=())
    doors = Doors(
        queue=queue,
        pool=activation_pool,
        clock=Clock(sandbox=True),
        sealing=Sealing(activation_pool),
        operator_key_hash=OPERATOR_KEY_HASH,
    )
    app.include_router(routes(doors))
    server = uvicorn.Server(uvicorn.Config(app, host=LOOPBACK, port=free_port(), log_level="error"))
    deciding, serving = asyncio.create_task(queue.run()), asyncio.create_task(server.serve())
    while not server.started:
        await asyncio.sleep(0.01)
    yield {
        **os.environ,
        "PERENNIAL_DATA": str(tmp_path / "data"),
        "PERENNIAL_ACTIVATION_URL": f"http://{LOOPBACK}:{server.config.port}",
        "PERENNIAL_OPERATOR_KEY": OPERATOR_KEY,
    }
    server.should_exit = True
    await serving
    deciding.cancel()
    with suppress(asyncio.CancelledError):
        await deciding


@pytest.fixture
def perennial(shell: dict[str, str]) -> Perennial:
    """Run a command in its own process, while the service answers in this one."""
    return partial(asyncio.to_thread, answer, shell)
