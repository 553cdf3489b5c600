"""Reads causes and effects across the two logs: events by their ids, and the events that they caused.

Causes are found by the index of event ids. Effects are searched in the latest events of the streams that the caller
names, so that a long log makes no answer slower. No rule may come in here.
"""

from collections.abc import Sequence
from uuid import UUID

from shared.ledger.database import Connection
from shared.ledger.events import RecordedEvent, from_row

IDS_MAX = 200
STREAMS_MAX = 50
LATEST_MAX = 200
"""How many of the latest events of each stream are searched for effects."""


async def causes_and_effects(
    connection: Connection, *, event_ids: Sequence[UUID], stream_ids: Sequence[str], causes: Sequence[UUID]
) -> list[RecordedEvent]:
    """Return the events with these ids, and the events in these streams that `causes` caused, in order of time."""
    rows = await connection.fetch(CAUSES_AND_EFFECTS, event_ids, stream_ids, causes, LATEST_MAX)
    return [from_row(row) for row in rows]


CAUSES_AND_EFFECTS = """
select * from event where event_id = any($1::uuid[])
union
select latest.* from unnest($2::text[]) as asked(stream_id)
    cross join lateral (
        select * from event where event.stream_id = asked.stream_id order by version desc limit $4
    ) as latest
where latest.causation_id = any($3::uuid[])
order by recorded_at, stream_id, version
"""
