"""Folds a log in memory, stream by stream, and holds no more of it than it may.

The streams at hand are states; those that rest are the text of their rows, a tenth of the size. What was folded since
the last checkpoint must be written at the next; what was written may be forgotten, and is read back if it goes on.
Pure: reading and writing are the caller's.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from itertools import islice
from typing import NamedTuple

from shared.messages import UnknownEvent, UnreadableEvent, decode
from shared.projector.failures import ProjectorFailed
from shared.projector.projection import Projection, Row

AT_HAND_MAX = 15_000
RESTING_MAX = 150_000


class Entry(NamedTuple):
    """An event of the log, as much of it as a fold needs, and its place. Database rows of these columns serve too."""

    slice_number: int
    position: int
    hash: bytes
    stream_id: str
    version: int
    type_name: str
    schema_version: int
    occurred_at: datetime
    recorded_at: datetime
    data: bytes


type Entries = Sequence[Entry]


class AtHand[State](NamedTuple):
    """A stream that is being folded: the count of its events, its state, and whether a row of it is stored."""

    version: int
    state: State
    stored: bool


class Resting(NamedTuple):
    """A stream that rests: its rows, whether one is stored, and whether it has changed since it was written."""

    rows: Sequence[Row]
    stored: bool
    changed: bool


@dataclass(frozen=True, slots=True)
class Changes:
    """What a checkpoint has to write: rows of streams that have none yet, and rows of those that have."""

    added: Sequence[Row]
    changed: Sequence[Row]


@dataclass(slots=True)
class Folding[State]:
    """One worker's share of a projection. Streams that come whole, or all fit, need no `restore`."""

    projection: Projection[State]
    at_hand_max: int = AT_HAND_MAX
    resting_max: int = RESTING_MAX
    _at_hand: dict[str, AtHand[State]] = field(default_factory=dict)
    _resting: dict[str, Resting] = field(default_factory=dict)

    @property
    def full(self) -> bool:
        """Whether a checkpoint is due, so that memory stays bounded."""
        return len(self._resting) > self.resting_max

    def forgotten(self, entries: Entries) -> list[str]:
        """Return the streams whose beginning was folded earlier, and is not in memory any more."""
        at_hand, resting = self._at_hand, self._resting
        first: dict[str, int] = {}
        for _, _, _, stream_id, version, *_ in entries:
            if stream_id not in at_hand and stream_id not in resting:
                first.setdefault(stream_id, version)
        return sorted(stream_id for stream_id, version in first.items() if version > 1)

    def remember(self, states: dict[str, tuple[int, State]]) -> None:
        """Take states back in that were read from their rows."""
        self._at_hand |= {stream_id: AtHand(*state, stored=True) for stream_id, state in states.items()}

    def fold(self, entries: Entries) -> None:
        """Fold events, each stream's in its order. Raises `ProjectorFailed` for an event that cannot be read."""
        at_hand, ignored, fold = self._at_hand, self.projection.ignored, self.projection.fold
        for number, position, _, stream_id, _, type_name, schema_version, occurred_at, recorded_at, data in entries:
            if type_name in ignored:
                continue
            before = at_hand.get(stream_id) or self._woken(stream_id)
            try:
                event = decode(type_name, schema_version, data)
            except UnknownEvent as error:
                raise ProjectorFailed("newer_log", f"{error}; slice {number} position {position}") from None
            except UnreadableEvent as error:
                raise ProjectorFailed("unreadable_event", f"{error}; slice {number} position {position}") from None
            state = fold(before.state, event, occurred_at=occurred_at, recorded_at=recorded_at)
            at_hand[stream_id] = AtHand(before.version + 1, state, before.stored)
        if len(at_hand) > self.at_hand_max:
            self._rest()

    def checkpoint(self) -> Changes:
        """Return what must be written now; the caller writes it, together with how far the log was read."""
        self._rest()
        written = {key: each for key, each in self._resting.items() if each.changed}
        changes = Changes(
            added=[row for each in written.values() if not each.stored for row in each.rows],
            changed=[row for each in written.values() if each.stored for row in each.rows],
        )
        if self.projection.restore is None:
            # such a stream was folded whole: nothing of it follows
            self._resting = {}
            return changes
        self._resting |= {key: Resting(each.rows, stored=True, changed=False) for key, each in written.items()}
        for stream_id in list(islice(self._resting, max(0, len(self._resting) - self.resting_max // 2))):
            del self._resting[stream_id]
        return changes

    def _woken(self, stream_id: str) -> AtHand[State]:
        resting, restore = self._resting.pop(stream_id, None), self.projection.restore
        if resting is None or restore is None:
            return AtHand(0, self.projection.initial, stored=False)
        ((_, version, text),) = resting.rows
        return AtHand(int(str(version)), restore(str(text)), resting.stored)

    def _rest(self) -> None:
        rows = self.projection.rows
        for stream_id, each in self._at_hand.items():
            self._resting[stream_id] = Resting(rows(stream_id, each.version, each.state), each.stored, changed=True)
        self._at_hand = {}
