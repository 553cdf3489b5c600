"""Finds events that were altered in the ledger: their content no longer has the hash that was recorded with it."""

from collections.abc import Sequence

from shared.calendar import instant
from shared.ledger.database import Connection
from shared.ledger.events import RecordedEvent, from_row
from shared.ledger.hash_chain import chained_hash


async def hash_mismatches(connection: Connection, streams: Sequence[str]) -> list[str]:
    """Return a sentence for each event of some streams whose content does not match its hash."""
    rows = await connection.fetch(
        "select * from event where stream_id = any($1::text[]) order by slice, position", list(streams)
    )
    return [
        f"slice {entry.event.slice_number} position {entry.position}: {entry.event.type_name}"
        f" of stream {entry.event.stream_id} was altered in the ledger"
        for entry in map(from_row, rows)
        if _hash_of(entry) != entry.hash
    ]


def _hash_of(entry: RecordedEvent) -> bytes:
    event = entry.event
    return chained_hash(
        entry.prev_hash,
        event_id=str(event.event_id),
        type_name=event.type_name,
        stream_id=event.stream_id,
        occurred_at=instant(event.occurred_at),
        data=event.data,
    )
