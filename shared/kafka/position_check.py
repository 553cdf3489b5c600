"""Which records of another ledger are next: one is accepted only at position last + 1 of its slice.

An older position is known already and dropped. A newer one waits for those before it, and is parked when they do not
come. Pure: the position vector comes in with the batch and leaves changed.
"""

from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass

from shared.kafka.cloudevents import Place
from shared.kafka.hash_check import continues_chain
from shared.kafka.inbox import Addressed, Gap, Read, Record, Sifted, Vector
from shared.ledger.slices import partition_of


@dataclass(frozen=True, slots=True, kw_only=True)
class LedgerSieve[Message]:
    """Sifts records of another ledger.

    Types in `ignored` are passed over unread. `overdue(slice, position)` tells whether a missing position was
    waited for long enough; until then the records after it wait, afterwards they are parked.
    """

    read: Read[Message]
    ignored: Collection[str]
    partition_count: int
    overdue: Callable[[int, int], bool]

    def sift(self, batch: Iterable[Addressed], vector: Vector) -> Sifted[Message]:
        """Sift a batch in its order; `vector` moves on."""
        sifted: Sifted[Message] = Sifted()
        waiting: dict[int, int] = {}
        for addressed in batch:
            record = addressed.record
            gap = self._sift_one(sifted, addressed, vector)
            if gap:
                sifted.gaps.append(gap)
                waiting.setdefault(record.partition, record.offset)
            # the stored offset stays before the first record that still waits
            vector.offsets[record.partition] = waiting.get(record.partition, record.offset + 1)
        return sifted

    def _sift_one(self, sifted: Sifted[Message], addressed: Addressed, vector: Vector) -> Gap | None:
        record, place = addressed.record, addressed.place
        if isinstance(place, str):
            sifted.park(record, "unreadable_envelope", place)
            return None
        if partition_of(place.slice_number, self.partition_count) != record.partition:
            sifted.park(record, "wrong_partition", "its slice belongs to another partition")
            return None
        last_position, last_hash = vector.slices[place.slice_number]
        if place.position == last_position and place.hash != last_hash:
            sifted.park(record, "conflicting_position", "another event was accepted at its position")
            return None
        if place.position > last_position + 1:
            return self._wait_or_park(sifted, record, place.slice_number, last_position + 1)
        if place.position == last_position + 1:
            self._accept(sifted, addressed, place, vector)
        return None

    def _wait_or_park(self, sifted: Sifted[Message], record: Record, slice_number: int, missing: int) -> Gap | None:
        if not self.overdue(slice_number, missing):
            return Gap(slice_number, missing, record.partition, record.offset)
        sifted.park(record, "position_gap", f"slice {slice_number} still waits for position {missing}")
        return None

    def _accept(self, sifted: Sifted[Message], addressed: Addressed, place: Place, vector: Vector) -> None:
        record, texts = addressed.record, addressed.texts
        if not continues_chain(record, texts, place, vector.slices[place.slice_number][1]):
            # a header that cannot be read says more than the hash that it breaks
            if sifted.envelope(record, texts):
                sifted.park(record, "broken_chain", "it does not continue its slice's hash chain")
            return
        if texts["ce_type"] not in self.ignored:
            envelope = sifted.envelope(record, texts)
            if envelope is None:
                return
            sifted.read(record, envelope, self.read)
        vector.slices[place.slice_number] = (place.position, place.hash)
        sifted.moved_slices.add(place.slice_number)
