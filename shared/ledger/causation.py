"""Reads what belongs together in the two logs: causes by their ids, and what they caused. No rule may come in here.

A cause is found by the index of event ids. What was caused is looked for in the latest part of streams that the asker
names, so that a long log makes no answer slower.
"""

from collections.abc import Sequence
from uuid import UUID

from shared.ledger.database import Connection
from shared.ledger.events import RecordedEvent, from_row

IDS_MAX = 200
STREAMS_MAX = 50
LATEST_MAX = 200
"""How many of the latest events of each stream are looked through for what was caused."""


async def related(
    connection: Connection, *, event_ids: Sequence[UUID], stream_ids: Sequence[str], causes: Sequence[UUID]
) -> list[RecordedEvent]:
    """Return the events with these ids, and what the `causes` made happen in these streams, in the order of time."""
    rows = await connection.fetch(RELATED, event_ids, stream_ids, causes, LATEST_MAX)
    return [from_row(row) for row in rows]


RELATED = """
select * from event where event_id = any($1::uuid[])
union
select latest.* from unnest($2::text[]) as asked(stream_id)
    cross join lateral (
        select * from event where event.stream_id = asked.stream_id order by version desc limit $4
    ) as latest
where latest.causation_id = any($3::uuid[])
order by recorded_at, stream_id, version
"""
