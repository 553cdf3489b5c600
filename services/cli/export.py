"""`perennial log export`: the log as a file for other people's tools, Parquet or JSON lines.

Read slice by slice up to where the heads stand at the beginning, so that no long transaction is held and what is
written meanwhile is left out. Memory holds one chunk. The file appears whole or not at all.
"""

import asyncio
import json
import os
from collections.abc import AsyncIterator, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from datetime import datetime
from importlib import import_module
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import IO, Annotated, Any, Literal, Protocol

import typer

from services.cli.bar import Bar
from services.cli.code_input import parse_code_ref
from services.cli.connections import Connections
from services.cli.examples import examples
from services.cli.failures import CommandFailed, ExitCode
from services.cli.ledgers import Ledger, open_ledger
from services.cli.names import SERVICES, ServiceName
from services.cli.output import AsJson, show
from services.cli.times import parse_time
from shared.ledger.events import instant

EXAMPLES = examples(
    "perennial log export --format parquet --since 2026-03-01 --to events.parquet",
    "perennial log export --format jsonl --device 0199… --to device.jsonl",
)
CHUNK_EVENTS = 5_000
GROUP_EVENTS = 50_000
"""Rows of one Parquet row group: what is held in memory, and what a reader can skip at once."""

Format = Literal["parquet", "jsonl"]
type Row = dict[str, Any]


def export(
    ctx: typer.Context,
    to: Annotated[Path, typer.Option(help="The file to make.")],
    format_: Annotated[Format, typer.Option("--format", help="How.")] = "parquet",
    service: Annotated[ServiceName | None, typer.Option(help="Whose log.", show_default="both")] = None,
    since: Annotated[str | None, typer.Option(help="Only what happened at this time or later.")] = None,
    until: Annotated[str | None, typer.Option(help="Only what happened before this time.")] = None,
    device: Annotated[str | None, typer.Option(help="Only events of this device, or that name it.")] = None,
    code: Annotated[str | None, typer.Option(help="Only events of this code reference, or that name it.")] = None,
    force: Annotated[bool, typer.Option("--force", help="Put it in the place of a file that is there.")] = False,
    as_json: AsJson = False,
) -> None:
    """Write the log's events to a file, filtered by when they happened and what they are about."""
    wanted = Wanted.of(since=since, until=until, named=[*filter(None, [device, code and parse_code_ref(code)])])
    if to.exists() and not force:
        raise CommandFailed(ExitCode.REFUSED, f"file_exists: {to}; say --force to replace it")
    services = (service,) if service else SERVICES
    try:
        with Bar("events") as bar, _writer(format_, to) as writer:
            asyncio.run(_export(ctx.obj, services, wanted, writer, bar))
    except OSError as error:
        # a full disk, a missing folder, a folder of somebody else: what was written so far is gone again
        raise CommandFailed(ExitCode.REFUSED, f"not_written: {to}: {error.strerror or error}") from None
    answer = {"file": str(to), "format": format_, "events": writer.count, "bytes": to.stat().st_size}
    show({**answer, "seconds": round(bar.seconds, 1)}, as_json=as_json)


class Wanted:
    """Which events are taken."""

    def __init__(self, *, since: datetime | None, until: datetime | None, named: list[str]) -> None:
        self.since = since
        self.until = until
        self.named = named

    @classmethod
    def of(cls, *, since: str | None, until: str | None, named: list[str]) -> "Wanted":
        """Read what was typed. Raises `CommandFailed` (`malformed_time`, `since_after_until`)."""
        first, end = since and parse_time(since), until and parse_time(until)
        if first and end and first >= end:
            raise CommandFailed(ExitCode.REFUSED, f"since_after_until: {since} is not before {until}: nothing can be")
        return cls(since=first or None, until=end or None, named=named)


async def _export(
    connections: Connections, services: Iterable[ServiceName], wanted: Wanted, writer: "Writer", bar: Bar
) -> None:
    done = total = 0
    for service in services:
        async with open_ledger(service, connections.database_url(service)) as ledger:
            heads = {row["slice"]: row["position"] for row in await ledger.pool.fetch(HEADS)}
            total += sum(heads.values())
            async for read, rows in _chunks(ledger, heads, wanted):
                writer.write(_described(service, row) for row in rows)
                done += read
                bar.tell(done, total)


async def _chunks(ledger: Ledger, heads: dict[int, int], wanted: Wanted) -> AsyncIterator[tuple[int, list[Any]]]:
    """Yield how many events were looked at, and those of them that are wanted."""
    for number, head in heads.items():
        for first in range(1, head + 1, CHUNK_EVENTS):
            last = min(head, first + CHUNK_EVENTS - 1)
            rows = await ledger.pool.fetch(CHUNK, number, first, last, wanted.since, wanted.until, wanted.named)
            yield last - first + 1, rows


def _described(service: ServiceName, row: Any) -> Row:
    return {
        "ledger": service,
        "slice": row["slice"],
        "position": row["position"],
        "stream_id": row["stream_id"],
        "version": row["version"],
        "type": row["type"],
        "schema_version": row["schema_version"],
        "event_id": str(row["event_id"]),
        "occurred_at": row["occurred_at"],
        "recorded_at": row["recorded_at"],
        "correlation_id": str(row["correlation_id"]),
        "causation_id": str(row["causation_id"]) if row["causation_id"] else None,
        "traceparent": row["traceparent"],
        "data": row["data"].decode(),
        "hash": row["hash"].hex(),
    }


class Writer(Protocol):
    """Takes rows; `count` tells how many it has."""

    count: int

    def write(self, rows: Iterable[Row]) -> None:
        """Take rows."""

    def finish(self) -> None:
        """Write what is still held."""


@contextmanager
def _writer(format_: Format, to: Path) -> Iterator[Writer]:
    """Yield a writer; at the end the file is there, whole. After an error nothing is left of it."""
    with NamedTemporaryFile(dir=to.parent, prefix=f".{to.name}.", delete=False) as part:
        try:
            with ExitStack() as stack:
                writer: Writer = ParquetFile(part, stack) if format_ == "parquet" else JsonLines(part)
                yield writer
                writer.finish()
            part.flush()
            os.fsync(part.fileno())
            # readable by its owner alone: it tells of customers
            os.replace(part.name, to)
        finally:
            # not left to the end of the file's life: closing it fails too where a disk is full
            Path(part.name).unlink(missing_ok=True)


class JsonLines:
    """One JSON object per event and line; `data` is the event as it travels."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self.count = 0

    def write(self, rows: Iterable[Row]) -> None:
        """Take rows."""
        for row in rows:
            times = {name: instant(row[name]) for name in ("occurred_at", "recorded_at")}
            line = json.dumps({**row, **times, "data": json.loads(row["data"])}, ensure_ascii=False)
            self._file.write(f"{line}\n".encode())
            self.count += 1

    def finish(self) -> None:
        """Write nothing more."""


class ParquetFile:
    """A Parquet file, zstd, in row groups; `data` is the event's JSON as text."""

    def __init__(self, file: IO[bytes], stack: ExitStack) -> None:
        try:
            # large, an extra, and without types
            arrow: Any = import_module("pyarrow")
            parquet: Any = import_module("pyarrow.parquet")
        except ImportError:
            message = "no_parquet: Parquet needs the package pyarrow (extra `export`); or choose --format jsonl"
            raise CommandFailed(ExitCode.REFUSED, message) from None
        time = arrow.timestamp("ms", tz="UTC")
        self._arrow = arrow
        self._schema = arrow.schema(
            {
                "ledger": arrow.string(),
                "slice": arrow.int16(),
                "position": arrow.int64(),
                "stream_id": arrow.string(),
                "version": arrow.int32(),
                "type": arrow.string(),
                "schema_version": arrow.int16(),
                "event_id": arrow.string(),
                "occurred_at": time,
                "recorded_at": time,
                "correlation_id": arrow.string(),
                "causation_id": arrow.string(),
                "traceparent": arrow.string(),
                "data": arrow.string(),
                "hash": arrow.string(),
            }
        )
        self._parquet = stack.enter_context(
            parquet.ParquetWriter(file, self._schema, compression="zstd", use_dictionary=["ledger", "type"])
        )
        self._held: list[Row] = []
        self.count = 0

    def write(self, rows: Iterable[Row]) -> None:
        """Take rows."""
        self._held += rows
        if len(self._held) >= GROUP_EVENTS:
            self.finish()

    def finish(self) -> None:
        """Write what is held as a row group."""
        self.count += len(self._held)
        if self._held:
            self._parquet.write_table(self._arrow.Table.from_pylist(self._held, schema=self._schema))
            self._held = []


HEADS = "select slice, position from slice_head where position > 0 order by slice"

CHUNK = """
select * from event
where slice = $1 and position between $2 and $3
  and ($4::timestamptz is null or occurred_at >= $4) and ($5::timestamptz is null or occurred_at < $5)
  and not exists (
      select from unnest($6::text[]) as name
      where stream_id <> name and position(convert_to(name, 'UTF8') in data) = 0
  )
order by position
"""
