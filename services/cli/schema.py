"""`perennial migrate`: a service's database brought to the schema of this release."""

import asyncio
import os
from typing import Annotated

import asyncpg
import typer

from services.cli.failures import CommandFailed, ExitCode
from services.cli.output import AsJson, show
from services.cli.system import MIGRATIONS, Mode, ServiceName
from shared import migrate as schema

OWNER = "PERENNIAL_OWNER_DATABASE_URL"


def migrate(
    service: Annotated[ServiceName, typer.Option(help="Whose database.")],
    role: Annotated[
        str | None, typer.Option(help="What the service connects as.", show_default="SERVICE_service")
    ] = None,
    mode: Annotated[Mode, typer.Option(help="Counts once, when the ledger is made.")] = "production",
    as_json: AsJson = False,
) -> None:
    """Bring a database to this release's schema, all or nothing, as its owner (PERENNIAL_OWNER_DATABASE_URL)."""
    if OWNER not in os.environ:
        raise CommandFailed(ExitCode.UNREACHABLE, f"set {OWNER} to the database, as its owner")
    applied = asyncio.run(_migrate(os.environ[OWNER], service, role or f"{service}_service", mode))
    show({"service": service, "applied": applied}, as_json=as_json)


async def _migrate(database_url: str, service: ServiceName, role: str, mode: Mode) -> list[str]:
    connection = await asyncpg.connect(database_url)
    try:
        return await schema.migrate(
            connection, service=service, service_role=role, folder=MIGRATIONS[service], mode=mode
        )
    finally:
        await connection.close()
