"""Looks at a service's ledger: which PostgreSQL and schema, leases, backlog, what is parked, how far readers are."""

from typing import Any

import asyncpg

from services.cli.connections import Connections
from services.cli.doctor.diagnosis import Finding, Readings, of_ledger
from services.cli.failures import CommandFailed
from services.cli.names import MIGRATIONS, ServiceName
from shared.ledger.clock import machine_now
from shared.ledger.database import UNAVAILABLE, Connection
from shared.ledger.migrate import SchemaError, check_schema

ASK_SECONDS = 5.0
POSTGRES_MIN = 17


async def of_database(service: ServiceName, connections: Connections) -> tuple[list[Finding], Readings | None]:
    """Return what was found, and the readings if the ledger could be read."""
    part = f"{service} ledger"
    try:
        connection = await asyncpg.connect(connections.database_url(service), timeout=ASK_SECONDS)
    except CommandFailed as unknown:
        return [Finding("away", part, "nobody said where it is", unknown.message)], None
    except (asyncpg.PostgresError, *UNAVAILABLE) as error:
        advice = "start PostgreSQL, or check the address and password in its secret"
        return [Finding("away", part, str(error) or type(error).__name__, advice)], None
    try:
        reading = await _reading(connection)
        found = [_release(part, connection), await _schema(part, service, connection), *of_ledger(part, reading)]
        return found, reading
    except asyncpg.PostgresError as error:
        return [Finding("wrong", part, str(error), f"run `perennial migrate --service {service}`")], None
    finally:
        await connection.close()


def _release(part: str, connection: Connection) -> Finding:
    version = connection.get_server_version()
    if version.major >= POSTGRES_MIN:
        return Finding("well", part, f"PostgreSQL {version.major}.{version.minor}")
    found = f"PostgreSQL {version.major} is older than what this release is tested with"
    return Finding("warning", part, found, f"upgrade to PostgreSQL {POSTGRES_MIN} or later")


async def _schema(part: str, service: ServiceName, connection: Connection) -> Finding:
    try:
        await check_schema(connection, folder=MIGRATIONS[service])
    except SchemaError as error:
        return Finding("wrong", part, str(error), f"run `perennial migrate --service {service}` of the right release")
    return Finding("well", part, "its tables are those of this release")


async def _reading(connection: Connection) -> Readings:
    row: dict[str, Any] = dict(await connection.fetchrow(READING) or {})
    heads = await connection.fetch("select slice, position from slice_head")
    vectors = await connection.fetch("select consumer, slice, position from inbound_slice")
    parked = await connection.fetch(PARKED)
    return Readings(
        skew_seconds=(row.pop("told_at") - machine_now()).total_seconds(),
        **row,
        heads={entry["slice"]: entry["position"] for entry in heads},
        vectors=[tuple(entry) for entry in vectors],
        parked=[tuple(entry) for entry in parked],
    )


READING = """
select (select mode from ledger) as mode, clock_timestamp() as told_at,
       (select coalesce(sum(head.position - sent.position), 0)::bigint
        from slice_head head join slice_published sent using (slice)) as backlog,
       (select count(*) from lease where expires_at is null or expires_at <= now()) as unowned,
       (select array_agg(name order by name) from worker where seen_at > now() - interval '6 seconds') as workers
"""

PARKED = """
select consumer, reason, count(*) from parked
where redriven_at is null and discarded_at is null group by consumer, reason
"""
