"""Topics for the tests of this folder: filled by the relay from a ledger, and spoiled by hand."""

from collections.abc import Sequence
from dataclasses import replace

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition

from shared.kafka.relay import Relay
from shared.ledger.events import RecordedEvent, from_row
from shared.ledger.lease import Leases
from shared.proof.topic_check import Record
from tests.proof.conftest import History
from tests.shared.records import OUTBOX

LEDGER = "/perennial/device"


def relay_to(topic: str, history: History, bootstrap_servers: str, *, source: str = LEDGER) -> Relay:
    """Return a relay that sends to the topic what it is given."""
    outbox = replace(OUTBOX, source=source, topic=topic)
    leases = Leases("tests", pool=history.pool, on_change=lambda: None)
    return Relay(pool=history.pool, leases=leases, outbox=outbox, bootstrap_servers=bootstrap_servers)


async def events_of(history: History) -> list[RecordedEvent]:
    """Return the events of the ledger in the order of their slices."""
    async with history.database.connected() as connection:
        return [from_row(row) for row in await connection.fetch("select * from event order by slice, position")]


async def send(
    topic: str,
    history: History,
    bootstrap_servers: str,
    entries: Sequence[RecordedEvent],
    *,
    source: str = LEDGER,
) -> None:
    """Send events as the relay does."""
    relay = relay_to(topic, history, bootstrap_servers, source=source)
    try:
        await relay.send(entries)
    finally:
        await relay.close()


async def write(bootstrap_servers: str, records: Sequence[Record]) -> None:
    """Write records as they are, each to its partition, past the relay."""
    producer = AIOKafkaProducer(bootstrap_servers=bootstrap_servers, acks="all")
    await producer.start()
    try:
        for record in records:
            await producer.send_and_wait(
                record.topic,
                key=record.key,
                value=record.value,
                partition=record.partition,
                headers=list(record.headers),
            )
    finally:
        await producer.stop()


async def records_in(bootstrap_servers: str, topic: str, partition_count: int) -> list[Record]:
    """Return all records of a topic."""
    consumer = AIOKafkaConsumer(bootstrap_servers=bootstrap_servers, auto_offset_reset="earliest")
    await consumer.start()
    try:
        places = [TopicPartition(topic, number) for number in range(partition_count)]
        ends = await consumer.end_offsets(places)
        consumer.assign(places)
        records: list[Record] = []
        while len(records) < sum(ends.values()):
            for batch in (await consumer.getmany(timeout_ms=500)).values():
                records += batch
        return records
    finally:
        await consumer.stop()
