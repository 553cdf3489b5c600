"""`perennial system doctor`: checks the health of a running deployment, and says how to fix what is wrong."""

import asyncio
from collections.abc import Mapping
from typing import Annotated

import typer

from services.cli.connections import Connections
from services.cli.doctor.diagnosis import Finding, LedgerReadings, State, diagnose_readers
from services.cli.doctor.ledgers import check_ledger
from services.cli.doctor.machine import check_machine
from services.cli.doctor.services import check_service
from services.cli.doctor.topics import check_kafka
from services.cli.examples import PARAGRAPH, examples
from services.cli.failures import ExitCode
from services.cli.names import SERVICES, ServiceName
from services.cli.output import AsJson, show_rows

EXAMPLES = PARAGRAPH.join(
    (
        "With --json, the states are well, warning, wrong and away (unreachable).",
        "Exit codes: 0 healthy (there may be warnings), 1 errors found, 2 usage error, 3 a part is unreachable.",
        examples(
            "perennial system doctor",
            "perennial --kafka broker-1:9092 system doctor --replicas 3 --json | jq 'select(.state != \"well\")'",
        ),
    )
)
COLUMNS = ("state", "part", "found", "do")
HEADINGS = {"found": "finding", "do": "what to do"}
STATES: Mapping[State, str] = {"well": "ok", "warning": "warning", "wrong": "error", "away": "unreachable"}
"""Each state as the table for people shows it."""


app = typer.Typer()


@app.command(epilog=EXAMPLES)
def doctor(
    ctx: typer.Context,
    replicas: Annotated[int, typer.Option(min=1, help="How many replicas each partition should have.")] = 1,
    as_json: AsJson = False,
) -> None:
    """Check the health of the system, and show what to do about each problem.

    It checks this machine, the services, their clocks and keys, the ledgers, topics, lag, parked records and
    checkpoints.
    """
    findings = asyncio.run(check_all(ctx.obj, replicas))
    rows = [finding.row() if as_json else {**finding.row(), "state": STATES[finding.state]} for finding in findings]
    show_rows(rows, COLUMNS, as_json=as_json, headings=HEADINGS)
    if any(finding.state == "away" for finding in findings):
        raise typer.Exit(ExitCode.UNREACHABLE)
    if any(finding.state == "wrong" for finding in findings):
        raise typer.Exit(ExitCode.REFUSED)


async def check_all(connections: Connections, replicas: int) -> list[Finding]:
    """Return all findings, in the order in which a person would check."""
    findings: list[Finding] = [*check_machine(connections.data)]
    readings: dict[ServiceName, LedgerReadings] = {}
    for service in SERVICES:
        findings += await check_service(service, connections)
        ledger_findings, ledger_readings = await check_ledger(service, connections)
        findings += ledger_findings
        if ledger_readings:
            readings[service] = ledger_readings
    findings += await check_kafka(connections.kafka, replicas)
    findings += diagnose_readers(readings)
    return findings
