"""Says which projections are being rebuilt, by advisory locks and not by how long ago anybody reported progress.

PostgreSQL releases a session's advisory locks when the session ends, and the session ends with the process that opened
it. A slow or stopped process keeps its lock; a dead one cannot.
"""

import asyncio
from time import monotonic

from shared.ledger.database import Connection
from shared.projector.failures import ProjectorFailed

REBUILD_LOCK = 7_340_002
"""Held by the process that rebuilds or verifies a projection."""
ORDER_LOCK = 7_340_003
"""Held by a service for a rebuild that was ordered, until the process that runs it has ended."""
LOCK_SECONDS_MAX = 3.0
"""How long the sessions of a command that was killed may keep its lock."""

TRY_LOCK = "select pg_try_advisory_lock($1, hashtext($2))"


async def lock_rebuild(connection: Connection, name: str) -> None:
    """Keep others from rebuilding or verifying a projection while this session lasts. Raises `ProjectorFailed`."""
    deadline = monotonic() + LOCK_SECONDS_MAX
    while not await connection.fetchval(TRY_LOCK, REBUILD_LOCK, name):
        if monotonic() > deadline:
            raise ProjectorFailed("rebuild_running", f"{name} is being rebuilt or verified by another process")
        await asyncio.sleep(0.1)


async def try_order_lock(connection: Connection, name: str) -> bool:
    """Take the order lock of a projection until this session ends. Return False if another session holds it."""
    taken: bool = await connection.fetchval(TRY_LOCK, ORDER_LOCK, name)
    return taken


def is_locked(*locks: int, name: str) -> str:
    """Return the SQL condition that a session holds one of `locks`; `name` is SQL for the projection's name."""
    return f"""exists (
        select from pg_locks
        where locktype = 'advisory' and granted and objsubid = 2 and classid in ({", ".join(map(str, locks))})
            and database = (select oid from pg_database where datname = current_database())
            and objid = (hashtext({name})::bigint & 4294967295)::oid
    )"""  # noqa: S608 - both come from our own code
