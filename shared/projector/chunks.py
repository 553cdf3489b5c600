"""What both logs give: pieces of the log, each slice in its order, and how far each piece reaches."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from shared.projector.folding import Entries
from shared.projector.shadow import Heads, Passed


@dataclass(frozen=True, slots=True)
class Span:
    """What is to be read of each slice: after which position, and up to which."""

    after: Mapping[int, int]
    upto: Mapping[int, int]

    @property
    def events(self) -> int:
        """Return how many events it has: positions are counts."""
        return sum(max(0, end - self.after.get(number, 0)) for number, end in self.upto.items())

    def begun(self) -> "Span":
        """Return its part in slices of which something was read before."""
        return Span(self.after, {number: end for number, end in self.upto.items() if self.after.get(number, 0)})


@dataclass(frozen=True, slots=True)
class Chunk:
    """A piece of a log: events to fold, and what may be noted once their rows are written.

    `events` counts what was read, folded or not. Where a chunk is not `resumable`, nothing is noted before the next
    that is.
    """

    entries: Entries
    events: int
    heads: Heads = field(default_factory=dict)
    passed: Mapping[int, Passed] = field(default_factory=dict)
    resumable: bool = True
