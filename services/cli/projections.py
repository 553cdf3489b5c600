"""`perennial projection`: rebuild and verify the tables that are folds of the log."""

import asyncio
import logging
from collections.abc import Coroutine, Mapping
from typing import Annotated, Any, Literal

import asyncpg
import typer

from services.activation.forecast import FORECAST
from services.activation.projection import CODE, CODE_VIEW, FIRST_ACTIVATION, SEAT
from services.cli.bar import Bar
from services.cli.connections import Connections
from services.cli.examples import examples
from services.cli.failures import CommandFailed, ExitCode
from services.cli.ledgers import open_ledger
from services.cli.names import ServiceName
from services.cli.output import AsJson, say, show, show_rows
from services.device.outlook import CODE_TERMS
from services.device.projection import DEVICE, LICENSE_VIEW
from shared.ledger.identity import new_id
from shared.ledger.outbox import Cause
from shared.projector import (
    Acceptance,
    Outcome,
    Projection,
    ProjectorFailed,
    Subject,
    rebuild_projection,
    verify_projection,
)
from shared.projector.lock import ORDER_LOCK, REBUILD_LOCK, is_locked

app = typer.Typer(no_args_is_help=True, help="Rebuild projections from the log, and verify that they are folds of it.")

PROJECTIONS: Mapping[str, tuple[ServiceName, Projection[Any]]] = {
    "license_view": ("device", LICENSE_VIEW),
    "device": ("device", DEVICE),
    "code_terms": ("device", CODE_TERMS),
    "code_view": ("activation", CODE_VIEW),
    "switchover_forecast": ("activation", FORECAST),
    "code": ("activation", CODE),
    "seat": ("activation", SEAT),
    "first_activation": ("activation", FIRST_ACTIVATION),
}
"""Every table that is a fold of a log, and the service whose database holds it."""
LOGS: Mapping[str, ServiceName] = {"device.events.v1": "device", "activation.events.v1": "activation"}

Processes = Annotated[int | None, typer.Option(min=1, help="How many at once.", show_default="one per core")]


@app.command("list", epilog=examples("perennial projection list --json"))
def list_projections(ctx: typer.Context, as_json: AsJson = False) -> None:
    """List the projections: what maintains each, its lag, and a rebuild that is running or was interrupted."""
    rows = [asyncio.run(_status(ctx.obj, name)) for name in PROJECTIONS]
    show_rows(rows, ("name", "service", "kept_by", "events", "behind", "rebuild"), as_json=as_json)


@app.command(epilog=examples("perennial projection rebuild license_view --from kafka"))
def rebuild(
    ctx: typer.Context,
    name: Annotated[
        str, typer.Argument(help="Which, as `projection list` shows them.", autocompletion=lambda: [*PROJECTIONS])
    ],
    source: Annotated[
        Literal["kafka", "ledger"], typer.Option("--from", help="Which copy of the log is read.")
    ] = "kafka",
    processes: Processes = None,
    accept: Annotated[
        bool, typer.Option("--accept-differences", help="Replace it also if it differs, and take in parked events.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Rebuild a projection beside the live table, compare every row, and swap the two.

    Exit code 1 if a row differs: it is listed, and nothing is swapped. After an interruption it resumes.
    """
    subject, acceptance = _subject(ctx.obj, name, source=source, processes=processes)
    with Bar("events") as bar:
        outcome = _answer(rebuild_projection(subject, on_progress=bar.update, accept=acceptance if accept else None))
        facts = _facts(outcome, bar)
    _show(outcome, {**facts, "swapped": outcome.swapped}, as_json=as_json)
    if not outcome.swapped:
        detail = f"{outcome.comparison.differing} rows of {name} are not what the log says; nothing was replaced"
        raise CommandFailed(ExitCode.REFUSED, f"differs: {detail}")


@app.command(
    epilog=examples("perennial projection verify --all --json", "perennial projection verify license_view seat")
)
def verify(
    ctx: typer.Context,
    names: Annotated[
        list[str] | None,
        typer.Argument(metavar="NAME...", help="Which.", show_default=False, autocompletion=lambda: [*PROJECTIONS]),
    ] = None,
    every: Annotated[bool, typer.Option("--all", help="Every table that is a fold.")] = False,
    source: Annotated[
        Literal["kafka", "ledger"], typer.Option("--from", help="Which copy of the log is read.")
    ] = "ledger",
    processes: Processes = None,
    as_json: AsJson = False,
) -> None:
    """Fold tables from the log again and compare every row, even while they change. Nothing is replaced.

    Exit code 1 if a row differs.
    """
    asked = list(PROJECTIONS) if every else names or []
    if not asked:
        raise CommandFailed(ExitCode.REFUSED, "no_projection: name a projection, or give --all")
    subjects = [_subject(ctx.obj, name, source=source, processes=processes)[0] for name in asked]
    differing = []
    for subject in subjects:
        with Bar("events") as bar:
            outcome = _answer(verify_projection(subject, on_progress=bar.update))
            facts = _facts(outcome, bar)
        _show(outcome, facts, as_json=as_json)
        differing += [] if outcome.comparison.equal else [outcome.name]
    if differing:
        raise CommandFailed(ExitCode.REFUSED, f"differs: {', '.join(differing)}: not what the log says")


def _subject(
    connections: Connections, name: str, *, source: Literal["kafka", "ledger"], processes: int | None
) -> tuple[Subject, Acceptance]:
    if name not in PROJECTIONS:
        raise CommandFailed(ExitCode.REFUSED, f"unknown_projection: {name} is none of {', '.join(PROJECTIONS)}")
    service, projection = PROJECTIONS[name]
    url = connections.database_url(service)
    acceptance = asyncio.run(_acceptance(service, url))
    subject = Subject(
        projection=projection,
        database_url=url,
        ledger_url=connections.database_url(LOGS[projection.topic]),
        # a decider's row is written with its event: Kafka comes later
        source=source if projection.restore else "ledger",
        bootstrap_servers=connections.kafka,
        processes=processes,
    )
    return subject, acceptance


async def _acceptance(service: ServiceName, url: str) -> Acceptance:
    """Return how an acceptance given now is recorded. Refuses a database of another service or release."""
    async with open_ledger(service, url) as ledger:
        now = ledger.clock.now()
        return Acceptance(ledger.outbox, Cause(at=now, recorded_at=now, correlation_id=new_id()))


def _answer(asked: Coroutine[Any, Any, Outcome]) -> Outcome:
    # aiokafka would report an unreachable broker again and again; the command reports it once
    logging.getLogger("aiokafka").setLevel(logging.CRITICAL)
    try:
        return asyncio.run(asked)
    except ProjectorFailed as failed:
        code = ExitCode.UNREACHABLE if failed.code == "unreachable" else ExitCode.REFUSED
        raise CommandFailed(code, str(failed)) from None


def _facts(outcome: Outcome, bar: Bar) -> dict[str, Any]:
    comparison = outcome.comparison
    return {
        "name": outcome.name,
        "from": outcome.source,
        "events": outcome.events,
        "rows": comparison.rows,
        "digest": comparison.folded_digest,
        "equal": comparison.equal,
        "differing": comparison.differing,
        "repeated": outcome.repeated,
        "first_repeated": outcome.first_repeated,
        "altered": list(outcome.altered),
        "resumed": outcome.resumed,
        "folded": outcome.folded,
        "per_second": round(outcome.folded / max(outcome.seconds, 0.001)),
        "seconds": round(bar.seconds, 1),
    }


def _show(outcome: Outcome, facts: dict[str, Any], *, as_json: bool) -> None:
    rows = [{"row": each.key, "stored": each.stored, "folded": each.folded} for each in outcome.comparison.listed]
    if as_json:
        show({**facts, "listed": rows}, as_json=True)
        return
    show(facts, as_json=False)
    if rows:
        show_rows(rows, ("row", "stored", "folded"), as_json=False)
    if len(rows) < outcome.comparison.differing:
        say(f"{outcome.comparison.differing - len(rows)} more are counted above and not listed")


async def _status(connections: Connections, name: str) -> dict[str, Any]:
    service, projection = PROJECTIONS[name]
    async with open_ledger(LOGS[projection.topic], connections.database_url(LOGS[projection.topic])) as ledger:
        end = await ledger.pool.fetchval("select sum(position)::bigint from slice_head")
    async with open_ledger(service, connections.database_url(service)) as ledger:
        row = await ledger.pool.fetchrow(STATUS, name)
    if row is None:
        raise CommandFailed(ExitCode.REFUSED, f"other_release: {name} is not there; run `perennial migrate`")
    events = end if row["kept_by"] == "decider" else row["events"]
    return {
        "name": name,
        "service": service,
        "kept_by": row["kept_by"],
        "events": events,
        "behind": max(0, end - events),
        "rebuild": _rebuild(row),
    }


def _rebuild(row: asyncpg.Record) -> str | None:
    if row["running"]:
        return f"running at {row['rebuilt'] or 0}"
    return None if row["rebuilt"] is None else f"interrupted at {row['rebuilt']}"


STATUS = f"""
select kept_by, {is_locked(REBUILD_LOCK, ORDER_LOCK, name="name")} as running,
       (select coalesce(sum(position), 0)::bigint from inbound_slice where consumer = name) as events,
       (select coalesce(sum(s.position), 0)::bigint from rebuild r left join rebuild_slice s using (name)
        where r.name = p.name having count(r.name) > 0) as rebuilt
from projection p where name = $1
"""  # noqa: S608 - a condition of ours in a statement of ours
