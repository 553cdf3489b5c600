"""Access to PostgreSQL: one pool per process, one connection per unit of work, passed down.

No table and no rule may come in here.
"""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from contextvars import ContextVar

import asyncpg
from asyncpg.pool import PoolConnectionProxy

type Connection = asyncpg.Connection[asyncpg.Record] | PoolConnectionProxy[asyncpg.Record]
type Pool = asyncpg.Pool[asyncpg.Record]

ACQUIRE_TIMEOUT_SECONDS = 5.0
COMMAND_TIMEOUT_SECONDS = 30.0
IDLE_IN_TRANSACTION = "5s"
"""How long a worker that is suspended inside a transaction can hold its locks: less than a lease."""

UNAVAILABLE = (
    asyncpg.PostgresConnectionError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,  # raised by the client if a session breaks between two of its own messages
    asyncpg.InsufficientResourcesError,
    asyncpg.OperatorInterventionError,
    asyncpg.IdleInTransactionSessionTimeoutError,  # this process was suspended, and its locks were released
    OSError,
    TimeoutError,
)
"""Transient errors: the database does not answer or ended the session, and a retry may succeed.

A commit that raises one of these may have happened, so whatever is retried must be able to tell.
"""

ACCESS_DENIED = (asyncpg.InvalidAuthorizationSpecificationError, asyncpg.InvalidCatalogNameError)
"""A wrong password, role or database name: a retry does not help."""

CONFLICT = (asyncpg.UniqueViolationError, asyncpg.DeadlockDetectedError, asyncpg.SerializationError)
"""Another transaction was first: read and decide again."""


async def open_pool(dsn: str, *, connections_max: int, name: str, durable: bool = True) -> Pool:
    """Return a pool of up to `connections_max` connections; pg_stat_activity shows them under `name`.

    Without `durable`, commits do not wait for the disk. If the server crashes, the latest ones may be lost, but only
    whole and in order: good enough for tables that can be derived from the log again.
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
    """Save asyncpg's RESET round trip: no caller changes session settings outside a transaction."""


@asynccontextmanager
async def transaction(pool: Pool) -> AsyncIterator[Connection]:
    """Yield a connection inside a transaction (READ COMMITTED) that commits at the end.

    Raises one of `UNAVAILABLE` if the database is unavailable. Once the commit is sent, its outcome may be unknown.
    """
    waiting: list[Callable[[], None]] = []
    token = _WAITING.set(waiting)
    try:
        async with pool.acquire(timeout=ACQUIRE_TIMEOUT_SECONDS) as connection, connection.transaction():
            yield connection
    finally:
        _WAITING.reset(token)
    for act in waiting:
        act()


def after_commit(act: Callable[[], None]) -> None:
    """Call `act` once the `transaction` that this task is in has committed, and not if it is rolled back."""
    _WAITING.get().append(act)


_WAITING: ContextVar[list[Callable[[], None]]] = ContextVar("_WAITING")
