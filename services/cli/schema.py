"""`perennial ledger migrate`: migrates the database of a service to the schema of this release."""

import asyncio
from typing import Annotated
from urllib.parse import unquote, urlsplit

import asyncpg
import typer

from services.cli.examples import examples
from services.cli.failures import CommandFailed, ExitCode
from services.cli.names import MIGRATIONS, Mode, ServiceName
from services.cli.output import AsJson, show
from shared.ledger import migrate as schema
from shared.ledger.database import Connection
from shared.settings.secrets import secret

OWNER = "PERENNIAL_OWNER_DATABASE_URL"
SERVICE = "PERENNIAL_DATABASE_URL"


app = typer.Typer()


@app.command(epilog=examples("perennial ledger migrate --service device"))
def migrate(
    service: Annotated[ServiceName, typer.Option(help="The service whose database to migrate.")],
    role: Annotated[
        str | None, typer.Option(help="The database role of the service.", show_default="SERVICE_service")
    ] = None,
    mode: Annotated[Mode, typer.Option(help="The mode of a new ledger. It never changes afterwards.")] = "production",
    as_json: AsJson = False,
) -> None:
    """Migrate a database to the schema of this release in one transaction.

    Connects as the owner, with PERENNIAL_OWNER_DATABASE_URL. If PERENNIAL_DATABASE_URL, the URL of the service itself,
    is set too, its role is created, or its password changed to the one in the URL.
    """
    owner = secret(OWNER)
    if owner is None:
        raise CommandFailed(ExitCode.UNREACHABLE, f"set {OWNER} to the URL of the database, with its owner as the user")
    applied = asyncio.run(_migrate(owner, service, role or f"{service}_service", mode))
    show({"service": service, "applied": applied}, as_json=as_json)


async def _migrate(database_url: str, service: ServiceName, role: str, mode: Mode) -> list[str]:
    connection = await asyncpg.connect(database_url)
    try:
        if address := secret(SERVICE):
            parts = urlsplit(address)
            role = unquote(parts.username or role)
            await _ensure_role(connection, role, unquote(parts.password or ""))
        return await schema.migrate(
            connection, service=service, service_role=role, folder=MIGRATIONS[service], mode=mode
        )
    finally:
        await connection.close()


async def _ensure_role(connection: Connection, role: str, password: str) -> None:
    """Create the role of the service, or set its password."""
    exists = await connection.fetchval("select 1 from pg_roles where rolname = $1", role)
    # these statements take no parameters, so PostgreSQL quotes the values itself
    statement = await connection.fetchval(
        "select format('%s role %I login password %L', $1::text, $2::text, $3::text)",
        "alter" if exists else "create",
        role,
        password,
    )
    await connection.execute(statement)
