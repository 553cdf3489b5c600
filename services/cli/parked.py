"""`perennial parked`: what could not be handled, and why; handled after all, or set aside for good with a reason."""

import asyncio
import json
from contextlib import suppress
from typing import Annotated, Any

import asyncpg
import typer

from services.cli.completions import parking_words
from services.cli.examples import examples
from services.cli.failures import CommandFailed, ExitCode
from services.cli.ledgers import CONSUMERS, open_ledger
from services.cli.names import SERVICES, ServiceName
from services.cli.output import AsJson, say, show, show_rows
from services.cli.sources import sources_of
from shared.ledger.events import instant
from shared.recovery.redrive import NotRedriven, ParkedRecord, discard_one, redrive_one

app = typer.Typer(no_args_is_help=True, help="Look at parked records, handle them again, or discard them.")

REASON_CHARACTERS_MAX = 400

Name = Annotated[str, typer.Argument(metavar="ID", help="CONSUMER:PARTITION:OFFSET, as `parked list` shows it.")]


@app.command(
    "list", epilog=examples("perennial parked list", "perennial parked list --reason unknown_device --json | jq -r .id")
)
def list_parked(
    ctx: typer.Context,
    service: Annotated[ServiceName | None, typer.Option(help="Only this service's.")] = None,
    reason: Annotated[str | None, typer.Option(help="Only those for it.", autocompletion=parking_words)] = None,
    every: Annotated[bool, typer.Option("--all", help="Also those that were redriven or discarded.")] = False,
    as_json: AsJson = False,
) -> None:
    """List parked records, oldest first."""
    rows: list[dict[str, Any]] = []
    for each in (service,) if service else SERVICES:
        found = asyncio.run(_fetch(each, ctx.obj.database_url(each), LIST, every, reason))
        rows += [_summary(row) for row in found]
    show_rows(rows, ("id", "parked_at", "reason", "detail", "redriven_at", "discarded_at"), as_json=as_json)


@app.command("show", epilog=examples("perennial parked show device.commands:3:17"))
def show_parked(ctx: typer.Context, name: Name, as_json: AsJson = False) -> None:
    """Show a parked record with its headers and body."""
    parked = _named(name)
    service = CONSUMERS[parked.consumer]
    rows = asyncio.run(
        _fetch(
            service,
            ctx.obj.database_url(service),
            SHOW,
            parked.consumer,
            parked.partition,
            parked.offset,
            parked.ordinal,
        )
    )
    if not rows:
        raise CommandFailed(ExitCode.REFUSED, f"nothing is parked as {name}")
    row = rows[0]
    body = {
        "key": (row["key"] or b"").decode(errors="replace"),
        "headers": dict(json.loads(row["headers"])),
        "value": row["value"].decode(errors="replace"),
    }
    show({**_summary(row), **body}, as_json=as_json)


@app.command(epilog=examples("perennial parked redrive device.commands:3:17 device.commands:3:18"))
def redrive(
    ctx: typer.Context,
    names: Annotated[list[str], typer.Argument(metavar="ID...", help="Which, as `parked list` shows them.")],
    as_json: AsJson = False,
) -> None:
    """Handle parked records again, one by one in the order given; stops at the first that cannot be."""
    for name in names:
        parked = _named(name)
        recorded = asyncio.run(_redrive(ctx.obj.database_url(CONSUMERS[parked.consumer]), parked))
        show({"id": name, "recorded": recorded}, as_json=as_json)
    say(f"{len(names)} redriven")


@app.command(epilog=examples('perennial parked discard device.commands:3:17 --reason "a test of the tool"'))
def discard(
    ctx: typer.Context,
    name: Name,
    reason: Annotated[str, typer.Option(help="Why it will never be handled.")],
    as_json: AsJson = False,
) -> None:
    """Set a parked record aside for good. It stays to be seen, and the log keeps the reason."""
    if not 0 < len(reason.strip()) <= REASON_CHARACTERS_MAX:
        raise CommandFailed(ExitCode.REFUSED, f"a reason has 1 to {REASON_CHARACTERS_MAX} characters")
    parked = _named(name)
    recorded = asyncio.run(_discard(ctx.obj.database_url(CONSUMERS[parked.consumer]), parked, reason.strip()))
    show({"id": name, "recorded": recorded}, as_json=as_json)


async def _discard(database_url: str, parked: ParkedRecord, reason: str) -> list[str]:
    async with open_ledger(CONSUMERS[parked.consumer], database_url) as ledger:
        try:
            return await discard_one(ledger.pool, parked, reason, outbox=ledger.outbox, clock=ledger.clock)
        except NotRedriven as refused:
            raise CommandFailed(ExitCode.REFUSED, f"{refused.code}: {refused.detail}") from None


async def _redrive(database_url: str, parked: ParkedRecord) -> list[str]:
    service = CONSUMERS[parked.consumer]
    async with open_ledger(service, database_url) as ledger:
        source = sources_of(service, ledger).get(parked.consumer)
        if source is None:
            raise CommandFailed(ExitCode.REFUSED, f"{parked.consumer} is a projection: rebuild it")
        try:
            return await redrive_one(ledger.pool, source, parked, outbox=ledger.outbox, clock=ledger.clock)
        except NotRedriven as refused:
            raise CommandFailed(ExitCode.REFUSED, f"{refused.code}: {refused.detail}") from None


async def _fetch(service: ServiceName, database_url: str, statement: str, *values: object) -> list[asyncpg.Record]:
    async with open_ledger(service, database_url) as ledger:
        return await ledger.pool.fetch(statement, *values)


def _named(name: str) -> ParkedRecord:
    with suppress(ValueError):
        parked = ParkedRecord.named(name)
        if parked.consumer in CONSUMERS:
            return parked
    raise CommandFailed(ExitCode.REFUSED, "a parked record is named CONSUMER:PARTITION:OFFSET, see `parked list`")


def _summary(row: asyncpg.Record) -> dict[str, Any]:
    return {
        "id": str(ParkedRecord.of(row)),
        "topic": row["topic"],
        "reason": row["reason"],
        "detail": row["detail"],
        "parked_at": instant(row["parked_at"]),
        "redriven_at": instant(row["redriven_at"]) if row["redriven_at"] else None,
        "discarded_at": instant(row["discarded_at"]) if row["discarded_at"] else None,
        "discard_note": row["discard_note"],
    }


LIST = """
select consumer, topic, partition, "offset", ordinal, reason, detail, parked_at, redriven_at, discarded_at, discard_note
from parked
where ($1 or redriven_at is null and discarded_at is null) and ($2::text is null or reason = $2)
order by parked_at, consumer, partition, "offset"
"""

SHOW = 'select * from parked where consumer = $1 and partition = $2 and "offset" = $3 and ordinal = $4'
