"""Where a live table stands: up to which event of each slice its rows are folded."""

from collections.abc import Mapping
from typing import Any

from shared.ledger.database import Connection
from shared.projector.projection import Projection

type Vector = Mapping[int, tuple[int, bytes]]
"""By slice, the position and the hash of the last event."""


async def standing(connection: Connection, projection: Projection[Any]) -> Vector:
    """Return how far the live table is, as the connection's transaction sees it. A decider's has every event."""
    if projection.restore is None:
        rows = await connection.fetch("select slice, position, hash from slice_head")
    else:
        rows = await connection.fetch(CONSUMED, projection.name)
    return {row["slice"]: (row["position"], row["hash"]) for row in rows}


async def published(ledger: Connection) -> Mapping[int, int]:
    """Return how far a ledger is on Kafka, by slice."""
    return {row["slice"]: row["position"] for row in await ledger.fetch("select slice, position from slice_published")}


async def hold(connection: Connection, projection: Projection[Any]) -> Vector:
    """Keep the live consumer from moving on until the transaction ends, and return where it stands.

    Its own order is kept: partitions, then slices.
    """
    await connection.fetch(HOLD_PARTITIONS, projection.name)
    await connection.execute(EVERY_SLICE, projection.name)
    rows = await connection.fetch(HOLD_SLICES, projection.name)
    return {row["slice"]: (row["position"], row["hash"]) for row in rows}


async def move_on(
    connection: Connection, projection: Projection[Any], heads: Vector, offsets: Mapping[int, int]
) -> None:
    """Let the live consumer go on after `heads`; what it still reads of before, it knows and drops."""
    slices = [(number, *heads[number]) for number in sorted(heads)]
    await connection.execute(MOVE_SLICES, projection.name, *_columns(slices))
    if offsets:
        await connection.execute(MOVE_PARTITIONS, projection.name, *_columns(sorted(offsets.items())))


def _columns(rows: list[Any]) -> list[list[Any]]:
    return [list(column) for column in zip(*rows, strict=True)]


CONSUMED = "select slice, position, hash from inbound_slice where consumer = $1"

HOLD_PARTITIONS = "select from inbound_partition where consumer = $1 order by partition for update"

EVERY_SLICE = "insert into inbound_slice (consumer, slice) select $1, generate_series(0, 255) on conflict do nothing"

HOLD_SLICES = "select slice, position, hash from inbound_slice where consumer = $1 order by slice for update"

MOVE_SLICES = """
update inbound_slice here set position = there.position, hash = there.hash
from unnest($2::smallint[], $3::bigint[], $4::bytea[]) as there(slice, position, hash)
where here.consumer = $1 and here.slice = there.slice and here.position < there.position
"""

MOVE_PARTITIONS = """
insert into inbound_partition as here (consumer, partition, epoch, next_offset)
select $1, there.partition, 0, there.next_offset from unnest($2::int[], $3::bigint[]) as there(partition, next_offset)
on conflict (consumer, partition) do update set next_offset = greatest(here.next_offset, excluded.next_offset)
"""
