"""Migrates one service's database to the schema of this release. Run once, by the owner of the database.

A migration is a numbered SQL file in `shared/ledger/migrations` or in the service's own `migrations`. It refers to the
role that the service connects as by the name `current_service`.
"""

import hashlib
from pathlib import Path
from typing import Literal

import asyncpg

from shared.ledger.database import Connection

SHARED = Path(__file__).parent / "migrations"
LOCK = 7_340_001


class SchemaError(Exception):
    """The schema of the database does not match this release. The message says how."""


async def migrate(
    connection: Connection,
    *,
    service: str,
    service_role: str,
    folder: Path,
    mode: Literal["production", "sandbox"],
) -> list[str]:
    """Apply the missing migrations, all or none, and return their names. `mode` only matters for a new ledger.

    Raises `SchemaError` if an applied file has been edited since, or if the database belongs to a newer release.
    """
    async with connection.transaction():
        await connection.execute("select pg_advisory_xact_lock($1)", LOCK)
        await connection.execute("create table if not exists migration (name text primary key, digest text not null)")
        applied = {row["name"]: row["digest"] for row in await connection.fetch("select * from migration")}
        files = _migrations(folder)
        _check(applied, files)
        missing = sorted(set(files) - set(applied))
        for name in missing:
            await connection.execute(files[name].replace("current_service", f'"{service_role}"'))
            await connection.execute("insert into migration values ($1, $2)", name, _digest(files[name]))
        await connection.execute(
            "insert into ledger (service, mode) values ($1, $2) on conflict do nothing", service, mode
        )
        await connection.execute(f'grant select on migration to "{service_role}"')
    return missing


async def check_schema(connection: Connection, folder: Path) -> None:
    """Raise `SchemaError` unless the database has exactly the schema of this release."""
    try:
        rows = await connection.fetch("select name, digest from migration")
    except asyncpg.UndefinedTableError:
        raise SchemaError("this database has no tables yet; run `perennial migrate`") from None
    applied, files = {row["name"]: row["digest"] for row in rows}, _migrations(folder)
    _check(applied, files)
    if missing := sorted(set(files) - set(applied)):
        raise SchemaError(f"the database has an older schema: {missing[0]} is missing; run `perennial migrate`")


def _migrations(folder: Path) -> dict[str, str]:
    return {path.name: path.read_text() for path in (*SHARED.glob("*.sql"), *folder.glob("*.sql"))}


def _check(applied: dict[str, str], files: dict[str, str]) -> None:
    if newer := sorted(set(applied) - set(files)):
        raise SchemaError(f"the database has a newer schema: {newer[-1]} is unknown to this release; run the newer one")
    for name, digest in applied.items():
        if _digest(files[name]) != digest:
            raise SchemaError(f"{name} was edited after it was applied; add a new migration instead")


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
