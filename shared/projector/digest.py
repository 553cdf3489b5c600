"""Compares two tables byte for byte: first their digests, then the rows of the parts that differ.

Rows fall into 256 buckets by the hash of their stream's id. The digest of a bucket covers the text of its rows in key
order, that of a table covers its buckets. So two tables of any size are compared by a few bytes, and only the rows of
differing buckets are read.
"""

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any

from shared.ledger.database import Connection
from shared.projector.projection import Projection

ROWS_PER_ROUND_TRIP = 2_000
LISTED_MAX = 20
END = ("\U0010ffff", None)
"""Sorts after every key."""


@dataclass(frozen=True, slots=True)
class Difference:
    """A row that differs between the tables: its text in each, or None where it is missing."""

    key: str
    stored: str | None
    folded: str | None


@dataclass(slots=True)
class Comparison:
    """The result of comparing two tables. All differences are counted, the first `LISTED_MAX` are listed."""

    rows: int = 0
    stored_digest: str = ""
    folded_digest: str = ""
    differing: int = 0
    listed: list[Difference] = field(default_factory=list)

    @property
    def equal(self) -> bool:
        """Whether the tables are equal."""
        return not self.differing

    def add(self, difference: Difference) -> None:
        """Count a difference, and list it if there is room."""
        self.differing += 1
        if len(self.listed) < LISTED_MAX:
            self.listed.append(difference)


type KeyedRow = tuple[str, str | None]
"""A row's key and its text."""
type BucketDigests = Mapping[int, tuple[int, bytes]]
"""By bucket, the number of its rows and their digest."""


async def bucket_digests(connection: Connection, projection: Projection[Any], schema: str) -> BucketDigests:
    """Return a table's digests by bucket, as the connection's transaction sees it."""
    rows = await connection.fetch(
        f"select {_bucket(projection)} as bucket, count(*) as rows,"  # noqa: S608 - the names are our own
        " sha256(string_agg(sha256(convert_to(t::text, 'UTF8')), ''::bytea"
        f" order by {_order(projection)})) as digest from {schema}.{projection.name} t group by 1"
    )
    return {row["bucket"]: (row["rows"], row["digest"]) for row in rows}


def table_digest(buckets: BucketDigests) -> str:
    """Return the digest of a table, in hexadecimal."""
    return sha256(b"".join(bytes([number]) + digest for number, (_, digest) in sorted(buckets.items()))).hexdigest()


async def compare_tables(
    projection: Projection[Any], *, stored: tuple[Connection, str], folded: tuple[Connection, str]
) -> Comparison:
    """Compare two tables of a projection, each given by a connection in a transaction and a schema."""
    here, there = [await bucket_digests(connection, projection, schema) for connection, schema in (stored, folded)]
    comparison = Comparison(sum(rows for rows, _ in here.values()), table_digest(here), table_digest(there))
    differing = sorted(number for number in here.keys() | there.keys() if here.get(number) != there.get(number))
    if differing:
        sides = [_bucket_rows(connection, projection, schema, differing) for connection, schema in (stored, folded)]
        async for difference in _differences(*sides):
            comparison.add(difference)
    return comparison


async def _differences(stored: AsyncIterator[KeyedRow], folded: AsyncIterator[KeyedRow]) -> AsyncIterator[Difference]:
    """Merge both tables in key order and yield the rows that differ."""
    one, other = await _next(stored), await _next(folded)
    while (key := min(one[0], other[0])) != END[0]:
        texts = tuple(text if found == key else None for found, text in (one, other))
        if texts[0] != texts[1]:
            yield Difference(key, *texts)
        one = await _next(stored) if one[0] == key else one
        other = await _next(folded) if other[0] == key else other


async def _next(rows: AsyncIterator[KeyedRow]) -> KeyedRow:
    return await anext(rows, None) or END


async def _bucket_rows(
    connection: Connection, projection: Projection[Any], schema: str, buckets: Sequence[int]
) -> AsyncIterator[KeyedRow]:
    """Yield key and text of the rows of some buckets, in key order."""
    statement = (
        f"select {_key(projection)}, t::text from {schema}.{projection.name} t"  # noqa: S608 - the names are our own
        f" where {_bucket(projection)} = any($1::int[]) order by {_order(projection)}"
    )
    async for row in connection.cursor(statement, list(buckets), prefetch=ROWS_PER_ROUND_TRIP):
        yield row[0], row[1]


async def row_texts(
    connection: Connection, projection: Projection[Any], schema: str, streams: Sequence[str]
) -> Mapping[str, str]:
    """Return the rows of some streams as text, by key."""
    rows = await connection.fetch(
        f"select {_key(projection)}, t::text from {schema}.{projection.name} t"  # noqa: S608 - the names are our own
        f" where {projection.key[0]} = any($1::text[])",
        list(streams),
    )
    return {row[0]: row[1] for row in rows}


def _bucket(projection: Projection[Any]) -> str:
    return f"get_byte(sha256(convert_to({projection.key[0]}, 'UTF8')), 0)"


def _key(projection: Projection[Any]) -> str:
    # a space sorts before every character of our ids, so these texts sort as the rows do
    return f"concat_ws(' ', {', '.join(projection.key)})"


def _order(projection: Projection[Any]) -> str:
    return ", ".join(f'{column} collate "C"' for column in projection.key)
