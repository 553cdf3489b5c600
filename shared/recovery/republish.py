"""Fills a topic from the ledger again: the relay's own topic by setting the relay back, another one by copying.

Who sends to a topic is always one: the relay to its own, in the order of each slice, old events before new ones. So
consumers see duplicates at most, and drop them by position. No rule may come in here.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from shared.kafka.relay import Relay
from shared.ledger.database import Connection
from shared.ledger.events import RecordedEvent, from_row

EVENTS_PER_ROUND = 4_000
COPY_LOCK = 7_340_002

type Tell = Callable[[int, int], None]
"""Hears how many events are sent, and of how many."""


class AnotherCopies(Exception):
    """Somebody else fills a topic from this ledger now."""


@dataclass(frozen=True, slots=True)
class Sent:
    """How many events of the ledger count as sent, and how many there are."""

    events: int
    total: int


async def set_relay_back(connection: Connection) -> None:
    """Let the relay send everything again; what it sends meanwhile it cannot note, by compare-and-set."""
    await connection.execute("update slice_published set position = 0")


async def sent(connection: Connection) -> Sent:
    """Return how far the relay is."""
    row = await connection.fetchrow(SENT)
    return Sent(int(row["events"]), int(row["total"])) if row else Sent(0, 0)


async def relay_runs(connection: Connection) -> bool:
    """Tell whether a worker of this service holds slices to send."""
    return bool(await connection.fetchval("select exists (select from lease where expires_at > now())"))


async def rewind_readers(connection: Connection) -> list[str]:
    """Let every consumer of this database that reads a ledger read it from the first record; return their names.

    Offsets of a topic that is gone say nothing. Who runs sees with its next batch that the database went back and reads
    again from there; what was handled is known from positions and dropped. Owners stay owners: a new epoch would take
    their partitions from them one after the other.
    """
    return sorted({row["consumer"] for row in await connection.fetch(REWIND)})


async def copy(connection: Connection, relay: Relay, topic: str, *, tell: Tell) -> int:
    """Send to `topic` what it does not have yet, until a look finds nothing new; return how many events.

    `relay` sends there and nowhere else. Under traffic the end moves; a kill in between repeats a round at most.
    Raises `AnotherCopies`, and what `Relay.send` raises.
    """
    if not await connection.fetchval("select pg_try_advisory_lock($1)", COPY_LOCK):
        raise AnotherCopies
    try:
        return await _copy(connection, relay, topic, tell)
    finally:
        await connection.execute("select pg_advisory_unlock($1)", COPY_LOCK)


async def _copy(connection: Connection, relay: Relay, topic: str, tell: Tell) -> int:
    await connection.execute(BEGIN, topic)
    copied: dict[int, int] = {row["slice"]: row["position"] for row in await connection.fetch(COPIED, topic)}
    before = sum(copied.values())
    while True:
        heads = {row["slice"]: row["position"] for row in await connection.fetch(HEADS)}
        tell(sum(copied.values()), sum(heads.values()))
        events = await _next(connection, copied, heads)
        if not events:
            return sum(copied.values()) - before
        acknowledged = await relay.send(events)
        await connection.execute(NOTE, topic, list(acknowledged), list(acknowledged.values()))
        copied |= acknowledged


async def _next(connection: Connection, copied: Mapping[int, int], heads: Mapping[int, int]) -> list[RecordedEvent]:
    """Return the next events, of every slice its share, so that all partitions fill at once."""
    behind = [number for number in heads if heads[number] > copied[number]]
    share = max(1, EVENTS_PER_ROUND // max(1, len(behind)))
    firsts = [copied[number] + 1 for number in behind]
    lasts = [min(heads[number], copied[number] + share) for number in behind]
    return [from_row(row) for row in await connection.fetch(EVENTS, behind, firsts, lasts)]


async def forget_copy(connection: Connection, topic: str) -> None:
    """Forget what a topic has: it was made anew."""
    await connection.execute("update slice_copied set position = 0 where topic = $1", topic)


async def switch(connection: Connection, topic: str) -> None:
    """Let the relay go on in `topic` where the copy ended: what counts as sent is what was copied."""
    await connection.execute(SWITCH, topic)


SENT = """
select coalesce(sum(least(p.position, h.position)), 0) as events, coalesce(sum(h.position), 0) as total
from slice_head h join slice_published p using (slice)
"""

# who reads outside messages has no positions; its offsets are all it has
REWIND = """
update inbound_partition p set next_offset = 0
where exists (select from inbound_slice s where s.consumer = p.consumer and s.position > 0)
returning consumer
"""

HEADS = "select slice, position from slice_head"

BEGIN = "insert into slice_copied select $1, slice, 0 from slice_head on conflict do nothing"

COPIED = "select slice, position from slice_copied where topic = $1"

EVENTS = """
select e.* from unnest($1::smallint[], $2::bigint[], $3::bigint[]) as run(slice, first, last)
join event e on e.slice = run.slice and e.position between run.first and run.last
order by e.slice, e.position
"""

NOTE = """
update slice_copied c set position = n.position
from unnest($2::smallint[], $3::bigint[]) as n(slice, position)
where c.topic = $1 and c.slice = n.slice
"""

SWITCH = """
update slice_published p set position = c.position from slice_copied c where c.topic = $1 and c.slice = p.slice
"""
