"""Sends commands to devices as a fleet tool does: CloudEvents on `device.commands.v1`, in whole batches."""

import asyncio
import json
from collections import defaultdict
from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from aiokafka import AIOKafkaProducer

from shared.calendar import instant
from shared.ledger.clock import machine_now
from shared.ledger.identity import new_id
from shared.ledger.slices import partition_of, slice_of

TOPIC = "device.commands.v1"
BATCH_BYTES_MAX = 900_000

type Headers = Sequence[tuple[str, bytes]]


@dataclass(frozen=True, slots=True)
class Message:
    """A Kafka record before it is sent."""

    slice_number: int
    key: bytes
    value: bytes
    headers: Headers


def order(device_id: str, name: str, **fields: str) -> Message:
    """Return the command `name` for a device."""
    return Message(
        slice_number=slice_of(device_id),
        key=device_id.encode(),
        value=json.dumps({"device_id": device_id, **fields}).encode(),
        headers=(
            ("ce_specversion", b"1.0"),
            ("content-type", b"application/json"),
            ("ce_id", str(new_id()).encode()),
            ("ce_source", b"/perennial/benchmark"),
            ("ce_type", name.encode()),
            ("ce_time", instant(machine_now()).encode()),
        ),
    )


class Sender:
    """A producer with the same settings as the services': idempotent, acks from all replicas, zstd."""

    def __init__(self, producer: AIOKafkaProducer) -> None:
        self._producer = producer

    async def send(self, topic: str, messages: Iterable[Message]) -> None:
        """Send all messages, in order per partition, and return when all are acknowledged."""
        partition_count = len(await self._producer.partitions_for(topic))
        by_partition: dict[int, list[Message]] = defaultdict(list)
        for message in messages:
            by_partition[partition_of(message.slice_number, partition_count)].append(message)
        await asyncio.gather(*(self._send(topic, *each) for each in by_partition.items()))

    async def _send(self, topic: str, partition: int, messages: Sequence[Message]) -> None:
        batch, futures = self._producer.create_batch(), list[Any]()
        for message in messages:
            if not _fits(batch, message):
                futures.append(await self._producer.send_batch(batch, topic, partition=partition))
                batch = self._producer.create_batch()
                _fits(batch, message)
        futures.append(await self._producer.send_batch(batch, topic, partition=partition))
        for future in futures:
            await future


def _fits(batch: Any, message: Message) -> bool:
    return batch.append(key=message.key, value=message.value, timestamp=None, headers=list(message.headers)) is not None


@asynccontextmanager
async def sender(bootstrap_servers: str) -> AsyncIterator[Sender]:
    """Yield a started sender."""
    producer = AIOKafkaProducer(
        bootstrap_servers=bootstrap_servers,
        acks="all",
        enable_idempotence=True,
        compression_type="zstd",
        max_batch_size=BATCH_BYTES_MAX,
        request_timeout_ms=30_000,
    )
    await producer.start()
    try:
        yield Sender(producer)
    finally:
        await producer.stop()
