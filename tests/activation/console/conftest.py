"""A console for each test."""

from collections.abc import AsyncIterator

import pytest

from shared.ledger.database import Pool
from tests.activation.console.harness import Harness, running


@pytest.fixture
async def harness(activation_pool: Pool, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Harness]:
    """The console on a ledger as good as new."""
    async with running(activation_pool, tmp_path_factory.getbasetemp() / "console-keys") as harness:
        yield harness
