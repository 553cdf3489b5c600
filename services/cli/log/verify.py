"""`perennial log verify`: is a log complete, equal to its copy in Kafka, and the history that was signed?"""

import asyncio
from pathlib import Path
from typing import Annotated, Any

import typer

from services.cli.bar import Bar
from services.cli.connections import Connections
from services.cli.examples import examples
from services.cli.failures import CommandFailed, ExitCode
from services.cli.ledgers import open_ledger
from services.cli.log.trust import KeysOption, trusted_keys
from services.cli.names import SERVICES, ServiceName
from services.cli.output import AsJson, say, show, tell
from shared.calendar import instant
from shared.proof.expectations import Expectations
from shared.proof.findings import Finding, Findings
from shared.proof.signed_checkpoint import checkpoint_files
from shared.proof.verification import Outcome, Subject, verify_log

EXAMPLES = examples(
    "perennial log verify",
    "perennial log verify --service device --checkpoints /mnt/elsewhere --keys device.jwks.json",
)


def verify(
    ctx: typer.Context,
    service: Annotated[ServiceName | None, typer.Option(help="Whose log.", show_default="both")] = None,
    checkpoints: Annotated[Path | None, typer.Option(help="A folder with signed checkpoints.")] = None,
    keys: KeysOption = None,
    topic: Annotated[str | None, typer.Option(help="Another topic that was filled from the log.")] = None,
    ledger_alone: Annotated[bool, typer.Option("--ledger-alone", help="Do not compare with Kafka.")] = False,
    processes: Annotated[int | None, typer.Option(min=1, help="How many at once.", show_default="one per core")] = None,
    as_json: AsJson = False,
) -> None:
    """Check a log event by event, even while it is written: chain, gaps, versions, Kafka, and signed checkpoints.

    Exit code 1 when something is wrong. Nothing is changed.
    """
    if topic and service is None:
        raise CommandFailed(ExitCode.REFUSED, "no_service: with --topic say whose log it is: --service")
    failed = False
    for name in (service,) if service else SERVICES:
        subject, outcome, facts = asyncio.run(
            _verified(
                ctx.obj,
                name,
                checkpoints=checkpoints,
                keys=keys,
                topic=topic,
                ledger_alone=ledger_alone,
                processes=processes,
            )
        )
        _show(subject, outcome, facts, as_json=as_json)
        failed = failed or outcome.findings.failed
    if failed:
        raise CommandFailed(ExitCode.REFUSED, "findings: the log is not whole, or not as it was")


async def _verified(
    connections: Connections,
    service: ServiceName,
    *,
    checkpoints: Path | None,
    keys: Path | None,
    topic: str | None,
    ledger_alone: bool,
    processes: int | None,
) -> tuple[Subject, Outcome, dict[str, Any]]:
    url = connections.database_url(service)
    async with open_ledger(service, url) as ledger:
        outbox = ledger.outbox
    findings = Findings(service)
    expectations = Expectations(outbox.source)
    if checkpoints is not None:
        expectations = _expectations(connections, service, outbox.source, checkpoints, keys, findings)
    subject = Subject(
        service=service,
        source=outbox.source,
        database_url=url,
        bootstrap_servers=connections.kafka,
        topic=None if ledger_alone else topic or outbox.topic,
        copy=topic is not None and topic != outbox.topic,
    )
    with Bar("events and records") as bar:
        outcome = await verify_log(subject, expectations, findings, on_progress=bar.update, processes=processes)
    newest_at = expectations.newest_at
    facts = {
        "checkpoints": expectations.checkpoint_count,
        "newest_checkpoint_at": instant(newest_at) if newest_at else None,
        "seconds": round(bar.seconds, 1),
        "per_second": round((outcome.events + outcome.records) / bar.seconds),
        "memory_mib_max": outcome.memory_bytes_max >> 20,
    }
    return subject, outcome, facts


def _expectations(
    connections: Connections, service: ServiceName, source: str, folder: Path, keys: Path | None, findings: Findings
) -> Expectations:
    expectations = Expectations.of(
        checkpoint_files(folder, ledger=source),
        ledger=source,
        keys=trusted_keys(connections, service, keys),
        findings=findings,
    )
    if not expectations.checkpoint_count and not findings.counts:
        raise CommandFailed(ExitCode.REFUSED, f"no_checkpoints: {folder} has none of the ledger {source}")
    return expectations


def _show(subject: Subject, outcome: Outcome, facts: dict[str, Any], *, as_json: bool) -> None:
    findings = outcome.findings
    answer = {
        "ledger": subject.service,
        "whole": not findings.failed,
        "events": outcome.events,
        "topic": subject.topic,
        "records": outcome.records,
        "not_sent_yet": outcome.waiting,
        **facts,
        "findings": dict(sorted(findings.counts.items())),
    }
    if as_json:
        show({**answer, "listed": [finding.as_json() for finding in findings.listed]}, as_json=True)
        return
    show(answer, as_json=False)
    for finding in findings.listed:
        tell(f"{finding.code:<28} {_place(finding)}: {finding.detail}")
    if unlisted := findings.counts.total() - len(findings.listed):
        say(f"{unlisted:,} more are counted above and not listed")


def _place(finding: Finding) -> str:
    return finding.ledger if finding.slice is None else f"slice {finding.slice} position {finding.position}"
