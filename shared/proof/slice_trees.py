"""The Merkle tree of each slice: extended with new events, its frontier stored in PostgreSQL.

This module defines what a leaf covers. No signature may come in here.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from shared.calendar import instant
from shared.ledger.database import Connection, Pool, transaction
from shared.proof.merkle import HASH_BYTES, Frontier, leaf_hash

LEAVES_PER_ROUND = 2_000
"""So few that a service can answer requests in between: about 10 ms of its time."""


class HistoryBroken(Exception):
    """The events of a slice do not continue its tree: nothing may be signed over them."""

    def __init__(self, slice_number: int, position: int) -> None:
        super().__init__(f"slice {slice_number} is broken at position {position}; see `perennial log verify`")


@dataclass(frozen=True, slots=True)
class Head:
    """The head of a slice: its number of events, the chain hash of the last one, and the root of its tree."""

    slice_number: int
    position: int
    hash: bytes
    root: bytes


def leaf_of(
    chain_hash: bytes,
    *,
    recorded_at: datetime,
    version: int,
    schema_version: int,
    correlation_id: UUID,
    causation_id: UUID | None,
) -> bytes:
    """Return the leaf of an event: its hash in the chain, and the fields of its envelope that the chain leaves out.

    All of it is on the wire, so a Kafka consumer can build the same tree.
    """
    rest = f"{instant(recorded_at)}\n{version}\n{schema_version}\n{correlation_id}\n{causation_id or ''}\n"
    return leaf_hash(chain_hash + rest.encode())


async def update_heads(pool: Pool) -> list[Head]:
    """Bring all trees up to date and return the heads of all slices in order. Raises `HistoryBroken`.

    Concurrent callers wait for each other; a kill in between loses nothing.
    """
    trees = [_tree(row) for row in await pool.fetch(TREES)]
    while any(_next_ranges(trees)):
        async with transaction(pool) as connection:
            trees = [_tree(row) for row in await connection.fetch(f"{TREES} for update of t")]
            if ranges := list(_next_ranges(trees)):
                _extend(trees, await connection.fetch(EVENTS, *zip(*ranges, strict=True)))
                await _store(connection, [trees[number] for number, _, _ in ranges])
    return [tree.head() for tree in trees]


@dataclass(slots=True)
class _Tree:
    slice_number: int
    hash: bytes
    frontier: Frontier
    position: int
    """The last position in the ledger."""

    def head(self) -> Head:
        return Head(self.slice_number, self.frontier.size, self.hash, self.frontier.root())

    def add(self, row: Any) -> None:
        if row["position"] != self.frontier.size + 1 or row["prev_hash"] != self.hash:
            raise HistoryBroken(self.slice_number, self.frontier.size + 1)
        self.hash = row["hash"]
        leaf = leaf_of(
            self.hash,
            recorded_at=row["recorded_at"],
            version=row["version"],
            schema_version=row["schema_version"],
            correlation_id=row["correlation_id"],
            causation_id=row["causation_id"],
        )
        self.frontier.extend([leaf])


def _tree(row: Any) -> _Tree:
    peaks = row["peaks"]
    cut = [peaks[start : start + HASH_BYTES] for start in range(0, len(peaks), HASH_BYTES)]
    if row["position"] < row["size"]:
        raise HistoryBroken(row["slice"], row["position"] + 1)
    return _Tree(row["slice"], row["hash"], Frontier(row["size"], cut), row["position"])


def _next_ranges(trees: list[_Tree]) -> Iterator[tuple[int, int, int]]:
    """Yield slice, first and last position of the events to add next."""
    room = LEAVES_PER_ROUND
    for tree in trees:
        if (count := min(room, tree.position - tree.frontier.size)) > 0:
            yield tree.slice_number, tree.frontier.size + 1, tree.frontier.size + count
            room -= count


def _extend(trees: list[_Tree], rows: list[Any]) -> None:
    for row in rows:
        trees[row["slice"]].add(row)


async def _store(connection: Connection, trees: list[_Tree]) -> None:
    await connection.execute(
        STORE,
        [tree.slice_number for tree in trees],
        [tree.frontier.size for tree in trees],
        [tree.hash for tree in trees],
        [b"".join(tree.frontier.peaks) for tree in trees],
    )


TREES = """
select t.slice, t.size, t.hash, t.peaks, h.position
from slice_tree t join slice_head h using (slice) order by t.slice
"""

EVENTS = """
select e.slice, e.position, e.prev_hash, e.hash, e.recorded_at, e.version, e.schema_version, e.correlation_id,
       e.causation_id
from unnest($1::smallint[], $2::bigint[], $3::bigint[]) as wanted(slice, first, last)
join event e on e.slice = wanted.slice and e.position between wanted.first and wanted.last
order by e.slice, e.position
"""

STORE = """
update slice_tree t set size = n.size, hash = n.hash, peaks = n.peaks
from unnest($1::smallint[], $2::bigint[], $3::bytea[], $4::bytea[]) as n(slice, size, hash, peaks)
where t.slice = n.slice
"""
