"""Reads the records of a topic, partition by partition, as Kafka stores them.

aiokafka's consumer builds an object for each record, which takes three times as long as parsing it (6.5 against 2.0 µs
with our thirteen headers, as we measured). This module uses aiokafka's client and parser without those objects.
"""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any, Protocol

from aiokafka import AIOKafkaClient, TopicPartition
from aiokafka.errors import OffsetOutOfRangeError, for_code
from aiokafka.protocol.fetch import FetchRequest
from aiokafka.record import MemoryRecords

from shared.projector.failures import ProjectorFailed

FETCH_BYTES = 1_048_576
"""Compressed, as stored: about 20,000 of our records, each of which takes 1.5 kB in memory."""
WAIT_MS = 250
READ_UNCOMMITTED = 0
ATTEMPTS_MAX = 10


class StoredRecord(Protocol):
    """A record as it is stored in its batch."""

    @property
    def offset(self) -> int:
        """The record's offset in the partition."""
        ...

    @property
    def key(self) -> bytes | None:
        """The stream's id."""
        ...

    @property
    def value(self) -> bytes | None:
        """The event's bytes."""
        ...

    @property
    def headers(self) -> Sequence[tuple[str, bytes | None]]:
        """The CloudEvents attributes, slice, position and hash."""
        ...


class TopicReader:
    """Reads one topic without joining a consumer group."""

    def __init__(self, client: AIOKafkaClient, name: str, partition_count: int) -> None:
        self._client = client
        self.name = name
        self.partition_count = partition_count

    async def fetch(self, partition: int, offset: int) -> tuple[list[StoredRecord], int]:
        """Return records from `offset` on, and the end of the partition. Raises `ProjectorFailed` or a `KafkaError`."""
        for attempt in range(1, ATTEMPTS_MAX + 1):
            leader = self._client.cluster.leader_for_partition(TopicPartition(self.name, partition))
            wanted = [(self.name, [(partition, offset, FETCH_BYTES)])]
            answer = await self._client.send(leader, FetchRequest(WAIT_MS, 1, FETCH_BYTES, READ_UNCOMMITTED, wanted))
            ((_, (found,)),) = answer.topics
            _, error_code, end, *_, data = found
            error = for_code(error_code)
            if error is OffsetOutOfRangeError:
                raise ProjectorFailed("topic_truncated", f"{self.name} has no offset {offset} in partition {partition}")
            if not error_code:
                return _records(data, offset), end
            if attempt == ATTEMPTS_MAX or not error.retriable:
                raise error(f"{self.name}, partition {partition}")
            await self._client.force_metadata_update()
        raise AssertionError


def _records(data: bytes, offset: int) -> list[StoredRecord]:
    """Return the records of a fetch from `offset` on: the first batch may begin before it."""
    records: list[StoredRecord] = []
    batches: Any = MemoryRecords(data)
    while batches.has_next():
        batch = batches.next_batch()
        if not batch.validate_crc():
            raise ProjectorFailed("corrupt_batch", f"the batch at offset {batch.base_offset} fails its checksum")
        if not batch.is_control_batch:
            records += batch
    return records if not records or records[0].offset >= offset else [r for r in records if r.offset >= offset]


@asynccontextmanager
async def open_topic(bootstrap_servers: str, name: str) -> AsyncIterator[TopicReader]:
    """Yield a reader of a topic. Raises `ProjectorFailed` if it does not exist, or a `KafkaError`."""
    client = AIOKafkaClient(bootstrap_servers=bootstrap_servers)
    await client.bootstrap()
    try:
        await client.set_topics([name])
        partitions = client.cluster.partitions_for_topic(name)
        if not partitions:
            raise ProjectorFailed("topic_missing", f"topic {name} does not exist")
        yield TopicReader(client, name, len(partitions))
    finally:
        await client.close()
