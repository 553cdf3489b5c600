"""Accepts a record of another ledger only at position last + 1 of its slice, so that each is handled exactly once.

An earlier position is a duplicate and is dropped. A later one waits for the missing records, and is parked if they do
not arrive in time. Pure: the checkpoint comes in with the batch, and is advanced in place.
"""

from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass

from shared.kafka.cloudevents import SlicePosition
from shared.kafka.hash_check import continues_chain
from shared.kafka.inbox import Checkpoint, Gap, PositionedRecord, Read, Record, Sifted
from shared.ledger.slices import partition_of


@dataclass(frozen=True, slots=True, kw_only=True)
class PositionCheck[Message]:
    """Sifts the records of another ledger.

    Types in `ignored` are skipped unread. `overdue(slice, position)` tells whether a missing position has been waited
    for long enough: until then the records behind it wait, after that they are parked.
    """

    read: Read[Message]
    ignored: Collection[str]
    partition_count: int
    overdue: Callable[[int, int], bool]

    def sift(self, batch: Iterable[PositionedRecord], checkpoint: Checkpoint) -> Sifted[Message]:
        """Sift a batch in its order and advance `checkpoint`."""
        sifted: Sifted[Message] = Sifted()
        waiting: dict[int, int] = {}
        for positioned in batch:
            record = positioned.record
            gap = self._sift_one(sifted, positioned, checkpoint)
            if gap:
                sifted.gaps.append(gap)
                waiting.setdefault(record.partition, record.offset)
            # the stored offset stays at the first record that still waits
            checkpoint.offsets[record.partition] = waiting.get(record.partition, record.offset + 1)
        return sifted

    def _sift_one(self, sifted: Sifted[Message], positioned: PositionedRecord, checkpoint: Checkpoint) -> Gap | None:
        record, found = positioned.record, positioned.position
        if isinstance(found, str):
            sifted.park(record, "unreadable_envelope", found)
            return None
        if partition_of(found.slice_number, self.partition_count) != record.partition:
            sifted.park(record, "wrong_partition", "its slice belongs to another partition")
            return None
        last_position, last_hash = checkpoint.slices[found.slice_number]
        if found.position == last_position and found.hash != last_hash:
            sifted.park(record, "conflicting_position", "a different event was accepted at this position")
            return None
        if found.position > last_position + 1:
            return self._wait_or_park(sifted, record, found.slice_number, last_position + 1)
        if found.position == last_position + 1:
            self._accept(sifted, positioned, found, checkpoint)
        return None

    def _wait_or_park(self, sifted: Sifted[Message], record: Record, slice_number: int, missing: int) -> Gap | None:
        if not self.overdue(slice_number, missing):
            return Gap(slice_number, missing, record.partition, record.offset)
        sifted.park(record, "position_gap", f"slice {slice_number} is still missing position {missing}")
        return None

    def _accept(
        self, sifted: Sifted[Message], positioned: PositionedRecord, found: SlicePosition, checkpoint: Checkpoint
    ) -> None:
        record, texts = positioned.record, positioned.texts
        _, last_hash = checkpoint.slices[found.slice_number]
        if not continues_chain(record, texts, found, last_hash):
            # an unreadable header is the better explanation for a hash that does not match
            if sifted.envelope(record, texts):
                sifted.park(record, "broken_chain", "it does not continue the hash chain of its slice")
            return
        if texts["ce_type"] not in self.ignored:
            envelope = sifted.envelope(record, texts)
            if envelope is None:
                return
            sifted.read(record, envelope, record.value or b"", self.read)
        checkpoint.slices[found.slice_number] = (found.position, found.hash)
        sifted.advanced_slices.add(found.slice_number)
