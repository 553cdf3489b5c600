"""What a projection is: a fold, a table and a name.

The live consumer, a rebuild and a verification all use this one value, so they cannot fold differently. Everything
in it is pure: no clock, no randomness and no I/O may come in (R-119).
"""

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple, Protocol
from uuid import UUID

from shared.messages import PARKING_EVENTS, Event
from shared.rules.decider import StateStruct

type Row = tuple[Any, ...]
"""The values of a row, in the order of the table's columns."""

IGNORED_TYPES = frozenset(event.__name__ for event in PARKING_EVENTS)
"""Events about parked records: they belong to no device and no code."""


class FoldedEvent(NamedTuple):
    """An event that is in a view: the stream it belongs to, and the request that caused it."""

    stream_id: str
    event: Event
    correlation_id: UUID | None


type OnFolded = Callable[[Sequence[FoldedEvent]], None]
"""Called with the events of a batch once they are in the view and committed."""


class Fold[State](Protocol):
    """Returns the state after an event. It never refuses, and depends on its arguments alone."""

    def __call__(self, state: State, event: Any, /, *, occurred_at: datetime, recorded_at: datetime) -> State:
        """Return the state after `event`."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Projection[State]:
    """A table that is a fold of the events on one topic, stream by stream.

    `name` is the name of the table and of the consumer that keeps it. `key` are the columns of the primary key, the
    stream's id first. `rows(stream_id, version, state)` returns a stream's rows, where `version` counts the folded
    events. `restore` reads a state back from column `view`. A table without `restore` is kept by the deciders, each row
    in the transaction of its event; it can be verified but not replaced.
    """

    name: str
    topic: str
    key: Sequence[str]
    initial: State
    fold: Fold[State]
    rows: Callable[[str, int, State], Sequence[Row]]
    restore: Callable[[str], State] | None = None
    ignored: Collection[str] = IGNORED_TYPES


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
    """Return the only row of a stream in a view."""
    return [(stream_id, version, view.to_json())]
