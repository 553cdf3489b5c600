"""`perennial what-if`, as an operator gives it: which devices it refuses."""

from pathlib import Path

import pytest
from typer.testing import CliRunner

from services.cli import app
from services.cli.failures import ExitCode
from shared.ledger.database import Pool
from shared.ledger.events import append
from tests.conftest import Database
from tests.shared.records import packed


@pytest.fixture
async def environment(
    device_database: Database, activation_database: Database, device_pool: Pool, tmp_path: Path
) -> dict[str, str]:
    """An operator's shell with two ledgers, of which one knows device pc-10."""
    async with device_pool.acquire() as connection, connection.transaction():
        await append(connection, [packed("pc-10")])
    (tmp_path / "policy.json").write_text('{"name": "other", "version": 2}')
    return {
        "PERENNIAL_DEVICE_DATABASE_URL": device_database.service,
        "PERENNIAL_ACTIVATION_DATABASE_URL": activation_database.service,
    }


@pytest.mark.parametrize("since", [(), ("--since", "2026-03-01")])
def test_an_unknown_device_is_refused_whatever_the_time(
    environment: dict[str, str], tmp_path: Path, since: tuple[str, ...]
) -> None:
    words = ["what-if", "--policy", str(tmp_path / "policy.json"), "--device", "pc-1", *since]
    refused = CliRunner().invoke(app, words, env=environment)
    assert (refused.exit_code, refused.stdout) == (ExitCode.REFUSED, "")
    assert refused.stderr.startswith("perennial: unknown_device: ")
