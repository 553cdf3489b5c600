"""Keeps a view of a service's own events in the transaction that appends them: an inline projection.

A reader sees its own write at once, and the event needs no second way through Kafka to be shown. The view stays a pure
fold of the log with a checkpoint of its own. An event is folded here only if it is the next one of the view's
checkpoint; whatever is not, the view's consumer folds as soon as it reads it from Kafka. So both may run, in any
number of workers and beside a worker of a release without inline projections, and a rebuild may lock the checkpoint.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import asyncpg

from shared.calendar import in_utc
from shared.ledger.database import Connection, after_commit
from shared.ledger.events import INSERT_EVENTS, MOVE_HEADS, Heads, NewEvent, RecordedEvent, append_columns, chain
from shared.messages import decode
from shared.projector.projection import FoldedEvent, OnFolded, Projection, Row
from shared.projector.views import NotAView, upsert_statement
from shared.rules.decider import StateStruct

type States[View] = dict[str, tuple[int, View]]
"""By stream, the number of its events that are folded, and its state."""


@dataclass(frozen=True, slots=True)
class InlineProjection[View: StateStruct]:
    """One view, and what is called with the events that are in it."""

    projection: Projection[View]
    on_folded: OnFolded
    _open: str = field(init=False)
    _append: str = field(init=False)

    def __post_init__(self) -> None:
        (key,) = self.projection.key
        upsert = upsert_statement(self.projection, first_parameter=19)
        object.__setattr__(self, "_open", OPEN.format(view=self.projection.name, key=key))
        object.__setattr__(self, "_append", APPEND.format(upsert=upsert))

    async def append(
        self, connection: Connection, events: Sequence[NewEvent], *, heads: Heads | None = None
    ) -> list[RecordedEvent]:
        """Append like `shared.ledger.events.append`, and fold what is next in the view."""
        if not events:
            return []
        name, streams = self.projection.name, sorted({event.stream_id for event in events})
        slices = sorted({event.slice_number for event in events})
        rows = await connection.fetch(self._open, slices, name, streams)
        states = self._states(rows)
        heads = {row["slice"]: (row["position"], row["hash"]) for row in rows if row["slice"] is not None}
        current = {row["slice"] for row in rows if row["slice"] is not None and row["position"] == row["reached"]}
        recorded = chain(events, heads)
        foldable = self._foldable(recorded, current, states)
        folded = [self._fold(entry.event, states) for entry in foldable if not self._ignores(entry.event)]
        rows_of_view = self._rows({event.stream_id for event in folded}, states)
        checkpoint = {entry.event.slice_number: (entry.position, entry.hash) for entry in foldable}
        await connection.execute(
            self._append, *append_columns(recorded, heads), *rows_of_view, name, *_checkpoint_columns(checkpoint)
        )
        if folded:
            after_commit(lambda: self.on_folded(folded))
        return recorded

    def _states(self, rows: Sequence[asyncpg.Record]) -> States[View]:
        if self.projection.restore is None:
            raise NotAView(self.projection.name)
        return {
            row["stream_id"]: (row["version"], self.projection.restore(row["view"]))
            for row in rows
            if row["stream_id"] is not None
        }

    def _foldable(
        self, recorded: Sequence[RecordedEvent], current: set[int], states: States[View]
    ) -> Sequence[RecordedEvent]:
        """Return the events of the slices in which the view has everything before them.

        The states may be older than the locked heads: a stream's number of events tells.
        """
        first = {entry.event.stream_id: entry.event for entry in reversed(recorded) if not self._ignores(entry.event)}
        stale = {
            event.slice_number
            for event in first.values()
            if states.get(event.stream_id, (0, None))[0] != event.version - 1
        }
        return [entry for entry in recorded if entry.event.slice_number in current - stale]

    def _ignores(self, event: NewEvent) -> bool:
        return event.type_name in self.projection.ignored

    def _fold(self, event: NewEvent, states: States[View]) -> FoldedEvent:
        version, view = states.get(event.stream_id, (0, self.projection.initial))
        message = decode(event.type_name, event.schema_version, event.data)
        occurred_at, recorded_at = in_utc(event.occurred_at), in_utc(event.recorded_at)
        view = self.projection.fold(view, message, occurred_at=occurred_at, recorded_at=recorded_at)
        states[event.stream_id] = (version + 1, view)
        return FoldedEvent(event.stream_id, message, event.correlation_id)

    def _rows(self, streams: set[str], states: Mapping[str, tuple[int, View]]) -> tuple[Sequence[object], ...]:
        rows: list[Row] = [row for stream in sorted(streams) for row in self.projection.rows(stream, *states[stream])]
        return tuple(zip(*rows, strict=True)) or ((), (), ())


def _checkpoint_columns(checkpoint: Mapping[int, tuple[int, bytes]]) -> tuple[Sequence[object], ...]:
    slices = sorted(checkpoint)
    return slices, [checkpoint[number][0] for number in slices], [checkpoint[number][1] for number in slices]


# A head is locked before the checkpoint of its slice. Whoever finds the checkpoint locked does not wait for it: it is
# a rebuild that swaps the table.
OPEN = """
with head as materialized (
    select slice, position, hash from slice_head where slice = any($1::smallint[]) order by slice for update
), reached as materialized (
    select here.slice, here.position
    from head join inbound_slice here on here.consumer = $2 and here.slice = head.slice
    for update of here skip locked
)
select head.slice, head.position, head.hash, reached.position as reached,
       null::text as stream_id, null::int as version, null::jsonb as view
from head left join reached using (slice)
union all
select null, null, null, null, {key}, version, view from {view} where {key} = any($3::text[])
"""

APPEND = f"""
with appended as ({INSERT_EVENTS}),
shown as ({{upsert}}),
reached as (
    update inbound_slice here set position = there.position, hash = there.hash
    from unnest($23::smallint[], $24::bigint[], $25::bytea[]) as there(slice, position, hash)
    where here.consumer = $22 and here.slice = there.slice
)
{MOVE_HEADS}
"""  # noqa: S608 - all of it is our own
