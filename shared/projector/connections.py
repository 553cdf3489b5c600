"""The connections with which one process rebuilds: the database of the table, the ledger, and the topic."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass

import asyncpg

from shared.ledger.database import Connection
from shared.projector.topic_reader import TopicReader, open_topic

CONNECT_SECONDS_MAX = 10.0


@dataclass(frozen=True, slots=True)
class Connections:
    """`table` is the database of the table; `ledger` is None if it cannot be reached, `topic` unless it is read."""

    table: Connection
    ledger: Connection | None
    topic: TopicReader | None


@asynccontextmanager
async def open_connections(
    *, database_url: str, ledger_url: str | None, bootstrap_servers: str, topic: str | None
) -> AsyncIterator[Connections]:
    """Yield the connections of one process. Raises errors of the database and Kafka, or `ProjectorFailed`."""
    async with AsyncExitStack() as stack:
        table = await stack.enter_async_context(connected(database_url))
        ledger = await stack.enter_async_context(connected(ledger_url)) if ledger_url else None
        reader = await stack.enter_async_context(open_topic(bootstrap_servers, topic)) if topic else None
        yield Connections(table, ledger, reader)


@asynccontextmanager
async def connected(database_url: str) -> AsyncIterator[Connection]:
    """Yield a connection with the settings of a rebuild, and terminate it afterwards."""
    connection = await connect(database_url)
    try:
        yield connection
    finally:
        connection.terminate()


async def connect(database_url: str) -> Connection:
    """Return a connection with the settings of a rebuild; the caller terminates it."""
    return await asyncpg.connect(
        database_url,
        timeout=CONNECT_SECONDS_MAX,
        server_settings={
            "application_name": "perennial projector",
            # rows must read the same everywhere
            "timezone": "UTC",
            # what is rebuilt can be rebuilt again: only the swap waits for the disk
            "synchronous_commit": "off",
            # the session of a killed process ends at once and releases its locks, even in the middle of a query
            "client_connection_check_interval": "1s",
            # so does that of a machine that is gone
            "tcp_keepalives_idle": "10",
            "tcp_keepalives_interval": "5",
            "tcp_keepalives_count": "3",
            # a session that only holds a lock is idle for as long as the rebuild takes
            "idle_session_timeout": "0",
        },
    )
