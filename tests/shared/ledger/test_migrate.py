"""Migrations on a real PostgreSQL: applied once, never edited, never by an older release, one at a time."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Literal

import asyncpg
import pytest

from shared.ledger.database import Connection
from shared.ledger.migrate import SchemaError, migrate
from tests.conftest import ROLE, Database, Databases

FIRST = "create table shelf (number integer);\ngrant select on shelf to current_service;\n"
SECOND = "create table book (title text);\n"
SHARED = sorted(path.name for path in (Path(__file__).parents[3] / "shared/ledger/migrations").glob("*.sql"))


@pytest.fixture(scope="module")
async def library(databases: Databases) -> Database:
    return await databases.empty()


@pytest.fixture
async def empty(library: Database) -> AsyncIterator[Database]:
    yield library
    async with library.connected(owner=True) as connection:
        await connection.execute(
            "drop schema public cascade; drop schema if exists shadow cascade;"
            "create schema public; grant usage on schema public to public"
        )


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "101_shelf.sql").write_text(FIRST)
    return tmp_path


async def bring_up(database: Database, folder: Path, mode: Literal["production", "sandbox"] = "sandbox") -> list[str]:
    async with database.connected(owner=True) as connection:
        return await migrate(connection, service="library", service_role=ROLE, folder=folder, mode=mode)


async def schema_of(connection: Connection) -> list[tuple[object, ...]]:
    """Return every column of every table, and what was applied."""
    columns = await connection.fetch(
        "select table_name, column_name, data_type from information_schema.columns"
        " where table_schema = 'public' order by 1, 2"
    )
    applied = await connection.fetch("select name, digest from migration order by name")
    ledger = await connection.fetch("select service, mode from ledger")
    return [tuple(row) for row in (*columns, *applied, *ledger)]


async def test_the_shared_files_come_first_and_the_service_role_is_filled_in(empty: Database, folder: Path) -> None:
    assert await bring_up(empty, folder) == [*SHARED, "101_shelf.sql"]
    async with empty.connected() as connection:
        assert await connection.fetch("select * from shelf") == []


async def test_a_second_run_changes_nothing(empty: Database, folder: Path) -> None:
    await bring_up(empty, folder)
    async with empty.connected(owner=True) as connection:
        before = await schema_of(connection)
        assert await bring_up(empty, folder) == []
        assert await schema_of(connection) == before


async def test_only_missing_migrations_are_applied(empty: Database, folder: Path) -> None:
    await bring_up(empty, folder)
    (folder / "102_book.sql").write_text(SECOND)
    assert await bring_up(empty, folder) == ["102_book.sql"]


async def test_a_file_that_was_edited_after_it_was_applied_is_refused(empty: Database, folder: Path) -> None:
    await bring_up(empty, folder)
    (folder / "101_shelf.sql").write_text(FIRST + "-- a word more\n")
    (folder / "102_book.sql").write_text(SECOND)
    with pytest.raises(SchemaError, match=r"101_shelf\.sql was edited"):
        await bring_up(empty, folder)
    async with empty.connected(owner=True) as connection:
        assert await connection.fetchval("select to_regclass('book')") is None


async def test_a_database_of_a_newer_release_is_refused(empty: Database, folder: Path) -> None:
    (folder / "102_book.sql").write_text(SECOND)
    await bring_up(empty, folder)
    (folder / "102_book.sql").unlink()
    with pytest.raises(SchemaError, match=r"newer schema.*102_book\.sql"):
        await bring_up(empty, folder)


async def test_if_a_file_fails_nothing_of_any_is_applied(empty: Database, folder: Path) -> None:
    (folder / "102_book.sql").write_text(SECOND + "select nonsense;")
    with pytest.raises(asyncpg.UndefinedColumnError):
        await bring_up(empty, folder)
    async with empty.connected(owner=True) as connection:
        assert await connection.fetchval("select count(*) from pg_tables where schemaname = 'public'") == 0


async def test_two_concurrent_runs_apply_everything_once(empty: Database, folder: Path) -> None:
    applied = await asyncio.gather(*(bring_up(empty, folder) for _ in range(4)))
    assert sorted(applied) == [[], [], [], [*SHARED, "101_shelf.sql"]]


async def test_the_mode_of_a_ledger_stays_whatever_a_later_migration_says(empty: Database, folder: Path) -> None:
    await bring_up(empty, folder, mode="production")
    await bring_up(empty, folder, mode="sandbox")
    async with empty.connected(owner=True) as connection:
        assert await connection.fetchval("select mode from ledger") == "production"


@pytest.mark.parametrize(("mode", "offset_ms"), [("production", 1), ("production", -1), ("sandbox", -1)])
async def test_the_schema_itself_keeps_production_time_real_and_sandbox_time_ahead(
    empty: Database, folder: Path, mode: Literal["production", "sandbox"], offset_ms: int
) -> None:
    await bring_up(empty, folder, mode)
    for owner in (True, False):
        async with empty.connected(owner=owner) as connection:
            with pytest.raises(asyncpg.CheckViolationError):
                await connection.execute("update ledger set clock_offset_ms = $1", offset_ms)
