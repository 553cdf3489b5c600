"""Measures what a run leaves in PostgreSQL: the WAL it writes, and the disk that both databases take, with indexes."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Self

from shared.ledger.database import Pool


@dataclass(frozen=True, slots=True)
class Disk:
    """Bytes on disk, with all indexes: the tables of events, and everything else."""

    events: int
    state: int

    def __sub__(self, before: "Disk") -> "Disk":
        return Disk(self.events - before.events, self.state - before.state)

    @classmethod
    async def of(cls, databases: Iterable[Pool]) -> Self:
        """Return the sum over the databases, each of which has a table `event`."""
        rows = [await database.fetchrow(SIZES) for database in databases]
        return cls(events=sum(row["events"] for row in rows if row), state=sum(row["state"] for row in rows if row))


async def wal_bytes(database: Pool) -> int:
    """Return the WAL that the server has written so far, for all its databases."""
    return int(await database.fetchval(WAL))


SIZES = """
select pg_total_relation_size('event') as events,
       pg_database_size(current_database()) - pg_total_relation_size('event') as state
"""
WAL = "select (pg_current_wal_insert_lsn() - '0/0')::bigint"
