"""A console for each test."""

from collections.abc import AsyncIterator

import pytest

from shared.ledger.database import Pool
from tests.activation.console.stand import Stand, standing


@pytest.fixture
async def stand(activation_pool: Pool, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Stand]:
    """The console on a ledger as good as new."""
    async with standing(activation_pool, tmp_path_factory.getbasetemp() / "console-keys") as stand:
        yield stand
