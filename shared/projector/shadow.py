"""The shadow of a projection: the table that is made anew beside the live one, and how far it is.

Rows and progress are written in one transaction, so a rebuild that was killed goes on where it last committed. Every
attempt has an epoch, and each transaction proves it: what is left of an earlier attempt cannot write.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from shared.ledger.database import Connection
from shared.projector.failures import ProjectorFailed
from shared.projector.folding import Changes
from shared.projector.projection import Projection
from shared.projector.views import save, states_of

SCHEMA = "shadow"

type LogName = Literal["kafka", "ledger"]
type Heads = Mapping[int, tuple[int, bytes]]
"""By slice, the position and the hash of the last event."""


@dataclass(frozen=True, slots=True)
class Passed:
    """How far a partition was read: where to go on, up to where it was seen, and which records came again."""

    next_offset: int = 0
    seen_offset: int = 0
    repeated: int = 0
    first_repeated: str | None = None


@dataclass(frozen=True, slots=True)
class Shadow[State]:
    """One attempt at a rebuild."""

    projection: Projection[State]
    epoch: int

    @classmethod
    async def begin(
        cls, connection: Connection, projection: Projection[State], *, source: LogName, release: str
    ) -> tuple["Shadow[State]", bool]:
        """Return a new attempt, and whether it goes on with what an earlier one left.

        Another log or another release starts from nothing: half a fold by other rules is no fold.
        """
        name = projection.name
        epoch = await connection.fetchval(GO_ON, name, source, release)
        if epoch is not None:
            return cls(projection, epoch), True
        await cls(projection, 0).discard(connection)
        await connection.execute("select open_shadow($1)", name)
        await connection.execute(
            "insert into rebuild (name, source, release) values ($1, $2, $3)", name, source, release
        )
        return cls(projection, 1), False

    async def discard(self, connection: Connection) -> None:
        """Remove the shadow and what was noted of it."""
        await connection.execute("delete from rebuild where name = $1", self.projection.name)
        await connection.execute("select close_shadow($1)", self.projection.name)

    async def heads(self, connection: Connection) -> dict[int, tuple[int, bytes]]:
        """Return how far the shadow is."""
        rows = await connection.fetch("select slice, position, hash from rebuild_slice where name = $1", self._name)
        return {row["slice"]: (row["position"], row["hash"]) for row in rows}

    async def was_compared(self, connection: Connection) -> bool:
        """Tell whether the shadow was found equal to the live table, and went on from there."""
        compared: bool = await connection.fetchval("select compared from rebuild where name = $1", self._name)
        return compared

    async def note_compared(self, connection: Connection) -> None:
        """Note that the shadow is as the live table, as far as that one is."""
        await connection.execute("update rebuild set compared = true where name = $1", self._name)

    async def passed(self, connection: Connection) -> dict[int, Passed]:
        """Return how far each partition was read."""
        rows = await connection.fetch(PASSED, self._name)
        return {row["partition"]: Passed(*tuple(row)[1:]) for row in rows}

    async def states(self, connection: Connection, streams: list[str]) -> dict[str, tuple[int, State]]:
        """Return the states that the shadow has of some streams."""
        return await states_of(connection, self.projection, streams, schema=SCHEMA) if streams else {}

    async def write(self, connection: Connection, changes: Changes) -> None:
        """Write rows, in the caller's transaction."""
        if changes.added:
            await connection.copy_records_to_table(self._name, schema_name=SCHEMA, records=changes.added)
        if changes.changed:
            await save(connection, self.projection, changes.changed, schema=SCHEMA)

    async def note(self, connection: Connection, heads: Heads, passed: Mapping[int, Passed]) -> None:
        """Note how far the log is folded once the caller's transaction commits. Raises `ProjectorFailed`."""
        if not await connection.fetchval(PROVE, self._name, self.epoch):
            raise ProjectorFailed("superseded", f"another rebuild of {self._name} has begun")
        slices = [(number, *heads[number]) for number in sorted(heads)]
        if slices:
            await connection.execute(NOTE_SLICES, self._name, *_columns(slices))
        partitions = [
            (number, each.next_offset, each.seen_offset, each.repeated, each.first_repeated)
            for number, each in sorted(passed.items())
        ]
        if partitions:
            await connection.execute(NOTE_PARTITIONS, self._name, *_columns(partitions))

    @property
    def _name(self) -> str:
        return self.projection.name


def _columns(rows: list[Any]) -> list[list[Any]]:
    return [list(column) for column in zip(*rows, strict=True)]


GO_ON = """
update rebuild set epoch = epoch + 1
where name = $1 and source = $2 and release = $3 and to_regclass('shadow.' || quote_ident($1)) is not null
returning epoch
"""

PASSED = "select partition, next_offset, seen_offset, repeated, first_repeated from rebuild_partition where name = $1"

PROVE = "select true from rebuild where name = $1 and epoch = $2 for share"

NOTE_SLICES = """
insert into rebuild_slice as here (name, slice, position, hash)
select $1, * from unnest($2::smallint[], $3::bigint[], $4::bytea[])
on conflict (name, slice) do update set position = excluded.position, hash = excluded.hash
"""

NOTE_PARTITIONS = """
insert into rebuild_partition as here (name, partition, next_offset, seen_offset, repeated, first_repeated)
select $1, * from unnest($2::int[], $3::bigint[], $4::bigint[], $5::bigint[], $6::text[])
on conflict (name, partition) do update
set next_offset = excluded.next_offset, seen_offset = excluded.seen_offset, repeated = excluded.repeated,
    first_repeated = excluded.first_repeated
"""
