"""The fold of a rebuild, however little it may hold in memory, and however the log is cut."""

import pickle
from collections.abc import Iterable, Sequence
from itertools import batched
from typing import Any

import pytest

from services.activation.projection import CODE_VIEW, FIRST_ACTIVATION, SEAT
from services.device.projection import DEVICE, LICENSE_VIEW
from shared.ledger.events import NewEvent
from shared.messages import decode
from shared.projector import Projection
from shared.projector.bounded_fold import BoundedFold, Entry
from shared.projector.projection import Row
from tests.replay.seeded import WRITTEN

LOGS: dict[str, Sequence[NewEvent]] = {
    LICENSE_VIEW.topic: WRITTEN.device,
    CODE_VIEW.topic: WRITTEN.activation,
}
VIEWS = [LICENSE_VIEW, CODE_VIEW]
EVERY = [*VIEWS, DEVICE, SEAT, FIRST_ACTIVATION]

views = pytest.mark.parametrize("projection", VIEWS, ids=lambda each: each.name)
every = pytest.mark.parametrize("projection", EVERY, ids=lambda each: each.name)


def entries_of(events: Iterable[NewEvent]) -> list[Entry]:
    return [
        Entry(
            event.slice_number,
            number,
            b"",
            event.stream_id,
            event.version,
            event.type_name,
            event.schema_version,
            event.occurred_at,
            event.recorded_at,
            event.data,
        )
        for number, event in enumerate(events, 1)
    ]


def plainly_folded(projection: Projection[Any]) -> list[Row]:
    """Return the rows, by a loop that a child could read."""
    states: dict[str, tuple[int, Any]] = {}
    for event in LOGS[projection.topic]:
        version, state = states.get(event.stream_id, (0, projection.initial))
        fact = decode(event.type_name, event.schema_version, event.data)
        state = projection.fold(state, fact, occurred_at=event.occurred_at, recorded_at=event.recorded_at)
        states[event.stream_id] = (version + 1, state)
    return sorted(row for stream, (version, state) in states.items() for row in projection.rows(stream, version, state))


class Table:
    """Where a fold is written to."""

    def __init__(self, projection: Projection[Any]) -> None:
        self.projection = projection
        self.rows: dict[str, Row] = {}
        self.read_back = 0

    def write(self, fold: BoundedFold[Any]) -> None:
        changes = fold.flush()
        assert not {row[0] for row in changes.added} & self.rows.keys()
        assert {row[0] for row in changes.changed} <= self.rows.keys()
        self.rows |= {row[0]: row for row in (*changes.added, *changes.changed)}

    def states(self, streams: Sequence[str]) -> dict[str, tuple[int, Any]]:
        restore = self.projection.restore
        assert restore
        self.read_back += len(streams)
        return {stream: (self.rows[stream][1], restore(self.rows[stream][2])) for stream in streams}


@views
@pytest.mark.parametrize(("hot", "cold", "chunk"), [(10**6, 10**6, 10**6), (7, 10**6, 50), (3, 10, 11), (1, 1, 1)])
def test_the_rows_are_the_same_however_little_is_held_in_memory(
    projection: Projection[Any], hot: int, cold: int, chunk: int
) -> None:
    """R-118: streams rest as text, are forgotten, and are read back from their rows."""
    fold, table = BoundedFold(projection, hot, cold), Table(projection)
    for entries in batched(entries_of(LOGS[projection.topic]), chunk, strict=False):
        fold.load(table.states(fold.evicted(entries)))
        fold.fold(entries)
        if fold.full:
            table.write(fold)
    table.write(fold)
    assert sorted(table.rows.values()) == plainly_folded(projection)
    assert (table.read_back > 0) == (cold < 100)


@every
def test_streams_that_come_whole_are_written_once(projection: Projection[Any]) -> None:
    """R-118: so the tables of the rules are made, whose rows do not tell all of a state."""
    log = entries_of(sorted(LOGS[projection.topic], key=lambda event: (event.stream_id, event.version)))
    fold = BoundedFold(projection)
    fold.fold(log)
    changes = fold.flush()
    assert sorted(changes.added) == plainly_folded(projection)
    assert not changes.changed


@every
def test_a_fold_made_again_gives_the_same_bytes(projection: Projection[Any]) -> None:
    """R-119."""
    assert plainly_folded(projection) == plainly_folded(projection)


@every
def test_a_projection_travels_to_another_process(projection: Projection[Any]) -> None:
    """Its functions are found there by their names."""
    assert pickle.loads(pickle.dumps(projection)) == projection  # our own bytes


@views
def test_a_view_is_what_its_row_restores(projection: Projection[Any]) -> None:
    """R-118: what the row has forgotten would be seen at a later step."""
    assert projection.restore
    for stream, version, text in plainly_folded(projection):
        assert projection.rows(stream, version, projection.restore(text)) == [(stream, version, text)]
