"""Reads the log from the ledger, up to given positions, in one of two ways.

`whole_streams` reads a slice from the beginning, sorted by stream. PostgreSQL sorts, on disk if memory is short, so
each stream is folded in one go and then dropped. `ranges` reads newer events in the order of their positions.
"""

from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from shared.ledger.database import Connection
from shared.projector.chunks import Chunk, SliceRanges
from shared.projector.failures import ProjectorFailed

CHUNK_EVENTS = 5_000

type Places = frozenset[tuple[int, int]]
"""Events of a log, by slice and position."""
type PositionRange = tuple[int, int, int]
"""A slice, and the first and the last of a range of positions in it."""


@dataclass(frozen=True, slots=True)
class LedgerLog:
    """One ledger, read through a connection of its own, and the events of it that the live consumer skipped."""

    connection: Connection
    skipped: Places = frozenset()

    async def ranges(self, wanted: SliceRanges) -> AsyncIterator[Chunk]:
        """Yield events in the order of their positions. Raises `ProjectorFailed` if one is missing."""
        for batch in _batches(wanted):
            rows = await self.connection.fetch(RANGES, *zip(*batch, strict=True))
            if len(rows) != sum(last - first + 1 for _, first, last in batch):
                raise await self._missing(batch)
            yield self._chunk(rows)

    async def whole_streams(self, upto: Mapping[int, int]) -> AsyncIterator[Chunk]:
        """Yield all events of slices up to their positions, no stream in two chunks. Raises `ProjectorFailed`."""
        for number, end in sorted(upto.items()):
            async with self.connection.transaction(readonly=True):
                await self.connection.execute(SORT_MEMORY)
                cursor = await self.connection.cursor(BY_STREAM, number, end)
                held: list[Any] = []
                counted = 0
                while rows := await cursor.fetch(CHUNK_EVENTS):
                    counted += len(rows)
                    cut = next((at for at in range(len(rows), 0, -1) if rows[at - 1][3] != rows[-1][3]), 0)
                    if cut:
                        yield self._chunk([*held, *rows[:cut]], resumable=False)
                        held = []
                    held += rows[cut:]
                if counted != end:
                    raise await self._missing([(number, 1, end)])
                checkpoint = {row[0]: (row[1], row[2]) for row in await self.connection.fetch(HEAD, number, end)}
                yield Chunk(self._without_skipped(held), len(held), checkpoint)

    def _chunk(self, rows: Sequence[Any], *, resumable: bool = True) -> Chunk:
        last = {row[0]: row for row in rows} if resumable else {}
        checkpoint = {number: (row[1], row[2]) for number, row in last.items()}
        return Chunk(self._without_skipped(rows), len(rows), checkpoint, resumable=resumable)

    def _without_skipped(self, rows: Sequence[Any]) -> Sequence[Any]:
        if not self.skipped:
            return rows
        return [row for row in rows if (row[0], row[1]) not in self.skipped]

    async def _missing(self, ranges: Sequence[PositionRange]) -> ProjectorFailed:
        row = await self.connection.fetchrow(MISSING, *zip(*ranges, strict=True))
        place = f"slice {row[0]} position {row[1]}" if row else "a position"
        return ProjectorFailed("position_missing", f"the ledger has no event at {place}")


def _batches(wanted: SliceRanges) -> Iterator[list[PositionRange]]:
    """Cut ranges into batches of up to `CHUNK_EVENTS` events."""
    batch: list[PositionRange] = []
    room = CHUNK_EVENTS
    for number, upto in sorted(wanted.upto.items()):
        first = wanted.after.get(number, 0) + 1
        while first <= upto:
            last = min(upto, first + room - 1)
            batch.append((number, first, last))
            room -= last - first + 1
            first = last + 1
            if not room:
                yield batch
                batch, room = [], CHUNK_EVENTS
    if batch:
        yield batch


SORT_MEMORY = "set local work_mem = '64MB'"

COLUMNS = "slice, position, hash, stream_id, version, type, schema_version, occurred_at, recorded_at, data"

RANGES = f"""
select {COLUMNS} from unnest($1::smallint[], $2::bigint[], $3::bigint[]) as run(number, first, last)
cross join lateral (select * from event where slice = number and position between first and last) e
order by slice, position
"""  # noqa: S608

BY_STREAM = f"""
select {COLUMNS} from event where slice = $1 and position <= $2 order by stream_id collate "C", version
"""  # noqa: S608

HEAD = "select slice, position, hash from event where slice = $1 and position = $2"

MISSING = """
select number, place from unnest($1::smallint[], $2::bigint[], $3::bigint[]) as run(number, first, last)
cross join lateral generate_series(first, last) as place
where not exists (select from event where slice = number and position = place)
order by number, place limit 1
"""
