"""`perennial log export`: writes the log to a Parquet or JSON Lines file for other tools.

It reads slice by slice up to the heads at the start, so it needs no long transaction and skips events appended
meanwhile. One chunk is in memory at a time. The file appears complete or not at all.
"""

import asyncio
import json
import os
from collections.abc import AsyncIterator, Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import datetime
from importlib import import_module
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import IO, Annotated, Any, Literal, Protocol, Self

import typer

from services.cli.bar import Bar
from services.cli.code_input import parse_code_ref
from services.cli.connections import Connections
from services.cli.event_names import Kind, Name, names
from services.cli.examples import examples
from services.cli.failures import CommandFailed, ExitCode, is_of_a_file
from services.cli.ledgers import Ledger, open_ledger
from services.cli.names import SERVICES, ServiceName
from services.cli.output import AsJson, show
from services.cli.times import DAY_BEGINS, DAY_INCLUDED, parse_time
from shared.calendar import instant

EXAMPLES = examples(
    "perennial log export --format parquet --since 2026-03-01 --to events.parquet",
    "perennial log export --compression snappy --to for-javascript.parquet",
    "perennial log export --format jsonl --device 0199… --to device.jsonl",
)
CHUNK_EVENTS = 5_000
GROUP_EVENTS = 50_000
"""Rows per Parquet row group: how many are held in memory, and how many a reader can skip at once."""

Format = Literal["parquet", "jsonl"]
Compression = Literal["zstd", "snappy", "none"]
type Row = dict[str, Any]


def export(
    ctx: typer.Context,
    to: Annotated[Path, typer.Option(help="The file to write.")],
    format_: Annotated[
        Format, typer.Option("--format", help="Parquet, compressed and with typed columns, or JSON lines.")
    ] = "parquet",
    compression: Annotated[
        Compression | None,
        typer.Option(
            help="How a Parquet file is compressed. Readers in JavaScript open snappy and none.",
            show_default="zstd",
        ),
    ] = None,
    service: Annotated[
        ServiceName | None, typer.Option(help="The service whose log to export.", show_default="both")
    ] = None,
    since: Annotated[
        str | None, typer.Option(help=f"Only events that happened at or after this time. {DAY_BEGINS}")
    ] = None,
    until: Annotated[
        str | None, typer.Option(help=f"Only events that happened before this time. {DAY_INCLUDED}")
    ] = None,
    device: Annotated[str | None, typer.Option(help="Only events of this device, or that name it.")] = None,
    code: Annotated[str | None, typer.Option(help="Only events of this code reference, or that name it.")] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace the file if it exists.")] = False,
    as_json: AsJson = False,
) -> None:
    """Write the events of a log to a file, optionally only those of a time range, a device or a code."""
    if compression and format_ != "parquet":
        raise typer.BadParameter("--compression is for --format parquet")
    names = [*_named("device", device), *_named("code", code and parse_code_ref(code))]
    wanted = EventFilter.parse(since=since, until=until, names=names)
    if to.exists() and not force:
        raise CommandFailed(ExitCode.REFUSED, f"file_exists: {to} exists; use --force to replace it")
    services = (service,) if service else SERVICES
    try:
        with Bar("events") as bar, _writer(to, format_, compression or "zstd") as writer:
            asyncio.run(_export(ctx.obj, services, wanted, writer, bar))
    except OSError as error:
        if not is_of_a_file(error):
            raise
        # a full disk, or a folder that is missing or not writable; the partial file is already removed
        raise CommandFailed(ExitCode.REFUSED, f"not_written: {to}: {error.strerror or error}") from None
    answer = {"file": str(to), "format": format_, "events": writer.count, "bytes": to.stat().st_size}
    show({**answer, "seconds": round(bar.seconds, 1)}, as_json=as_json)


def _named(kind: Kind, name: str | None) -> list[Name]:
    return [Name(kind, name)] if name else []


@dataclass(frozen=True, slots=True, kw_only=True)
class EventFilter:
    """Which events to export: those that name all of `names`, from `since` on and before `until`."""

    since: datetime | None = None
    until: datetime | None = None
    names: Sequence[Name] = ()

    @classmethod
    def parse(cls, *, since: str | None, until: str | None, names: Sequence[Name]) -> Self:
        """Parse the options. Raises `CommandFailed` (`malformed_time`, `since_after_until`)."""
        first = parse_time(since, option="--since") if since else None
        end = parse_time(until, option="--until", day="after") if until else None
        if first and end and first >= end:
            raise CommandFailed(ExitCode.REFUSED, f"since_after_until: {since} is not before {until}")
        return cls(since=first, until=end, names=names)

    def wants(self, row: Any) -> bool:
        """Whether the event names what is wanted; its time was compared in SQL."""
        return all(names(row, name) for name in self.names)


async def _export(
    connections: Connections, services: Sequence[ServiceName], wanted: EventFilter, writer: "Writer", bar: Bar
) -> None:
    found = done = total = 0
    for service in services:
        async with open_ledger(service, connections.database_url(service)) as ledger:
            heads = await _heads(ledger)
            total += sum(heads.values())
            async for read, rows in _chunks(ledger, heads, wanted):
                writer.write(_row(service, row) for row in rows)
                found += len(rows)
                done += read
                bar.update(done, total)
    if not found:
        await _refuse_unknown(connections, services, wanted.names)


async def _refuse_unknown(connections: Connections, services: Sequence[ServiceName], names: Sequence[Name]) -> None:
    """Raise `CommandFailed` (`unknown_device`, `unknown_code`) for a name that is in no event of any time."""
    for name in names:
        if not any([await _occurs(connections, service, name) for service in services]):
            logs = " or ".join(services)
            message = f"unknown_{name.kind}: no event in the log of {logs} names this {name.kind}; nothing was written"
            raise CommandFailed(ExitCode.REFUSED, message)


async def _occurs(connections: Connections, service: ServiceName, name: Name) -> bool:
    async with open_ledger(service, connections.database_url(service)) as ledger:
        async for _, rows in _chunks(ledger, await _heads(ledger), EventFilter(names=[name])):
            if rows:
                return True
    return False


async def _heads(ledger: Ledger) -> dict[int, int]:
    return {row["slice"]: row["position"] for row in await ledger.pool.fetch(HEADS)}


async def _chunks(ledger: Ledger, heads: dict[int, int], wanted: EventFilter) -> AsyncIterator[tuple[int, list[Any]]]:
    """Yield how many events each chunk has read, and the matching ones."""
    texts = [name.text for name in wanted.names]
    for number, head in heads.items():
        for first in range(1, head + 1, CHUNK_EVENTS):
            last = min(head, first + CHUNK_EVENTS - 1)
            rows = await ledger.pool.fetch(CHUNK, number, first, last, wanted.since, wanted.until, texts)
            yield last - first + 1, [row for row in rows if wanted.wants(row)]


def _row(service: ServiceName, row: Any) -> Row:
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
    """Writes rows; `count` is how many it has written."""

    count: int

    def write(self, rows: Iterable[Row]) -> None:
        """Write rows."""

    def finish(self) -> None:
        """Write the rows that are still buffered."""


@contextmanager
def _writer(to: Path, format_: Format, compression: Compression) -> Iterator[Writer]:
    """Yield a writer; the complete file appears at the end. After an error nothing is left."""
    with NamedTemporaryFile(dir=to.parent, prefix=f".{to.name}.", delete=False) as part:
        try:
            with ExitStack() as stack:
                parquet = format_ == "parquet"
                writer: Writer = ParquetFile(part, stack, compression) if parquet else JsonLines(part)
                yield writer
                writer.finish()
            part.flush()
            os.fsync(part.fileno())
            # readable only by its owner, because it contains customer data
            os.replace(part.name, to)
        finally:
            # do not wait for the file object to remove it: closing fails too when the disk is full
            Path(part.name).unlink(missing_ok=True)


class JsonLines:
    """One JSON object per line and event, in ASCII; `data` is the event's content, not its bytes."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self.count = 0

    def write(self, rows: Iterable[Row]) -> None:
        """Write rows."""
        for row in rows:
            times = {name: instant(row[name]) for name in ("occurred_at", "recorded_at")}
            # some readers also end a line at U+0085, U+2028 or U+2029: in ASCII they are escapes
            line = json.dumps({**row, **times, "data": json.loads(row["data"])}, ensure_ascii=True)
            self._file.write(f"{line}\n".encode("ascii"))
            self.count += 1

    def finish(self) -> None:
        """Do nothing: every row is already written."""


class ParquetFile:
    """A compressed Parquet file; `data` is the event as JSON text, byte for byte as it is hashed."""

    def __init__(self, file: IO[bytes], stack: ExitStack, compression: Compression) -> None:
        try:
            # large, optional, and without type stubs
            arrow: Any = import_module("pyarrow")
            parquet: Any = import_module("pyarrow.parquet")
        except ImportError:
            message = "no_parquet: Parquet needs the pyarrow package (extra `export`); install it or use --format jsonl"
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
            parquet.ParquetWriter(file, self._schema, compression=compression, use_dictionary=["ledger", "type"])
        )
        self._buffered: list[Row] = []
        self.count = 0

    def write(self, rows: Iterable[Row]) -> None:
        """Write rows."""
        self._buffered += rows
        if len(self._buffered) >= GROUP_EVENTS:
            self.finish()

    def finish(self) -> None:
        """Write the buffered rows as a row group."""
        self.count += len(self._buffered)
        if self._buffered:
            self._parquet.write_table(self._arrow.Table.from_pylist(self._buffered, schema=self._schema))
            self._buffered = []


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
"""The text is only searched to leave out most events early: `pc-1` is also in `pc-10`. `names` decides."""
