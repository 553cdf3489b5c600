"""`perennial doctor`: is a running deployment well, and if not, what is to be done."""

import asyncio
from collections.abc import Iterable
from datetime import datetime
from email.utils import parsedate_to_datetime
from typing import Annotated, Any

import asyncpg
import httpx
import typer
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import KafkaError

from services.cli.connections import Connections
from services.cli.diagnosis import Finding, Readings, of_kafka, of_ledger, of_reading
from services.cli.examples import PARAGRAPH, examples
from services.cli.failures import CommandFailed, ExitCode
from services.cli.output import AsJson, show_rows
from services.cli.system import MIGRATIONS, SERVICES, ServiceName
from shared.clock import machine_now
from shared.database import AWAY, Connection
from shared.migrate import SchemaError, check_schema
from shared.topics import EVENT_TOPICS, ORDER_TOPICS, WrongTopic, check_topics
from shared.version import VERSION

EXAMPLES = PARAGRAPH.join(
    (
        "Exit codes: 0 well (warnings may stand), 1 something is wrong, 2 wrong usage, 3 a part cannot be reached.",
        examples(
            "perennial doctor",
            "perennial --kafka broker-1:9092 doctor --replicas 3 --json | jq 'select(.state != \"well\")'",
        ),
    )
)
ASK_SECONDS = 5.0
SKEW_SECONDS_MAX = 2.0
COLUMNS = ("state", "part", "found", "do")


def doctor(
    ctx: typer.Context,
    replicas: Annotated[int, typer.Option(min=1, help="How many copies each partition should have.")] = 1,
    as_json: AsJson = False,
) -> None:
    """Look at doors, versions, clocks, ledgers, leases, topics and lags, and say what to do about what is wrong."""
    findings = asyncio.run(examine(ctx.obj, replicas))
    show_rows([finding.row() for finding in findings], COLUMNS, as_json=as_json)
    if any(finding.state == "away" for finding in findings):
        raise typer.Exit(ExitCode.UNREACHABLE)
    if any(finding.state == "wrong" for finding in findings):
        raise typer.Exit(ExitCode.REFUSED)


async def examine(connections: Connections, replicas: int) -> list[Finding]:
    """Return everything that was looked at, in the order in which one would look."""
    findings: list[Finding] = []
    readings: dict[ServiceName, Readings] = {}
    for service in SERVICES:
        findings += await _door(service, connections.urls[service])
        found, reading = await _ledger(service, connections)
        findings += found
        if reading:
            readings[service] = reading
    findings += await _kafka(connections.kafka, replicas)
    findings += of_reading(readings)
    return findings


async def _door(service: ServiceName, url: str) -> Iterable[Finding]:
    part = f"{service} door"
    try:
        async with httpx.AsyncClient(base_url=url, timeout=ASK_SECONDS, trust_env=False) as client:
            ready, version = await client.get("/readyz"), await client.get("/version")
    except httpx.TransportError as error:
        said = str(error) or type(error).__name__
        return [
            Finding("away", part, f"{url}: {said}", f"start a {service} worker, or name its address with an option")
        ]
    return [_readiness(part, ready), _version(part, version), _skew(part, _date_of(ready))]


def _readiness(part: str, ready: httpx.Response) -> Finding:
    if ready.is_success:
        return Finding("well", part, "every consumer and the relay make progress")
    detail = ready.json().get("detail", "it does not say why") if ready.content else "it does not say why"
    return Finding("wrong", part, detail, "see what it names; if it stays, that worker's log")


def _version(part: str, answer: httpx.Response) -> Finding:
    found = answer.json().get("version") if answer.is_success else None
    if found == VERSION:
        return Finding("well", part, f"release {found}")
    return Finding(
        "warning", part, f"release {found}, this is {VERSION}", "an upgrade is under way, or was left half done"
    )


def _date_of(answer: httpx.Response) -> datetime | None:
    return parsedate_to_datetime(answer.headers["date"]) if "date" in answer.headers else None


def _skew(part: str, theirs: datetime | None) -> Finding:
    if theirs is None:
        return Finding("warning", part, "it does not tell its time", "ask it directly, without what stands between")
    seconds = (theirs - machine_now()).total_seconds()
    # HTTP tells whole seconds
    if abs(seconds) <= SKEW_SECONDS_MAX + 1:
        return Finding("well", part, "its clock agrees with this machine's")
    return Finding("wrong", part, f"its clock is {seconds:+.0f} s off this machine's", "synchronise both clocks (NTP)")


async def _ledger(service: ServiceName, connections: Connections) -> tuple[list[Finding], Readings | None]:
    part = f"{service} ledger"
    try:
        connection = await asyncpg.connect(connections.database_url(service), timeout=ASK_SECONDS)
    except CommandFailed as unknown:
        return [Finding("away", part, "nobody said where it is", unknown.message)], None
    except (asyncpg.PostgresError, *AWAY) as error:
        advice = "start PostgreSQL, or check the address and password in its secret"
        return [Finding("away", part, str(error) or type(error).__name__, advice)], None
    try:
        reading = await _reading(connection)
        return [await _schema(part, service, connection), *of_ledger(part, reading)], reading
    except asyncpg.PostgresError as error:
        return [Finding("wrong", part, str(error), f"run `perennial migrate --service {service}`")], None
    finally:
        await connection.close()


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


async def _kafka(bootstrap_servers: str, replicas: int) -> list[Finding]:
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap_servers, request_timeout_ms=int(ASK_SECONDS * 1_000))
    topics = (*EVENT_TOPICS, *ORDER_TOPICS)
    try:
        await admin.start()
        await check_topics(bootstrap_servers, topics)
        return list(of_kafka(await admin.describe_topics(list(topics)), replicas))
    except WrongTopic as error:
        return [Finding("wrong", "Kafka", str(error), "do that, then `perennial topics ensure`")]
    except (KafkaError, *AWAY) as error:
        said = f"{bootstrap_servers}: {error!r}"
        return [Finding("away", "Kafka", said, "start the brokers, or name them with --kafka")]
    finally:
        await admin.close()


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
