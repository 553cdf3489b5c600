"""The rows of a view in PostgreSQL, in the live table or in its shadow: loaded as states, and saved."""

from collections.abc import Sequence
from typing import Any

from shared.ledger.database import Connection
from shared.projector.projection import Projection, Row


async def load_states[View](
    connection: Connection, projection: Projection[View], streams: Sequence[str], *, schema: str = "public"
) -> dict[str, tuple[int, View]]:
    """Return the stored states of some streams, each with the number of its events."""
    restore = projection.restore
    if restore is None:
        raise NotAView(projection.name)
    (key,) = projection.key
    # the names come from our own code, never from outside
    statement = f"select {key}, version, view from {schema}.{projection.name} where {key} = any($1::text[])"  # noqa: S608
    rows = await connection.fetch(statement, streams)
    return {row[0]: (row[1], restore(row[2])) for row in rows}


async def save_rows[View](
    connection: Connection, projection: Projection[View], rows: Sequence[Row], *, schema: str = "public"
) -> None:
    """Insert or update rows of a view."""
    if rows:
        await connection.execute(upsert_statement(projection, schema=schema), *zip(*rows, strict=True))


def upsert_statement(projection: Projection[Any], *, schema: str = "public", first_parameter: int = 1) -> str:
    """Return the statement that writes rows of a view, given as three parameters: keys, versions and views."""
    (key,) = projection.key
    keys, versions, views = range(first_parameter, first_parameter + 3)
    return (
        f"insert into {schema}.{projection.name} ({key}, version, view)"  # noqa: S608 - the names are our own
        f" select * from unnest(${keys}::text[], ${versions}::int[], ${views}::jsonb[])"
        f" on conflict ({key}) do update set version = excluded.version, view = excluded.view"
    )


class NotAView(Exception):
    """A table that the deciders keep cannot be read back as states: it is folded from the beginning or not at all."""

    def __init__(self, name: str) -> None:
        super().__init__(f"table {name} is kept by the deciders")
