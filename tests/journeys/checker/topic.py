"""Is the topic the ledger? Slice by slice, position by position, the same bytes and headers in the same order.

A repeated position with the same content is what a relay may do after a crash; anything else is a finding.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from aiokafka import AIOKafkaConsumer, ConsumerRecord, TopicPartition

from services.activation import outbox as activation_outbox
from services.device import outbox as device_outbox
from shared.kafka.cloudevents import UnreadableEnvelope, are_headers_of, header_texts, read_position, with_schema_uri
from shared.ledger.events import RecordedEvent
from tests.journeys.checker.chain import SLICE_COUNT, slice_of_key
from tests.journeys.checker.evidence import records_of
from tests.journeys.checker.findings import Finding, Name, ServiceName

type Record = ConsumerRecord[bytes | None, bytes | None]

SOURCES: Mapping[tuple[ServiceName, str], str] = {
    ("device", "production"): device_outbox.OUTBOX.source,
    ("device", "sandbox"): device_outbox.SANDBOX_OUTBOX.source,
    ("activation", "production"): activation_outbox.OUTBOX.source,
    ("activation", "sandbox"): activation_outbox.SANDBOX_OUTBOX.source,
}


@dataclass(slots=True)
class Partition:
    """One partition of a topic: the records of each slice by position, repetitions dropped."""

    service: ServiceName
    number: int
    partition_count: int
    slices: dict[int, dict[int, Record]] = field(default_factory=dict)
    findings: list[Finding] = field(default_factory=list)
    record_count: int = 0

    def numbers(self) -> list[int]:
        """Return the slices that this partition carries."""
        return list(range(self.number, SLICE_COUNT, self.partition_count))

    def see(self, record: Record) -> None:
        """Look at the next record."""
        self.record_count += 1
        try:
            place = read_position(header_texts(record.headers), record.key)
        except UnreadableEnvelope as error:
            self._find("unreadable_on_topic", f"partition {self.number} offset {record.offset}", str(error))
            return
        where = f"slice {place.slice_number} position {place.position}"
        # what Kafka's own partitioner does with the key
        if slice_of_key(record.key or b"") % self.partition_count != record.partition:
            self._find("wrong_partition", where, f"it is on partition {record.partition}")
        seen = self.slices.setdefault(place.slice_number, {})
        if (first := seen.get(place.position)) is not None:
            if _content(first) != _content(record):
                self._find("doubled_with_other_bytes", where, f"offsets {first.offset} and {record.offset}")
            return
        if place.position != next(reversed(seen), 0) + 1:
            self._find("out_of_order_on_topic", where, f"it follows position {next(reversed(seen), 0)}")
        seen[place.position] = record

    def compare(self, entry: RecordedEvent, source: str) -> None:
        """Take the record of a ledger's event away, and compare."""
        record = self.slices.get(entry.event.slice_number, {}).pop(entry.position, None)
        where = f"slice {entry.event.slice_number} position {entry.position}"
        if record is None:
            self._find("missing_on_topic", where, f"{entry.event.type_name} {entry.event.event_id}")
            return
        if (record.key, record.value) != (entry.event.stream_id.encode(), entry.event.data):
            self._find("other_bytes_on_topic", where, f"offset {record.offset} of partition {record.partition}")
        if not are_headers_of(entry, source, record.headers):
            self._find("other_headers_on_topic", where, f"offset {record.offset} of partition {record.partition}")

    def find_left_over(self) -> None:
        """Whatever was not taken away by the ledger's events is not in the ledger."""
        for number, left in sorted(self.slices.items()):
            for position in left:
                self._find("unknown_on_topic", f"slice {number} position {position}", "the ledger has no such event")

    def records(self) -> Iterator[Record]:
        """Yield the records slice by slice, in the order of their positions."""
        for number in sorted(self.slices):
            yield from (record for _, record in sorted(self.slices[number].items()))

    def _find(self, name: Name, where: str, detail: str) -> None:
        self.findings.append(Finding(name=name, ledger=self.service, where=where, detail=detail))


async def read_partition(
    consumer: AIOKafkaConsumer, service: ServiceName, topic: str, number: int, partition_count: int
) -> Partition:
    """Return a partition, read from its first record on."""
    partition = Partition(service, number, partition_count)
    async for record in records_of(consumer, TopicPartition(topic, number)):
        partition.see(record)
    begin = await consumer.beginning_offsets([TopicPartition(topic, number)])
    if begin[TopicPartition(topic, number)] != 0:
        where = f"partition {number}"
        partition.findings.append(Finding(name="topic_truncated", ledger=service, where=where))
    return partition


def _content(record: Record) -> tuple[object, ...]:
    return (record.key, record.value, tuple(with_schema_uri(record.headers)))
