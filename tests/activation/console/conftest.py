"""A console for each test."""

from collections.abc import AsyncIterator

import pytest

from shared.ledger.database import Pool
from tests.activation.console.harness import Harness, running
from tests.conftest import Database


@pytest.fixture
async def harness(
    activation_pool: Pool, activation_database: Database, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Harness]:
    """The console on a ledger as good as new."""
    keys_folder = tmp_path_factory.getbasetemp() / "console-keys"
    async with running(activation_pool, keys_folder, database_url=activation_database.service) as harness:
        yield harness
