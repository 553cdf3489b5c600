"""The checkpoint of a live table: the last event of each slice that is folded into its rows.

It is a position vector in the database, not the signed checkpoint of `shared.proof`, which is a file for auditors.
"""

from collections.abc import Mapping
from typing import Any

from shared.ledger.database import Connection
from shared.projector.projection import Projection

type SliceCheckpoint = Mapping[int, tuple[int, bytes]]
"""By slice, the position and the hash of the last event."""


def positions_of(checkpoint: SliceCheckpoint) -> dict[int, int]:
    """Return the positions of a checkpoint by slice, without the hashes."""
    return {number: position for number, (position, _) in checkpoint.items()}


def slices_ahead(one: SliceCheckpoint, other: SliceCheckpoint) -> set[int]:
    """Return the slices in which checkpoint `one` is ahead of the other."""
    return {number for number, (position, _) in one.items() if position > other.get(number, (0, b""))[0]}


def slices_behind(positions: Mapping[int, int], upto: Mapping[int, int]) -> set[int]:
    """Return the slices whose position is below that in `upto`."""
    return {number for number, position in upto.items() if positions.get(number, 0) < position}


async def live_checkpoint(connection: Connection, projection: Projection[Any]) -> SliceCheckpoint:
    """Return the live table's checkpoint as the connection's transaction sees it.

    A table that deciders keep always has every event.
    """
    if projection.restore is None:
        rows = await connection.fetch("select slice, position, hash from slice_head")
    else:
        rows = await connection.fetch(CONSUMED, projection.name)
    return {row["slice"]: (row["position"], row["hash"]) for row in rows}


async def published_positions(ledger: Connection) -> Mapping[int, int]:
    """Return up to which position each slice of a ledger is on Kafka."""
    return {row["slice"]: row["position"] for row in await ledger.fetch("select slice, position from slice_published")}


async def lock_live_checkpoint(connection: Connection, projection: Projection[Any]) -> SliceCheckpoint:
    """Lock the live consumer's checkpoint until the transaction ends, and return it.

    Rows are locked in the consumer's own order: partitions, then slices.
    """
    await connection.fetch(LOCK_PARTITIONS, projection.name)
    await connection.execute(EVERY_SLICE, projection.name)
    rows = await connection.fetch(LOCK_SLICES, projection.name)
    return {row["slice"]: (row["position"], row["hash"]) for row in rows}


async def advance_live_checkpoint(
    connection: Connection, projection: Projection[Any], checkpoint: SliceCheckpoint, offsets: Mapping[int, int]
) -> None:
    """Let the live consumer continue after `checkpoint`. Records before it that it still reads are duplicates to it."""
    slices = [(number, *checkpoint[number]) for number in sorted(checkpoint)]
    await connection.execute(ADVANCE_SLICES, projection.name, *_columns(slices))
    if offsets:
        await connection.execute(ADVANCE_PARTITIONS, projection.name, *_columns(sorted(offsets.items())))


def _columns(rows: list[Any]) -> list[list[Any]]:
    return [list(column) for column in zip(*rows, strict=True)]


CONSUMED = "select slice, position, hash from inbound_slice where consumer = $1"

LOCK_PARTITIONS = "select from inbound_partition where consumer = $1 order by partition for update"

EVERY_SLICE = "insert into inbound_slice (consumer, slice) select $1, generate_series(0, 255) on conflict do nothing"

LOCK_SLICES = "select slice, position, hash from inbound_slice where consumer = $1 order by slice for update"

ADVANCE_SLICES = """
update inbound_slice here set position = there.position, hash = there.hash
from unnest($2::smallint[], $3::bigint[], $4::bytea[]) as there(slice, position, hash)
where here.consumer = $1 and here.slice = there.slice and here.position < there.position
"""

ADVANCE_PARTITIONS = """
insert into inbound_partition as here (consumer, partition, epoch, next_offset)
select $1, there.partition, 0, there.next_offset from unnest($2::int[], $3::bigint[]) as there(partition, next_offset)
on conflict (consumer, partition) do update set next_offset = greatest(here.next_offset, excluded.next_offset)
"""
