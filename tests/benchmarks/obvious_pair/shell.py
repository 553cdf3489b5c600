"""What both services of the pair do with a message: one transaction, and then the word to the other service."""

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from functools import partial

import asyncpg
from faststream import AckPolicy
from faststream.kafka import KafkaBroker
from pydantic_settings import BaseSettings, SettingsConfigDict

from shared.ledger.database import Connection, Pool
from tests.benchmarks.obvious_pair.messages import Message

CONNECTIONS_MAX = 10
CONSUMERS = 4
"""How many of them a subscriber has; each takes one message at a time."""
POLL_SECONDS = 0.01
"""How soon the outbox is asked again after it was empty."""
SENT_AT_ONCE = 500

type Decide[M: Message] = Callable[[Connection, M], Awaitable[Message | None]]
"""Changes the rows that a message is about, and returns what is to be said of it."""


class Settings(BaseSettings):
    """Where the servers are, and whether messages go through the outbox or out after the commit."""

    model_config = SettingsConfigDict(env_prefix="PAIR_")

    database_url: str
    bootstrap_servers: str
    outbox: bool


class Shell:
    """The database and the broker of one service, which says everything on one topic."""

    pool: Pool

    def __init__(self, says: str) -> None:
        self._settings = Settings()
        self._says = says
        self.broker = _broker(self._settings)

    async def handle[M: Message](self, message: M, decide: Decide[M]) -> None:
        """Decide once, however often the message comes, and tell the other service."""
        async with self.pool.acquire() as connection, connection.transaction():
            if not await connection.fetchval(HANDLED, message.message_id):
                return
            said = await decide(connection, message)
            if said:
                await self._record(connection, said)
        if said and not self._settings.outbox:
            # a process that ends here has changed its rows and told nobody: the price of this way
            await self.broker.publish(said, self._says, key=said.device_id.bytes)

    async def _record(self, connection: Connection, said: Message) -> None:
        body = said.model_dump_json()
        await connection.execute(RECORD, said.message_id, said.device_id, type(said).__name__, body)
        if self._settings.outbox:
            await connection.execute(KEEP, said.device_id, body.encode())

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Keep the database open and the outbox moving while the application runs."""
        url = self._settings.database_url
        async with asyncpg.create_pool(url, min_size=1, max_size=CONNECTIONS_MAX) as self.pool:
            relay = asyncio.create_task(self._relay()) if self._settings.outbox else None
            yield
            if relay:
                relay.cancel()
                with suppress(asyncio.CancelledError):
                    await relay

    async def _relay(self) -> None:
        while True:
            if not await self._send_some():
                await asyncio.sleep(POLL_SECONDS)

    async def _send_some(self) -> int:
        async with self.pool.acquire() as connection, connection.transaction():
            rows = await connection.fetch(WAITING, SENT_AT_ONCE)
            if not rows:
                return 0
            sent = [
                await self.broker.publish(row["body"], self._says, key=row["device_id"].bytes, no_confirm=True)
                for row in rows
            ]
            await asyncio.gather(*sent)
            await connection.execute(SENT, [row["number"] for row in rows])
        return len(rows)


def _broker(settings: Settings) -> KafkaBroker:
    servers, logger = settings.bootstrap_servers, logging.getLogger(__name__)
    # by default, the broker logs two lines for each message
    quiet = partial(KafkaBroker, servers, logger=logger, log_level=logging.DEBUG)
    if settings.outbox:
        return quiet(acks="all", enable_idempotence=True, ack_policy=AckPolicy.NACK_ON_ERROR)
    return quiet(ack_policy=AckPolicy.ACK)


HANDLED = "insert into handled_message (message_id) values ($1) on conflict do nothing returning true"
RECORD = "insert into event (event_id, device_id, type, data) values ($1, $2, $3, $4)"
KEEP = "insert into outbox (device_id, body) values ($1, $2)"
WAITING = "select number, device_id, body from outbox order by number limit $1"
SENT = "delete from outbox where number = any($1::bigint[])"
