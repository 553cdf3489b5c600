"""Folds a log stream by stream in bounded memory.

It is a cache of states with two levels. Hot streams are states; cold ones are the text of their rows, a tenth of the
size. Whatever was folded since the last flush must be written by the next one. After that it may be evicted, and is
loaded again if more events of the stream follow. Pure: reading and writing rows is up to the caller.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from itertools import islice
from typing import NamedTuple

from shared.messages import UnknownEvent, UnreadableEvent, decode
from shared.projector.failures import ProjectorFailed
from shared.projector.projection import Projection, Row

HOT_MAX = 15_000
COLD_MAX = 150_000


class Entry(NamedTuple):
    """An event of the log with all that a fold needs, and its position. Database rows of these columns serve too."""

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


class HotStream[State](NamedTuple):
    """A stream that is being folded: the number of its events, its state, and whether its row is in the table."""

    version: int
    state: State
    stored: bool


class ColdStream(NamedTuple):
    """A stream at rest: its rows, whether they are in the table, and whether they changed since they were written."""

    rows: Sequence[Row]
    stored: bool
    changed: bool


@dataclass(frozen=True, slots=True)
class Changes:
    """What a flush must write: rows of streams that have none in the table yet, and rows of those that do."""

    added: Sequence[Row]
    changed: Sequence[Row]


@dataclass(slots=True)
class BoundedFold[State]:
    """One worker's share of a projection. Without `restore`, streams must come whole or all fit into memory."""

    projection: Projection[State]
    hot_max: int = HOT_MAX
    cold_max: int = COLD_MAX
    _hot: dict[str, HotStream[State]] = field(default_factory=dict)
    _cold: dict[str, ColdStream] = field(default_factory=dict)

    @property
    def full(self) -> bool:
        """Whether it must be flushed so that memory stays bounded."""
        return len(self._cold) > self.cold_max

    def evicted(self, entries: Entries) -> list[str]:
        """Return the streams of the entries whose earlier events were folded and are no longer in memory."""
        hot, cold = self._hot, self._cold
        first: dict[str, int] = {}
        for _, _, _, stream_id, version, *_ in entries:
            if stream_id not in hot and stream_id not in cold:
                first.setdefault(stream_id, version)
        return sorted(stream_id for stream_id, version in first.items() if version > 1)

    def load(self, states: dict[str, tuple[int, State]]) -> None:
        """Take states that were read from the table, each with the number of its events."""
        self._hot |= {stream_id: HotStream(*state, stored=True) for stream_id, state in states.items()}

    def fold(self, entries: Entries) -> None:
        """Fold events, each stream's in order. Raises `ProjectorFailed` for an event that cannot be read."""
        hot, ignored, fold = self._hot, self.projection.ignored, self.projection.fold
        for number, position, _, stream_id, _, type_name, schema_version, occurred_at, recorded_at, data in entries:
            if type_name in ignored:
                continue
            before = hot.get(stream_id) or self._warm_up(stream_id)
            try:
                event = decode(type_name, schema_version, data)
            except UnknownEvent as error:
                raise ProjectorFailed("newer_log", f"{error}; slice {number} position {position}") from None
            except UnreadableEvent as error:
                raise ProjectorFailed("unreadable_event", f"{error}; slice {number} position {position}") from None
            state = fold(before.state, event, occurred_at=occurred_at, recorded_at=recorded_at)
            hot[stream_id] = HotStream(before.version + 1, state, before.stored)
        if len(hot) > self.hot_max:
            self._cool_down()

    def flush(self) -> Changes:
        """Return the rows that must be written now; the caller writes them together with the checkpoint."""
        self._cool_down()
        written = {key: each for key, each in self._cold.items() if each.changed}
        changes = Changes(
            added=[row for each in written.values() if not each.stored for row in each.rows],
            changed=[row for each in written.values() if each.stored for row in each.rows],
        )
        if self.projection.restore is None:
            # such a stream was folded whole: no more of its events follow
            self._cold = {}
            return changes
        self._cold |= {key: ColdStream(each.rows, stored=True, changed=False) for key, each in written.items()}
        for stream_id in list(islice(self._cold, max(0, len(self._cold) - self.cold_max // 2))):
            del self._cold[stream_id]
        return changes

    def _warm_up(self, stream_id: str) -> HotStream[State]:
        cold, restore = self._cold.pop(stream_id, None), self.projection.restore
        if cold is None or restore is None:
            return HotStream(0, self.projection.initial, stored=False)
        ((_, version, text),) = cold.rows
        return HotStream(int(str(version)), restore(str(text)), cold.stored)

    def _cool_down(self) -> None:
        rows = self.projection.rows
        for stream_id, each in self._hot.items():
            self._cold[stream_id] = ColdStream(rows(stream_id, each.version, each.state), each.stored, changed=True)
        self._hot = {}
