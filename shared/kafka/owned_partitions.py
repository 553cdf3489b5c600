"""Which partitions of one topic this process owns, and what it expects to read next of each. Pure bookkeeping."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from shared.kafka.inbox import Record
from shared.kafka.progress import Claim

NEVER = Claim(0, 0)
"""No partition is ever claimed so."""


@dataclass(slots=True)
class OwnedPartitions:
    """The claims of one consumer in this process."""

    epochs: dict[int, int] = field(default_factory=dict)
    committed: dict[int, int] = field(default_factory=dict)
    next_offsets: dict[int, int] = field(default_factory=dict)
    _looked_back_to: dict[int, int] = field(default_factory=dict)

    def own(self, claims: Mapping[int, Claim]) -> None:
        """Note partitions that were taken over."""
        for partition, claim in claims.items():
            self.epochs[partition] = claim.epoch
            self.committed[partition] = self.next_offsets[partition] = claim.next_offset

    def disown(self, partitions: Iterable[int]) -> None:
        """Forget partitions."""
        for partition in partitions:
            self.epochs.pop(partition, None)
            self.committed.pop(partition, None)
            self.next_offsets.pop(partition, None)

    def claims_of(self, records: Sequence[Record]) -> dict[int, Claim]:
        """Return the claims under which the records are handled; `NEVER` for what was taken away meanwhile."""
        partitions = sorted({record.partition for record in records})
        return {
            partition: Claim(self.epochs[partition], self.committed[partition]) if partition in self.epochs else NEVER
            for partition in partitions
        }

    def note_committed(self, offsets: Mapping[int, int]) -> None:
        """Note how far the database says that it is, of the partitions that are still owned."""
        self.committed.update({partition: offset for partition, offset in offsets.items() if partition in self.epochs})

    def go_back(self, partition: int, next_offset: int) -> None:
        """Expect a partition from where the database has fallen back to."""
        self.committed[partition] = self.next_offsets[partition] = next_offset

    def rewind(self, records: Sequence[Record]) -> dict[int, int]:
        """Expect the records again, as far as their partitions are owned; return the offsets to read from."""
        first: dict[int, int] = {}
        for record in records:
            if record.partition in self.epochs:
                first.setdefault(record.partition, record.offset)
        self.next_offsets.update(first)
        return first

    def in_order(self, records: Sequence[Record]) -> tuple[list[Record], dict[int, int]]:
        """Return the records that may be handled, and where to read again for those that come too early.

        A batch that was fetched before a seek can arrive after it. One look back per place tells records
        that were passed over from a hole that Kafka itself left.
        """
        kept: list[Record] = []
        look_back: dict[int, int] = {}
        for record in records:
            partition = record.partition
            expected = self.next_offsets.get(partition)
            if expected is None or partition in look_back:
                continue
            if record.offset > expected and self._looked_back_to.get(partition) != expected:
                self._looked_back_to[partition] = look_back[partition] = expected
                continue
            kept.append(record)
            self.next_offsets[partition] = record.offset + 1
        return kept, look_back
