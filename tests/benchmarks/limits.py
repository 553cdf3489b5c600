"""The limits of this machine: the same records sent by a bare producer, the same rows written by a bare insert.

Both use events that the run itself has recorded, with their headers, bytes and indexes, and do nothing else.
"""

import time
from dataclasses import dataclass
from itertools import batched, cycle, islice

import asyncpg
from aiokafka.admin import AIOKafkaAdminClient, NewTopic

from shared.kafka.cloudevents import to_headers
from shared.kafka.topics import Layout
from shared.ledger.events import from_row
from tests.benchmarks.orders import Message, Sender
from tests.benchmarks.stand import PARTITIONS, Stand

TOPIC = "scratch.bare.producer"
SOURCE = "/perennial/sandbox/device"
ROWS_PER_TRANSACTION = 1_000


@dataclass(frozen=True, slots=True)
class Limit:
    """How many were done, and how long it took."""

    count: int
    seconds: float

    @property
    def per_second(self) -> float:
        """Return the rate."""
        return self.count / self.seconds


async def bare_producer(stand: Stand, sender: Sender, *, records: int) -> Limit:
    """Send `records` recorded events to a separate topic."""
    await _make_topic(stand.system.stack.kafka.bootstrap)
    events = [from_row(row) for row in await _events(stand, records)]
    messages = [
        Message(
            slice_number=entry.event.slice_number,
            key=entry.event.stream_id.encode(),
            value=entry.event.data,
            headers=to_headers(entry, SOURCE),
        )
        for entry in events
    ]
    began = time.perf_counter()
    await sender.send(TOPIC, islice(cycle(messages), records))
    return Limit(records, time.perf_counter() - began)


async def bare_insert(stand: Stand, *, rows: int) -> Limit:
    """Insert up to `rows` recorded events into a separate table with the same indexes."""
    events = await _events(stand, rows)
    batches = [list(zip(*batch, strict=True)) for batch in batched(events, ROWS_PER_TRANSACTION, strict=False)]
    async with stand.ledgers["device"].acquire() as connection:
        await connection.execute("create table bare_insert (like event including all)")
        began = time.perf_counter()
        for columns in batches:
            # a single statement is its own transaction
            await connection.execute(INSERT, *columns)
        seconds = time.perf_counter() - began
        await connection.execute("drop table bare_insert")
    return Limit(len(events), seconds)


async def _events(stand: Stand, count: int) -> list[asyncpg.Record]:
    # roughly in the order in which they were written
    return await stand.ledgers["device"].fetch("select * from event limit $1", count)


async def _make_topic(bootstrap_servers: str) -> None:
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap_servers)
    await admin.start()
    try:
        layout = Layout(PARTITIONS)
        await admin.create_topics([NewTopic(TOPIC, layout.partitions, layout.replicas, topic_configs=layout.configs())])
    finally:
        await admin.close()


INSERT = """
insert into bare_insert
select * from unnest($1::smallint[], $2::bigint[], $3::text[], $4::int[], $5::text[], $6::smallint[], $7::uuid[],
                     $8::timestamptz[], $9::timestamptz[], $10::uuid[], $11::uuid[], $12::text[], $13::bytea[],
                     $14::bytea[], $15::bytea[])
"""
