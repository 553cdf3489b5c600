"""Keeps track of the partitions of one topic that this process owns, and of the next offset to read of each. Pure."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from shared.kafka.inbox import Record
from shared.kafka.progress import Claim

NEVER = Claim(0, 0)
"""A claim that no partition ever has: epochs begin at 1."""


@dataclass(slots=True)
class OwnedPartitions:
    """One consumer's partitions in this process: the epoch, the committed and the next expected offset of each."""

    epochs: dict[int, int] = field(default_factory=dict)
    committed: dict[int, int] = field(default_factory=dict)
    next_offsets: dict[int, int] = field(default_factory=dict)
    _sought_back_to: dict[int, int] = field(default_factory=dict)

    def own(self, claims: Mapping[int, Claim]) -> None:
        """Add partitions that this process has claimed."""
        for partition, claim in claims.items():
            self.epochs[partition] = claim.epoch
            self.committed[partition] = self.next_offsets[partition] = claim.next_offset

    def disown(self, partitions: Iterable[int]) -> None:
        """Forget partitions that this process has lost."""
        for partition in partitions:
            self.epochs.pop(partition, None)
            self.committed.pop(partition, None)
            self.next_offsets.pop(partition, None)

    def claims_of(self, records: Sequence[Record]) -> dict[int, Claim]:
        """Return the claims on the records' partitions; `NEVER` for a partition that was revoked in the meantime."""
        partitions = sorted({record.partition for record in records})
        return {
            partition: Claim(self.epochs[partition], self.committed[partition]) if partition in self.epochs else NEVER
            for partition in partitions
        }

    def note_committed(self, offsets: Mapping[int, int]) -> None:
        """Note the offsets that the database has committed, for the partitions still owned."""
        self.committed.update({partition: offset for partition, offset in offsets.items() if partition in self.epochs})

    def go_back(self, partition: int, next_offset: int) -> None:
        """Reset a partition to the offset that the database has fallen back to."""
        self.committed[partition] = self.next_offsets[partition] = next_offset

    def rewind(self, records: Sequence[Record]) -> dict[int, int]:
        """Expect the records of owned partitions again, and return the offsets to seek to."""
        first: dict[int, int] = {}
        for record in records:
            if record.partition in self.epochs:
                first.setdefault(record.partition, record.offset)
            self._sought_back_to.pop(record.partition, None)
        self.next_offsets.update(first)
        return first

    def in_order(self, records: Sequence[Record]) -> tuple[list[Record], dict[int, int]]:
        """Return the records that may be handled, and the offsets to seek back to where records were skipped.

        A batch that was fetched before a seek can arrive after it. Seeking back once per offset tells skipped
        records from a gap in the offsets that Kafka itself left.
        """
        kept: list[Record] = []
        seek_back: dict[int, int] = {}
        for record in records:
            partition = record.partition
            expected = self.next_offsets.get(partition)
            if expected is None or partition in seek_back:
                continue
            if record.offset > expected and self._sought_back_to.get(partition) != expected:
                self._sought_back_to[partition] = seek_back[partition] = expected
                continue
            kept.append(record)
            self.next_offsets[partition] = record.offset + 1
        return kept, seek_back
