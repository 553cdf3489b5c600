"""What both logs yield: chunks of the log, each slice in order, and how far each chunk reaches."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from shared.projector.bounded_fold import Entries
from shared.projector.checkpoint import SliceCheckpoint
from shared.projector.shadow import PartitionProgress


@dataclass(frozen=True, slots=True)
class SliceRanges:
    """A range of positions in each slice: after one position, up to and including another."""

    after: Mapping[int, int]
    upto: Mapping[int, int]

    @property
    def event_count(self) -> int:
        """Return the number of events in the ranges: positions are counts."""
        return sum(max(0, end - self.after.get(number, 0)) for number, end in self.upto.items())

    def resumed(self) -> "SliceRanges":
        """Return the ranges of the slices of which something was read before."""
        return SliceRanges(self.after, {number: end for number, end in self.upto.items() if self.after.get(number, 0)})


@dataclass(frozen=True, slots=True)
class Chunk:
    """Part of a log: events to fold, and the checkpoint and progress to save once their rows are written.

    `event_count` counts the events that were read, folded or not. After a chunk that is not `resumable`, nothing may be
    saved before the next one that is.
    """

    entries: Entries
    event_count: int
    checkpoint: SliceCheckpoint = field(default_factory=dict)
    progress: Mapping[int, PartitionProgress] = field(default_factory=dict)
    resumable: bool = True
