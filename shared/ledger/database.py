"""PostgreSQL as the services use it: one pool per process, one connection per unit of work, passed down.

No table and no rule may come in here.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import asyncpg
from asyncpg.pool import PoolConnectionProxy

type Connection = asyncpg.Connection[asyncpg.Record] | PoolConnectionProxy[asyncpg.Record]
type Pool = asyncpg.Pool[asyncpg.Record]

ACQUIRE_TIMEOUT_SECONDS = 5.0
COMMAND_TIMEOUT_SECONDS = 30.0
IDLE_IN_TRANSACTION = "5s"
"""A worker that sleeps in a transaction keeps its locks from the others for so long: less than a lease."""

AWAY = (
    asyncpg.PostgresConnectionError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,  # what the client says of a session that broke between two of its own messages
    asyncpg.InsufficientResourcesError,
    asyncpg.OperatorInterventionError,
    asyncpg.IdleInTransactionSessionTimeoutError,  # this process slept, and its locks were taken from it
    OSError,
    TimeoutError,
)
"""The database does not answer, or ended the session: the same work may succeed later.

A commit that raises one of these may have happened; what is retried must be able to tell.
"""

NO_ENTRY = (asyncpg.InvalidAuthorizationSpecificationError, asyncpg.InvalidCatalogNameError)
"""A wrong password, role or database name: trying again does not help."""

CONFLICT = (asyncpg.UniqueViolationError, asyncpg.DeadlockDetectedError, asyncpg.SerializationError)
"""Somebody else was first: read again, decide again."""


async def open_pool(dsn: str, *, connections_max: int, name: str, durable: bool = True) -> Pool:
    """Return a pool of up to `connections_max` connections; `name` shows in pg_stat_activity.

    Without `durable` a commit does not wait for the disk. What it wrote may be lost with the server, but never
    a part of it, and nothing out of order: enough for what is derived from the log and can be derived again.
    """
    return await asyncpg.create_pool(
        dsn,
        min_size=1,
        max_size=connections_max,
        command_timeout=COMMAND_TIMEOUT_SECONDS,
        timeout=ACQUIRE_TIMEOUT_SECONDS,
        reset=_keep_session,
        server_settings={
            "application_name": name,
            "idle_in_transaction_session_timeout": IDLE_IN_TRANSACTION,
            "synchronous_commit": "on" if durable else "off",
        },
    )


async def _keep_session(connection: Connection) -> None:
    """Skip asyncpg's RESET round trip: no caller changes a session's settings outside a transaction."""


@asynccontextmanager
async def transaction(pool: Pool) -> AsyncIterator[Connection]:
    """Yield a connection inside a transaction (READ COMMITTED), commit at the end.

    Raises one of `AWAY` when the database is away; after the commit was sent its outcome may be unknown.
    """
    async with pool.acquire(timeout=ACQUIRE_TIMEOUT_SECONDS) as connection, connection.transaction():
        yield connection
