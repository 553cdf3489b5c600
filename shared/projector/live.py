"""Keeps a projection up to date: folds each batch into the rows of its streams, in the transaction of its positions."""

import asyncio
from collections.abc import Sequence
from functools import partial

from shared.kafka.cloudevents import read_event
from shared.kafka.consumer import Handled, Source
from shared.kafka.inbox import Accepted
from shared.ledger.database import Connection
from shared.messages import Event
from shared.projector.projection import FoldedEvent, OnFolded, Projection, Row
from shared.projector.views import load_states, save_rows
from shared.rules.decider import StateStruct

FOLDED_AT_ONCE = 100
"""After so many the event loop gets its turn: the row of a code with thousands of seats takes its time."""


def live[View: StateStruct](
    projection: Projection[View],
    on_folded: OnFolded = lambda _: None,
    *,
    gather_seconds: float = 0.0,
    kept_inline: bool = False,
) -> Source[Event]:
    """Return the source of the consumer that keeps a view, or catches up what the appends did not fold themselves."""

    def committed(accepted: Sequence[Accepted[Event]]) -> None:
        on_folded([FoldedEvent(each.envelope.subject, each.message, each.envelope.correlation_id) for each in accepted])

    return Source(
        name=projection.name,
        topic=projection.topic,
        ledger=True,
        read=read_event,
        handle=partial(fold_batch, projection),
        ignored=projection.ignored,
        derived=True,
        gather_seconds=gather_seconds,
        kept_inline=kept_inline,
        committed=committed,
    )


async def fold_batch[View: StateStruct](
    projection: Projection[View], connection: Connection, accepted: Sequence[Accepted[Event]]
) -> Handled:
    """Fold a batch into the rows of its streams, in the caller's transaction."""
    streams = sorted({entry.envelope.subject for entry in accepted})
    if not streams:
        return Handled()
    states = await load_states(connection, projection, streams)
    for number, entry in enumerate(accepted, start=1):
        envelope = entry.envelope
        version, view = states.get(envelope.subject, (0, projection.initial))
        view = projection.fold(view, entry.message, occurred_at=envelope.occurred_at, recorded_at=envelope.recorded_at)
        states[envelope.subject] = (version + 1, view)
        if number % FOLDED_AT_ONCE == 0:
            await asyncio.sleep(0)
    rows: list[Row] = [row for stream in streams for row in projection.rows(stream, *states[stream])]
    await save_rows(connection, projection, rows)
    return Handled()
