"""What a projection is: a fold, a table and a name.

The live consumer, a rebuild and a verification all work by this one value, so they cannot fold differently. Everything
in it is pure: no clock, no chance and no I/O may come in (R-119).
"""

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol

from shared.messages import PARKING_EVENTS
from shared.rules.decider import StateStruct

type Row = tuple[Any, ...]
"""The columns of a row, in the order of the table's."""

NOBODYS_STREAM = frozenset(event.__name__ for event in PARKING_EVENTS)
"""Types that tell of a record that was set aside: they are about no device and no code."""


class Fold[State](Protocol):
    """Returns the state after an event. It never refuses, and reads nothing but what it is given."""

    def __call__(self, state: State, event: Any, /, *, occurred_at: datetime, recorded_at: datetime) -> State:
        """Return the state after `event`."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Projection[State]:
    """A table that is a fold of the events on one topic, stream by stream.

    `name` is the table's, and that of the consumer that keeps it. `key` are the columns that name a row, the first of
    them the stream. `rows(stream_id, version, state)` are a stream's rows, where `version` counts the events that were
    folded. `restore` reads a state back from column `view`; a table without it is kept by the deciders, each row in the
    transaction of its event, and can be verified but not replaced.
    """

    name: str
    topic: str
    key: Sequence[str]
    initial: State
    fold: Fold[State]
    rows: Callable[[str, int, State], Sequence[Row]]
    restore: Callable[[str], State] | None = None
    ignored: Collection[str] = NOBODYS_STREAM


def view_of[View: StateStruct](*, name: str, topic: str, key: str, initial: View, fold: Fold[View]) -> Projection[View]:
    """Return the projection into a table of three columns: `key`, `version`, and `view`, the state as JSON."""
    return Projection(
        name=name,
        topic=topic,
        key=(key,),
        initial=initial,
        fold=fold,
        rows=view_rows,
        restore=type(initial).from_json,
    )


def view_rows(stream_id: str, version: int, view: StateStruct) -> list[Row]:
    """Return the row of a view."""
    return [(stream_id, version, view.to_json())]
