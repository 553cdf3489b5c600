"""A topic in memory: what aiokafka's client does for a consumer, so that only Kafka is left out of a test."""

from collections.abc import Iterable, Sequence
from types import SimpleNamespace
from typing import Any

from aiokafka import TopicPartition

from shared.kafka.consumer import Consumer
from tests.shared.records import PARTITION_COUNT, TOPIC, Record


class Topic:
    """Hands its records out in the order of each partition, from where it is told to."""

    def __init__(self, records: Iterable[Record]) -> None:
        self._records: dict[int, list[Record]] = {partition: [] for partition in range(PARTITION_COUNT)}
        self._next = dict.fromkeys(self._records, 0)
        for record in records:
            assert record.offset == len(self._records[record.partition])
            self._records[record.partition].append(record)

    async def read_by(
        self, consumer: Consumer[Any], *, batches_max: int | None = None, records_max: int = 1_000
    ) -> int:
        """Let the consumer read to the end, or so many batches, and return how many that were."""
        batches = 0
        consumer._subscriber = SimpleNamespace(consumer=self)
        await consumer.on_partitions_assigned(self.assignment())
        while (batches_max is None or batches < batches_max) and (records := self._fetch(records_max)):
            await consumer._on_batch(records)
            batches += 1
        return batches

    def _fetch(self, records_max: int) -> Sequence[Record]:
        waiting = [
            record for partition, records in self._records.items() for record in records[self._next[partition] :]
        ]
        for record in waiting[:records_max]:
            self._next[record.partition] = record.offset + 1
        return waiting[:records_max]

    def assignment(self) -> set[TopicPartition]:
        return {TopicPartition(TOPIC, partition) for partition in self._records}

    def partitions_for_topic(self, _: str) -> set[int]:
        return set(self._records)

    def seek(self, partition: TopicPartition, offset: int) -> None:
        self._next[partition.partition] = offset

    async def commit(self) -> None:
        """Nobody looks at Kafka's own offsets."""
