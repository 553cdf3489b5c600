"""The shadow of a projection: the table that is rebuilt beside the live one, and its checkpoint.

Rows and checkpoint are committed together, so a rebuild that was killed continues after the last commit. Every attempt
has an epoch, which is checked in each transaction as a fencing token: an earlier attempt that still runs cannot write.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from shared.ledger.database import Connection
from shared.projector.bounded_fold import Changes
from shared.projector.checkpoint import SliceCheckpoint
from shared.projector.failures import ProjectorFailed
from shared.projector.projection import Projection
from shared.projector.views import load_states, save_rows

SCHEMA = "shadow"

type LogName = Literal["kafka", "ledger"]


@dataclass(frozen=True, slots=True)
class PartitionProgress:
    """How far a Kafka partition was read.

    `next_offset` is where to continue; records before `seen_offset` were seen before. `repeated` counts duplicates.
    """

    next_offset: int = 0
    seen_offset: int = 0
    repeated: int = 0
    first_repeated: str | None = None


@dataclass(frozen=True, slots=True)
class Shadow[State]:
    """The shadow of one attempt."""

    projection: Projection[State]
    epoch: int

    @classmethod
    async def open(
        cls, connection: Connection, projection: Projection[State], *, source: LogName, release: str
    ) -> tuple["Shadow[State]", bool]:
        """Return the shadow of a new attempt, and whether it continues the shadow of an earlier one.

        With another log or another release it starts empty: half a fold by other rules is worth nothing.
        """
        name = projection.name
        epoch = await connection.fetchval(RESUME, name, source, release)
        if epoch is not None:
            return cls(projection, epoch), True
        await cls(projection, 0).discard(connection)
        await connection.execute("select open_shadow($1)", name)
        await connection.execute(
            "insert into rebuild (name, source, release) values ($1, $2, $3)", name, source, release
        )
        return cls(projection, 1), False

    async def discard(self, connection: Connection) -> None:
        """Drop the shadow and its checkpoint."""
        await connection.execute("delete from rebuild where name = $1", self.projection.name)
        await connection.execute("select close_shadow($1)", self.projection.name)

    async def checkpoint(self, connection: Connection) -> SliceCheckpoint:
        """Return the shadow's checkpoint."""
        rows = await connection.fetch("select slice, position, hash from rebuild_slice where name = $1", self._name)
        return {row["slice"]: (row["position"], row["hash"]) for row in rows}

    async def was_compared(self, connection: Connection) -> bool:
        """Return whether the shadow was found equal to the live table before it continued."""
        compared: bool = await connection.fetchval("select compared from rebuild where name = $1", self._name)
        return compared

    async def note_compared(self, connection: Connection) -> None:
        """Note that the shadow equals the live table, up to the checkpoint of the latter."""
        await connection.execute("update rebuild set compared = true where name = $1", self._name)

    async def progress(self, connection: Connection) -> dict[int, PartitionProgress]:
        """Return how far each partition was read."""
        rows = await connection.fetch(PROGRESS, self._name)
        return {row["partition"]: PartitionProgress(*tuple(row)[1:]) for row in rows}

    async def states(self, connection: Connection, streams: list[str]) -> dict[str, tuple[int, State]]:
        """Return the states of some streams as the shadow has them."""
        return await load_states(connection, self.projection, streams, schema=SCHEMA) if streams else {}

    async def write(self, connection: Connection, changes: Changes) -> None:
        """Write rows, in the caller's transaction."""
        if changes.added:
            await connection.copy_records_to_table(self._name, schema_name=SCHEMA, records=changes.added)
        if changes.changed:
            await save_rows(connection, self.projection, changes.changed, schema=SCHEMA)

    async def save_checkpoint(
        self, connection: Connection, checkpoint: SliceCheckpoint, progress: Mapping[int, PartitionProgress]
    ) -> None:
        """Save how far the log is folded, in the caller's transaction. Raises `ProjectorFailed` if superseded."""
        if not await connection.fetchval(FENCE, self._name, self.epoch):
            raise ProjectorFailed("superseded", f"another rebuild of {self._name} has started")
        slices = [(number, *checkpoint[number]) for number in sorted(checkpoint)]
        if slices:
            await connection.execute(SAVE_SLICES, self._name, *_columns(slices))
        partitions = [
            (number, each.next_offset, each.seen_offset, each.repeated, each.first_repeated)
            for number, each in sorted(progress.items())
        ]
        if partitions:
            await connection.execute(SAVE_PARTITIONS, self._name, *_columns(partitions))

    @property
    def _name(self) -> str:
        return self.projection.name


def _columns(rows: list[Any]) -> list[list[Any]]:
    return [list(column) for column in zip(*rows, strict=True)]


RESUME = """
update rebuild set epoch = epoch + 1
where name = $1 and source = $2 and release = $3 and to_regclass('shadow.' || quote_ident($1)) is not null
returning epoch
"""

PROGRESS = "select partition, next_offset, seen_offset, repeated, first_repeated from rebuild_partition where name = $1"

FENCE = "select true from rebuild where name = $1 and epoch = $2 for share"

SAVE_SLICES = """
insert into rebuild_slice as here (name, slice, position, hash)
select $1, * from unnest($2::smallint[], $3::bigint[], $4::bytea[])
on conflict (name, slice) do update set position = excluded.position, hash = excluded.hash
"""

SAVE_PARTITIONS = """
insert into rebuild_partition as here (name, partition, next_offset, seen_offset, repeated, first_repeated)
select $1, * from unnest($2::int[], $3::bigint[], $4::bigint[], $5::bigint[], $6::text[])
on conflict (name, partition) do update
set next_offset = excluded.next_offset, seen_offset = excluded.seen_offset, repeated = excluded.repeated,
    first_repeated = excluded.first_repeated
"""
