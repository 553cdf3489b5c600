"""A fetch that waits for records holds nobody up, on a real Kafka."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from time import monotonic

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewTopic

from services.cli.system import System
from shared.kafka.waiting_fetch import cut_short
from shared.ledger.identity import new_id

FETCH_WAIT_SECONDS = 8.0
AT_ONCE_SECONDS = 4.0
"""It takes some hundredths of one, but others use this machine too."""


@asynccontextmanager
async def waiting_consumer(bootstrap: str) -> AsyncIterator[tuple[AIOKafkaConsumer, TopicPartition]]:
    """Yield a consumer that has read the one record of a topic and has just begun to wait for the next."""
    place = TopicPartition(f"waiting-{new_id()}", 0)
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap)
    await admin.start()
    await admin.create_topics([NewTopic(place.topic, 1, 1)])
    await admin.close()
    async with AIOKafkaProducer(bootstrap_servers=bootstrap) as producer:
        await producer.send_and_wait(place.topic, b"one")
    consumer = AIOKafkaConsumer(
        bootstrap_servers=bootstrap, fetch_max_wait_ms=int(1000 * FETCH_WAIT_SECONDS), enable_auto_commit=False
    )
    await consumer.start()
    try:
        consumer.assign([place])
        consumer.seek(place, 0)
        assert await seconds_until_a_record(consumer) < FETCH_WAIT_SECONDS
        assert not await consumer.getmany(timeout_ms=200)
        yield consumer, place
    finally:
        await consumer.stop()


async def seconds_until_a_record(consumer: AIOKafkaConsumer) -> float:
    began = monotonic()
    assert await consumer.getmany(timeout_ms=int(3000 * FETCH_WAIT_SECONDS))
    return monotonic() - began


async def test_who_reads_again_does_not_wait_for_the_fetch_before(
    system: System, caplog: pytest.LogCaptureFixture
) -> None:
    """R-120: a gap is looked at again at once, and so is a partition that was taken over."""
    async with waiting_consumer(system.stack.kafka.bootstrap) as (consumer, place):
        consumer.seek(place, 0)
        cut_short(consumer)
        assert await seconds_until_a_record(consumer) < AT_ONCE_SECONDS
    assert [entry.message for entry in caplog.records if entry.levelname == "ERROR"] == []


async def test_without_cutting_it_short_it_waits(system: System) -> None:
    """The day this test fails, aiokafka has learned it and `shared.kafka.waiting_fetch` can go."""
    async with waiting_consumer(system.stack.kafka.bootstrap) as (consumer, place):
        consumer.seek(place, 0)
        assert await seconds_until_a_record(consumer) > AT_ONCE_SECONDS


async def test_a_record_that_comes_is_not_kept_until_the_wait_is_over(system: System) -> None:
    bootstrap = system.stack.kafka.bootstrap
    async with waiting_consumer(bootstrap) as (consumer, place), AIOKafkaProducer(bootstrap_servers=bootstrap) as other:
        await other.send_and_wait(place.topic, b"two")
        assert await seconds_until_a_record(consumer) < AT_ONCE_SECONDS
