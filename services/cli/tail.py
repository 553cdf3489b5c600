"""Follows both event topics from now on, without a consumer group, so it leaves no trace in Kafka."""

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
class EventRecord:
    """A record of an event topic: its headers as text and its body."""

    topic: str
    headers: dict[str, str]
    data: dict[str, Any]

    @property
    def service(self) -> str:
        """The service that wrote it."""
        return self.topic.partition(".")[0]

    @property
    def time(self) -> str:
        """The time of the event, to the second, UTC."""
        return self.headers.get("ce_time", "")[:19].replace("T", " ")


@asynccontextmanager
async def open_consumer(bootstrap_servers: str) -> AsyncIterator[AIOKafkaConsumer]:
    """Yield a consumer at the end of every partition."""
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
    # a client without an assignment only knows topics that it has asked for
    await consumer._client.force_metadata_update()
    return consumer.partitions_for_topic(topic) or set()


async def poll(consumer: AIOKafkaConsumer) -> list[EventRecord]:
    """Return the records since the last call, oldest first; wait up to half a second for the first."""
    batches = await consumer.getmany(timeout_ms=POLL_MS, max_records=RECORDS_MAX)
    records = [record for batch in batches.values() for record in batch]
    return [parse_record(record) for record in sorted(records, key=lambda record: record.timestamp)]


def parse_record(record: ConsumerRecord[bytes | None, bytes | None]) -> EventRecord:
    """Parse a record; of an unreadable one, only its partition and offset are known."""
    try:
        return EventRecord(record.topic, header_texts(record.headers), json.loads(record.value or b""))
    except (UnreadableEnvelope, ValueError):
        location = {"partition": record.partition, "offset": record.offset}
        return EventRecord(record.topic, {"ce_type": "(unreadable)"}, location)
