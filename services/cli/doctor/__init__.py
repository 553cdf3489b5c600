"""`perennial doctor`: is a running deployment well, and if not, what is to be done."""

import asyncio
from typing import Annotated

import typer

from services.cli.connections import Connections
from services.cli.doctor.diagnosis import Finding, Readings, of_reading
from services.cli.doctor.ledgers import of_database
from services.cli.doctor.machine import of_machine
from services.cli.doctor.services import of_door
from services.cli.doctor.topics import of_brokers
from services.cli.examples import PARAGRAPH, examples
from services.cli.failures import ExitCode
from services.cli.names import SERVICES, ServiceName
from services.cli.output import AsJson, show_rows

EXAMPLES = PARAGRAPH.join(
    (
        "Exit codes: 0 well (warnings may stand), 1 something is wrong, 2 wrong usage, 3 a part cannot be reached.",
        examples(
            "perennial doctor",
            "perennial --kafka broker-1:9092 doctor --replicas 3 --json | jq 'select(.state != \"well\")'",
        ),
    )
)
COLUMNS = ("state", "part", "found", "do")


app = typer.Typer()


@app.command(epilog=EXAMPLES)
def doctor(
    ctx: typer.Context,
    replicas: Annotated[int, typer.Option(min=1, help="How many copies each partition should have.")] = 1,
    as_json: AsJson = False,
) -> None:
    """Look at everything that can be wrong, and say what to do about what is.

    This machine, doors, versions, clocks, keys, ledgers, schemas, leases, topics, lags, parked records, checkpoints.
    """
    findings = asyncio.run(examine(ctx.obj, replicas))
    show_rows([finding.row() for finding in findings], COLUMNS, as_json=as_json)
    if any(finding.state == "away" for finding in findings):
        raise typer.Exit(ExitCode.UNREACHABLE)
    if any(finding.state == "wrong" for finding in findings):
        raise typer.Exit(ExitCode.REFUSED)


async def examine(connections: Connections, replicas: int) -> list[Finding]:
    """Return everything that was looked at, in the order in which one would look."""
    findings: list[Finding] = [*of_machine(connections.data)]
    readings: dict[ServiceName, Readings] = {}
    for service in SERVICES:
        findings += await of_door(service, connections)
        found, reading = await of_database(service, connections)
        findings += found
        if reading:
            readings[service] = reading
    findings += await of_brokers(connections.kafka, replicas)
    findings += of_reading(readings)
    return findings
