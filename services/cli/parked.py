"""`perennial parked`: lists records that could not be handled, handles them again, or discards them."""

import asyncio
import re
from collections.abc import Awaitable, Callable
from typing import Annotated, Any

import asyncpg
import typer

from services.cli.completions import parking_reasons
from services.cli.examples import examples
from services.cli.failures import CommandFailed, ExitCode
from services.cli.ledgers import CONSUMERS, open_ledger
from services.cli.names import SERVICES, ServiceName
from services.cli.operations import Preview
from services.cli.output import AsJson, plural, say, show, show_rows
from services.cli.sources import sources_of
from shared.calendar import instant
from shared.kafka.parking import headers_of
from shared.operations import ID_PATTERN
from shared.recovery.redrive import NotRedriven, ParkedRecord, discard_one, dry_run_redrive, redrive_one

app = typer.Typer(
    no_args_is_help=True, help="Show, redrive or discard parked records, which a consumer could not handle."
)

REASON_CHARACTERS_MAX = 400

Id = Annotated[str, typer.Argument(metavar="ID", help="The id from `parked list`: CONSUMER:PARTITION:OFFSET.")]


@app.command(
    "list", epilog=examples("perennial parked list", "perennial parked list --reason unknown_device --json | jq -r .id")
)
def list_parked(
    ctx: typer.Context,
    service: Annotated[ServiceName | None, typer.Option(help="Only records of this service.")] = None,
    reason: Annotated[
        str | None, typer.Option(help="Only records parked for this reason.", autocompletion=parking_reasons)
    ] = None,
    every: Annotated[bool, typer.Option("--all", help="Include records that were redriven or discarded.")] = False,
    as_json: AsJson = False,
) -> None:
    """List parked records, oldest first."""
    rows: list[dict[str, Any]] = []
    for each in (service,) if service else SERVICES:
        found = asyncio.run(_fetch(each, ctx.obj.database_url(each), LIST, every, reason))
        rows += [_summary(row) for row in found]
    show_rows(rows, ("id", "parked_at", "reason", "detail", "redriven_at", "discarded_at"), as_json=as_json)


@app.command("show", epilog=examples("perennial parked show device.commands:3:17"))
def show_parked(ctx: typer.Context, record_id: Id, as_json: AsJson = False) -> None:
    """Show a parked record with its headers and body."""
    parked = _parse_id(record_id)
    service = CONSUMERS[parked.consumer]
    key = (parked.consumer, parked.partition, parked.offset, parked.ordinal)
    rows = asyncio.run(_fetch(service, ctx.obj.database_url(service), SHOW, *key))
    if not rows:
        raise CommandFailed(ExitCode.REFUSED, f"no parked record has the id {record_id}")
    row = rows[0]
    body = {
        "key": (row["key"] or b"").decode(errors="replace"),
        "headers": {name: value.decode(errors="replace") for name, value in headers_of(row)},
        "value": row["value"].decode(errors="replace"),
    }
    show({**_summary(row), **body}, as_json=as_json)


@app.command(
    epilog=examples(
        "perennial parked redrive device.commands:3:17 --preview",
        "perennial parked redrive device.commands:3:17 device.commands:3:18",
    )
)
def redrive(
    ctx: typer.Context,
    ids: Annotated[list[str], typer.Argument(metavar="ID...", help="The ids from `parked list`.")],
    preview: Preview = False,
    as_json: AsJson = False,
) -> None:
    """Handle parked records again, one by one in the given order. Stop at the first that fails.

    With --preview, each is handled as if it were the only one, and its transaction is rolled back.
    """
    handle, told = (_previewed, "would_record") if preview else (redrive_one, "recorded")
    for record_id in ids:
        parked = _parse_id(record_id)
        recorded = asyncio.run(_redriven(ctx.obj.database_url(CONSUMERS[parked.consumer]), parked, handle))
        show({"id": record_id, told: recorded}, as_json=as_json)
    say("nothing was changed" if preview else f"{plural(len(ids), 'record')} redriven")


@app.command(epilog=examples('perennial parked discard device.commands:3:17 --reason "a test of the tool"'))
def discard(
    ctx: typer.Context,
    record_id: Id,
    reason: Annotated[str, typer.Option(help="Why the record will never be handled.")],
    as_json: AsJson = False,
) -> None:
    """Discard a parked record. It stays visible with --all, and the log keeps the reason."""
    if not 0 < len(reason.strip()) <= REASON_CHARACTERS_MAX:
        raise CommandFailed(ExitCode.REFUSED, f"--reason must have 1 to {REASON_CHARACTERS_MAX} characters")
    parked = _parse_id(record_id)
    recorded = asyncio.run(_discard(ctx.obj.database_url(CONSUMERS[parked.consumer]), parked, reason.strip()))
    show({"id": record_id, "recorded": recorded}, as_json=as_json)


async def _discard(database_url: str, parked: ParkedRecord, reason: str) -> list[str]:
    async with open_ledger(CONSUMERS[parked.consumer], database_url) as ledger:
        try:
            return await discard_one(ledger.pool, parked, reason, outbox=ledger.outbox, clock=ledger.clock)
        except NotRedriven as refused:
            raise CommandFailed(ExitCode.REFUSED, f"{refused.code}: {refused.detail}") from None


async def _previewed(*what: Any, **tools: Any) -> list[str]:
    """Return the types of the events that a redrive would record now."""
    return [event.type_name for event in await dry_run_redrive(*what, **tools)]


async def _redriven(database_url: str, parked: ParkedRecord, handle: Callable[..., Awaitable[list[str]]]) -> list[str]:
    service = CONSUMERS[parked.consumer]
    async with open_ledger(service, database_url) as ledger:
        source = sources_of(service, ledger).get(parked.consumer)
        if source is None:
            raise CommandFailed(ExitCode.REFUSED, f"{parked.consumer} is a projection: rebuild it instead")
        try:
            return await handle(ledger.pool, source, parked, outbox=ledger.outbox, clock=ledger.clock)
        except NotRedriven as refused:
            raise CommandFailed(ExitCode.REFUSED, f"{refused.code}: {refused.detail}") from None


async def _fetch(service: ServiceName, database_url: str, statement: str, *values: object) -> list[asyncpg.Record]:
    async with open_ledger(service, database_url) as ledger:
        return await ledger.pool.fetch(statement, *values)


def _parse_id(record_id: str) -> ParkedRecord:
    # numbers beyond the pattern are none that Kafka gives, and PostgreSQL could not compare them
    if re.fullmatch(ID_PATTERN, record_id) and (parked := ParkedRecord.named(record_id)).consumer in CONSUMERS:
        return parked
    raise CommandFailed(
        ExitCode.REFUSED, "not the id of a parked record: use CONSUMER:PARTITION:OFFSET from `perennial parked list`"
    )


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
