"""What the checker may look at: the tables of the two ledgers and the records of the two topics, from the first on."""

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import asyncpg
from aiokafka import AIOKafkaConsumer, ConsumerRecord, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient

from shared.ledger.database import Connection
from shared.ledger.events import RecordedEvent, from_row
from tests.journeys.checker.findings import ServiceName

ROWS_PER_ROUND_TRIP = 2_000
RECORD_BYTES_MAX = 8 * 1_048_576
TOPICS: Mapping[ServiceName, str] = {"device": "device.events.v1", "activation": "activation.events.v1"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """Where the checker looks: two databases, read as they are inside the callers' transactions, and Kafka."""

    device: Connection
    activation: Connection
    bootstrap_servers: str
    topics: Mapping[ServiceName, str] = field(default_factory=lambda: TOPICS)

    def ledger(self, service: ServiceName) -> Connection:
        """Return the connection to the service's ledger."""
        return self.device if service == "device" else self.activation

    async def mode(self, service: ServiceName) -> str:
        """Return what the ledger was made for: `production` or `sandbox`."""
        mode: str = await self.ledger(service).fetchval("select mode from ledger")
        return mode

    async def events(self, service: ServiceName, slices: Sequence[int]) -> AsyncIterator[RecordedEvent]:
        """Yield the events of some slices, by slice and position, a few thousand in memory at a time."""
        statement = "select * from event where slice = any($1::smallint[]) order by slice, position"
        async for row in rows_of(self.ledger(service), statement, list(slices)):
            yield from_row(row)


async def rows_of(connection: Connection, statement: str, *arguments: object) -> AsyncIterator[asyncpg.Record]:
    """Yield the rows of a statement through a cursor."""
    async with connection.transaction():
        async for row in connection.cursor(statement, *arguments, prefetch=ROWS_PER_ROUND_TRIP):
            yield row


@asynccontextmanager
async def opened(device_dsn: str, activation_dsn: str, bootstrap_servers: str) -> AsyncIterator[Evidence]:
    """Yield the evidence of a system, with connections of its own."""
    device, activation = await asyncpg.connect(device_dsn), await asyncpg.connect(activation_dsn)
    try:
        yield Evidence(device=device, activation=activation, bootstrap_servers=bootstrap_servers)
    finally:
        await device.close()
        await activation.close()


@asynccontextmanager
async def reader(bootstrap_servers: str) -> AsyncIterator[AIOKafkaConsumer]:
    """Yield a consumer without a group, so that it moves nobody's offsets."""
    consumer = AIOKafkaConsumer(
        bootstrap_servers=bootstrap_servers,
        auto_offset_reset="earliest",
        max_partition_fetch_bytes=RECORD_BYTES_MAX,
        fetch_max_wait_ms=10,  # a fetch at the end of one partition holds up the next partition's
    )
    await consumer.start()
    try:
        yield consumer
    finally:
        await consumer.stop()


async def partition_count_of(bootstrap_servers: str, topic: str) -> int:
    """Return how many partitions a topic has."""
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap_servers)
    await admin.start()
    try:
        [described] = await admin.describe_topics([topic])
    finally:
        await admin.close()
    return len(described["partitions"])


async def records_of(
    consumer: AIOKafkaConsumer, partition: TopicPartition
) -> AsyncIterator[ConsumerRecord[bytes | None, bytes | None]]:
    """Yield every record of a partition from the first to what is the last one now."""
    consumer.assign([partition])
    await consumer.seek_to_beginning(partition)
    end = (await consumer.end_offsets([partition]))[partition]
    while await consumer.position(partition) < end:
        for record in (await consumer.getmany(partition, timeout_ms=1_000)).get(partition, []):
            yield record
