"""The heads that a ledger must still contain according to its signed checkpoints, slice by slice.

Reads files; no database may come in here.
"""

from array import array
from bisect import bisect_left
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

from shared.calendar import instant
from shared.keys.signing import PublicKeys
from shared.proof.findings import Findings
from shared.proof.merkle import HASH_BYTES
from shared.proof.signed_checkpoint import CheckpointRefused, SignedCheckpoint, read_checkpoint
from shared.proof.slice_trees import Head

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MILLISECOND = timedelta(milliseconds=1)


@dataclass(slots=True)
class ExpectedHeads:
    """The expected heads of one slice by position, packed: hourly checkpoints make two million heads a year."""

    slice_number: int
    positions: "array[int]" = field(default_factory=lambda: array("q"))
    times: "array[int]" = field(default_factory=lambda: array("q"))
    hashes: bytearray = field(default_factory=bytearray)

    def add(self, head: Head, made_at: datetime) -> datetime | None:
        """Add a head. Return the time of the checkpoint that contradicts it, if one does."""
        index = bisect_left(self.positions, head.position)
        if index < len(self.positions) and self.positions[index] == head.position:
            # a slice without new events has the same head in every checkpoint: it is stored once
            return None if self.head(index) == head else self.made_at(index)
        self.positions.insert(index, head.position)
        self.times.insert(index, (made_at - EPOCH) // MILLISECOND)
        self.hashes[2 * HASH_BYTES * index : 2 * HASH_BYTES * index] = head.hash + head.root
        return None

    def head(self, index: int) -> Head:
        """Return an expected head by its index."""
        start = 2 * HASH_BYTES * index
        chain_hash, root = (bytes(self.hashes[start + at :][:HASH_BYTES]) for at in (0, HASH_BYTES))
        return Head(self.slice_number, self.positions[index], chain_hash, root)

    def made_at(self, index: int) -> datetime:
        """Return the time of the first checkpoint with the head at an index."""
        return EPOCH + self.times[index] * MILLISECOND


@dataclass(slots=True)
class Expectations:
    """The valid checkpoints of one ledger, and the heads that they expect in each slice."""

    ledger: str
    by_slice: dict[int, ExpectedHeads] = field(default_factory=dict)
    checkpoint_count: int = 0
    newest_at: datetime | None = None

    @classmethod
    def of(cls, files: Iterable[Path], *, ledger: str, keys: PublicKeys, findings: Findings) -> "Expectations":
        """Read the checkpoints of `ledger`. Those of other ledgers are skipped, refused ones are findings."""
        expectations = cls(ledger)
        for file in files:
            try:
                checkpoint = read_checkpoint(file, keys)
            except CheckpointRefused as refusal:
                findings.add(f"checkpoint_{refusal.code}", f"{file.name}: {refusal.detail}")
                continue
            if checkpoint.ledger == ledger:
                expectations.add(checkpoint, findings)
        return expectations

    def add(self, checkpoint: SignedCheckpoint, findings: Findings) -> None:
        """Expect the heads of a checkpoint."""
        self.checkpoint_count += 1
        self.newest_at = max(self.newest_at or checkpoint.made_at, checkpoint.made_at)
        for head in checkpoint.heads:
            if head.position and (other := self.of_slice(head.slice_number).add(head, checkpoint.made_at)):
                findings.add(
                    "history_rewritten",
                    f"the checkpoints of {instant(other)} and {instant(checkpoint.made_at)} contradict each other",
                    slice_number=head.slice_number,
                    position=head.position,
                )

    def of_slice(self, slice_number: int) -> ExpectedHeads:
        """Return the expected heads of a slice."""
        return self.by_slice.setdefault(slice_number, ExpectedHeads(slice_number))
