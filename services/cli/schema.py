"""`perennial migrate`: a service's database brought to the schema of this release."""

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


@app.command(epilog=examples("perennial migrate --service device"))
def migrate(
    service: Annotated[ServiceName, typer.Option(help="Whose database.")],
    role: Annotated[
        str | None, typer.Option(help="What the service connects as.", show_default="SERVICE_service")
    ] = None,
    mode: Annotated[Mode, typer.Option(help="Counts once, when the ledger is made.")] = "production",
    as_json: AsJson = False,
) -> None:
    """Bring a database to this release's schema, all or nothing, as its owner (PERENNIAL_OWNER_DATABASE_URL).

    With PERENNIAL_DATABASE_URL, the service's own address, its role is made too, or given the password in it.
    """
    owner = secret(OWNER)
    if owner is None:
        raise CommandFailed(ExitCode.UNREACHABLE, f"set {OWNER} to the database, as its owner")
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
    """Let the service in: its role exists and has this password."""
    known = await connection.fetchval("select 1 from pg_roles where rolname = $1", role)
    # these statements take no parameters: PostgreSQL itself quotes both words
    statement = await connection.fetchval(
        "select format('%s role %I login password %L', $1::text, $2::text, $3::text)",
        "alter" if known else "create",
        role,
        password,
    )
    await connection.execute(statement)
