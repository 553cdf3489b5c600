"""What a journey writes to Kafka and reads from it, and from the ledgers, past every door."""

import asyncio
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import asyncpg
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, ConsumerRecord, TopicPartition

from services.cli.names import ServiceName
from services.cli.system import System
from shared.calendar import instant
from shared.ledger.events import NewEvent, append
from shared.ledger.identity import new_id

DEVICE_EVENTS = "device.events.v1"
ACTIVATION_EVENTS = "activation.events.v1"
COMMANDS = "device.commands.v1"
PURCHASES = "store.purchases.v1"
TOPICS = (DEVICE_EVENTS, ACTIVATION_EVENTS, COMMANDS, PURCHASES)
READ_SECONDS = 30.0
FETCH_MS = 250

type Headers = Sequence[tuple[str, bytes]]
type Place = tuple[str, int, int]
"""Where a record stands: topic, partition, offset."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """A record to be written. Without `partition` its key decides, as with every other client."""

    value: bytes | None
    key: bytes | None = None
    headers: Headers = ()
    partition: int | None = None


def order_headers(type_name: str, *, message_id: str, source: str, at: datetime) -> list[tuple[str, bytes]]:
    """Return the headers that an outside tool must send."""
    texts = {
        "ce_specversion": "1.0",
        "ce_id": message_id,
        "ce_source": source,
        "ce_type": type_name,
        "ce_time": instant(at),
        "content-type": "application/json",
    }
    return [(name, text.encode()) for name, text in texts.items()]


@dataclass(frozen=True, slots=True, kw_only=True)
class Tool:
    """An outside tool that writes orders: a fleet's, or a shop's. It dates them `at`."""

    source: str
    at: datetime

    def order(self, type_name: str, *, message_id: str = "", **body: Any) -> Message:
        """Return an order as a message, keyed by the device or code that it concerns."""
        return self.message(type_name, json.dumps(body).encode(), key=_key_of(body), message_id=message_id)

    def message(self, type_name: str, value: bytes, *, key: str, message_id: str = "") -> Message:
        """Return a message that is called an order, whatever its bytes are."""
        headers = order_headers(type_name, message_id=message_id or str(new_id()), source=self.source, at=self.at)
        return Message(value=value, key=key.encode(), headers=headers)


def _key_of(body: Mapping[str, Any]) -> str:
    return str(body.get("device_id") or body.get("code_ref"))


def send(system: System, topic: str, messages: Sequence[Message], *, compression: str | None = None) -> list[Place]:
    """Write the messages in one go, in their order, and return where each stands."""

    async def write() -> list[Place]:
        producer = AIOKafkaProducer(
            bootstrap_servers=system.stack.kafka.bootstrap,
            acks="all",
            enable_idempotence=True,
            max_request_size=64 * 1_048_576,
            max_batch_size=64 * 1_048_576,
            compression_type=compression,
        )
        await producer.start()
        try:
            futures = [
                await producer.send(
                    topic, value=one.value, key=one.key, partition=one.partition, headers=list(one.headers)
                )
                for one in messages
            ]
            written = [await future for future in futures]
        finally:
            await producer.stop()
        return [(one.topic, one.partition, one.offset) for one in written]

    return asyncio.run(write())


def read_topic(system: System, topic: str) -> list[ConsumerRecord[bytes | None, bytes | None]]:
    """Return every record of a topic, partition by partition, in the order of the offsets."""

    async def read() -> list[ConsumerRecord[bytes | None, bytes | None]]:
        consumer = AIOKafkaConsumer(bootstrap_servers=system.stack.kafka.bootstrap, auto_offset_reset="earliest")
        await consumer.start()
        try:
            async with asyncio.timeout(READ_SECONDS):
                return await _read_to_the_end(consumer, topic, system.partitions)
        finally:
            await consumer.stop()

    records = asyncio.run(read())
    return sorted(records, key=lambda record: (record.partition, record.offset))


async def _read_to_the_end(
    consumer: AIOKafkaConsumer, topic: str, partition_count: int
) -> list[ConsumerRecord[bytes | None, bytes | None]]:
    partitions = [TopicPartition(topic, number) for number in range(partition_count)]
    ends = await consumer.end_offsets(partitions)
    consumer.assign(partitions)
    records: list[ConsumerRecord[bytes | None, bytes | None]] = []
    while any([await consumer.position(partition) < ends[partition] for partition in partitions]):
        for batch in (await consumer.getmany(timeout_ms=FETCH_MS)).values():
            records += batch
    return records


def parked(system: System, service: ServiceName, place: Place) -> list[Mapping[str, Any]]:
    """Return the rows of a record that was set aside: one per consumer that could not handle it."""
    sql = 'select * from parked where topic = $1 and partition = $2 and "offset" = $3 order by consumer'
    return query(system, service, sql, *place)


def writing_to_ledger(system: System, service: ServiceName, events: Sequence[NewEvent]) -> None:
    """Append events to a ledger past every decider, as a release with other rules would."""

    async def write() -> None:
        connection = await asyncpg.connect(system.stack.postgres.dsn(service))
        try:
            async with connection.transaction():
                await append(connection, events)
        finally:
            await connection.close()

    asyncio.run(write())


def query(system: System, service: ServiceName, sql: str, *arguments: Any) -> list[Mapping[str, Any]]:
    """Return the rows of a query on a service's database."""

    async def ask() -> list[Mapping[str, Any]]:
        connection = await asyncpg.connect(system.stack.postgres.dsn(service))
        try:
            return [dict(row) for row in await connection.fetch(sql, *arguments)]
        finally:
            await connection.close()

    return asyncio.run(ask())
