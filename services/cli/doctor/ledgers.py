"""Checks the ledger of a service: PostgreSQL version, schema, leases, backlog, parked records, reader positions."""

from typing import Any

import asyncpg

from services.cli.connections import Connections
from services.cli.doctor.diagnosis import Finding, LedgerReadings, diagnose_ledger
from services.cli.failures import CommandFailed
from services.cli.names import MIGRATIONS, ServiceName
from shared.ledger.clock import machine_now
from shared.ledger.database import UNAVAILABLE, Connection
from shared.ledger.migrate import SchemaError, check_schema

CONNECT_SECONDS_MAX = 5.0
POSTGRES_MIN = 17


async def check_ledger(service: ServiceName, connections: Connections) -> tuple[list[Finding], LedgerReadings | None]:
    """Return the findings, and the readings if the ledger could be read."""
    part = f"{service} ledger"
    try:
        connection = await asyncpg.connect(connections.database_url(service), timeout=CONNECT_SECONDS_MAX)
    except CommandFailed as unknown:
        return [Finding("away", part, "its database URL is unknown", unknown.message)], None
    except (asyncpg.PostgresError, *UNAVAILABLE) as error:
        advice = "start PostgreSQL, or check the host and password in the database URL"
        return [Finding("away", part, f"unreachable: {str(error) or type(error).__name__}", advice)], None
    try:
        readings = await _read(connection)
        findings = [
            _release(part, connection),
            await _schema(part, service, connection),
            *diagnose_ledger(part, readings),
        ]
        return findings, readings
    except asyncpg.PostgresError as error:
        return [Finding("wrong", part, str(error), f"run `perennial migrate --service {service}`")], None
    finally:
        await connection.close()


def _release(part: str, connection: Connection) -> Finding:
    version = connection.get_server_version()
    if version.major >= POSTGRES_MIN:
        return Finding("well", part, f"PostgreSQL {version.major}.{version.minor}")
    found = f"PostgreSQL {version.major} is older than the versions this release is tested with"
    return Finding("warning", part, found, f"upgrade to PostgreSQL {POSTGRES_MIN} or later")


async def _schema(part: str, service: ServiceName, connection: Connection) -> Finding:
    try:
        await check_schema(connection, folder=MIGRATIONS[service])
    except SchemaError as error:
        return Finding("wrong", part, str(error), f"run `perennial migrate --service {service}` from the right release")
    return Finding("well", part, "the schema matches this release")


async def _read(connection: Connection) -> LedgerReadings:
    row: dict[str, Any] = dict(await connection.fetchrow(READING) or {})
    heads = await connection.fetch("select slice, position from slice_head")
    vectors = await connection.fetch("select consumer, slice, position from inbound_slice")
    parked = await connection.fetch(PARKED)
    return LedgerReadings(
        skew_seconds=(row.pop("clock_at") - machine_now()).total_seconds(),
        **row,
        heads={entry["slice"]: entry["position"] for entry in heads},
        vectors=[tuple(entry) for entry in vectors],
        parked=[tuple(entry) for entry in parked],
    )


READING = """
select (select mode from ledger) as mode, clock_timestamp() as clock_at,
       (select coalesce(sum(head.position - sent.position), 0)::bigint
        from slice_head head join slice_published sent using (slice)) as backlog,
       (select count(*) from lease where expires_at is null or expires_at <= now()) as unowned,
       (select array_agg(name order by name) from worker where seen_at > now() - interval '6 seconds') as workers
"""

PARKED = """
select consumer, reason, count(*) from parked
where redriven_at is null and discarded_at is null group by consumer, reason
"""
