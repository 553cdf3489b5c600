"""The latest events of a ledger, over all its slices. No rule may come in here."""

from collections.abc import Sequence

from shared.ledger.database import Connection
from shared.ledger.events import RecordedEvent, from_row


async def latest_events(connection: Connection, limit: int) -> Sequence[RecordedEvent]:
    """Return the events that were recorded last, latest first.

    It costs `limit` rows of each of the 256 slices, by the primary key: no index over time, for which every append
    would have to pay.
    """
    return [from_row(row) for row in await connection.fetch(LATEST, limit)]


LATEST = """
select latest.* from slice_head head cross join lateral (
    select * from event where event.slice = head.slice order by position desc limit $1
) as latest
order by recorded_at desc, event_id desc limit $1
"""
