"""Follows both event topics from now on, as any reader may: without a group, without a trace in Kafka."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from aiokafka import AIOKafkaConsumer, ConsumerRecord, TopicPartition

from shared.kafka.cloudevents import UnreadableEnvelope, header_texts
from shared.kafka.topics import EVENT_TOPICS

POLL_MS = 500
RECORDS_MAX = 500


@dataclass(frozen=True, slots=True)
class Seen:
    """A record of an event topic: its headers as text and its body."""

    topic: str
    headers: dict[str, str]
    data: dict[str, Any]

    @property
    def service(self) -> str:
        """Who wrote it."""
        return self.topic.partition(".")[0]

    @property
    def moment(self) -> str:
        """When it happened, to the second, UTC."""
        return self.headers.get("ce_time", "")[:19].replace("T", " ")


@asynccontextmanager
async def opened(bootstrap_servers: str) -> AsyncIterator[AIOKafkaConsumer]:
    """Yield a reader that stands at the end of all partitions."""
    consumer = AIOKafkaConsumer(bootstrap_servers=bootstrap_servers, group_id=None, enable_auto_commit=False)
    await consumer.start()
    try:
        partitions = [
            TopicPartition(topic, number)
            for topic in EVENT_TOPICS
            for number in sorted(await _partitions_of(consumer, topic))
        ]
        consumer.assign(partitions)
        await consumer.seek_to_end(*partitions)
        yield consumer
    finally:
        await consumer.stop()


async def _partitions_of(consumer: AIOKafkaConsumer, topic: str) -> set[int]:
    # an unassigned client only knows topics that it asked for
    await consumer._client.force_metadata_update()
    return consumer.partitions_for_topic(topic) or set()


async def fresh(consumer: AIOKafkaConsumer) -> list[Seen]:
    """Return what came since the last call, oldest first; waits half a second for the first."""
    batches = await consumer.getmany(timeout_ms=POLL_MS, max_records=RECORDS_MAX)
    records = [record for batch in batches.values() for record in batch]
    return [seen(record) for record in sorted(records, key=lambda record: record.timestamp)]


def seen(record: ConsumerRecord[bytes | None, bytes | None]) -> Seen:
    """Read a record; of one that nobody can read only its address is known."""
    try:
        return Seen(record.topic, header_texts(record.headers), json.loads(record.value or b""))
    except (UnreadableEnvelope, ValueError):
        address = {"partition": record.partition, "offset": record.offset}
        return Seen(record.topic, {"ce_type": "(unreadable)"}, address)
