"""Fills a topic from the ledger again: the relay's own topic by rewinding the relay, another topic by copying.

A topic has one sender at a time, which sends each slice in order, old events before new ones. So consumers at most see
duplicates, which they drop by position. No rule may come in here.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from shared.kafka.relay import Relay
from shared.ledger.database import Connection
from shared.ledger.events import RecordedEvent, from_row

EVENTS_PER_ROUND = 4_000
COPY_LOCK = 7_340_002

type OnProgress = Callable[[int, int], None]
"""Called with the number of events sent so far, and the total."""


class CopyRunning(Exception):
    """Another process is copying this ledger to a topic."""


@dataclass(frozen=True, slots=True)
class RelayProgress:
    """How many events of the ledger are marked as sent, and the total."""

    events: int
    total: int


async def rewind_relay(connection: Connection) -> None:
    """Let the relay send everything again. Its compare-and-set keeps it from overwriting this."""
    await connection.execute("update slice_published set position = 0")


async def relay_progress(connection: Connection) -> RelayProgress:
    """Return how far the relay is."""
    row = await connection.fetchrow(PROGRESS)
    return RelayProgress(int(row["events"]), int(row["total"])) if row else RelayProgress(0, 0)


async def relay_is_running(connection: Connection) -> bool:
    """Return whether a worker of this service holds a lease, so that its relay sends."""
    return bool(await connection.fetchval("select exists (select from lease where expires_at > now())"))


async def rewind_consumers(connection: Connection) -> list[str]:
    """Let every consumer of a ledger in this database read its topic from the first record; return their names.

    The offsets of a topic that is gone mean nothing. A running consumer sees with its next batch that the database went
    back, and reads again from there; it drops what it has handled, by position. Partitions keep their owners: new
    epochs would take them away one after the other.
    """
    return sorted({row["consumer"] for row in await connection.fetch(REWIND)})


async def copy_to_topic(connection: Connection, relay: Relay, topic: str, *, on_progress: OnProgress) -> int:
    """Send the events that `topic` does not have yet, until none is left, and return their number.

    `relay` sends to that topic only. Under traffic the end moves; a kill repeats one round at most. Raises
    `CopyRunning`, and the errors of `Relay.send`.
    """
    if not await connection.fetchval("select pg_try_advisory_lock($1)", COPY_LOCK):
        raise CopyRunning
    try:
        return await _copy(connection, relay, topic, on_progress)
    finally:
        await connection.execute("select pg_advisory_unlock($1)", COPY_LOCK)


async def _copy(connection: Connection, relay: Relay, topic: str, on_progress: OnProgress) -> int:
    await connection.execute(BEGIN, topic)
    copied: dict[int, int] = {row["slice"]: row["position"] for row in await connection.fetch(COPIED, topic)}
    before = sum(copied.values())
    while True:
        heads = {row["slice"]: row["position"] for row in await connection.fetch(HEADS)}
        on_progress(sum(copied.values()), sum(heads.values()))
        events = await _next(connection, copied, heads)
        if not events:
            return sum(copied.values()) - before
        acknowledged = await relay.send(events)
        await connection.execute(NOTE, topic, list(acknowledged), list(acknowledged.values()))
        copied |= acknowledged


async def _next(connection: Connection, copied: Mapping[int, int], heads: Mapping[int, int]) -> list[RecordedEvent]:
    """Return the next events, some of each slice, so that all partitions fill evenly."""
    behind = [number for number in heads if heads[number] > copied[number]]
    share = max(1, EVENTS_PER_ROUND // max(1, len(behind)))
    firsts = [copied[number] + 1 for number in behind]
    lasts = [min(heads[number], copied[number] + share) for number in behind]
    return [from_row(row) for row in await connection.fetch(EVENTS, behind, firsts, lasts)]


async def reset_copy(connection: Connection, topic: str) -> None:
    """Note that a topic is empty, because it was created again."""
    await connection.execute("update slice_copied set position = 0 where topic = $1", topic)


async def switch_relay(connection: Connection, topic: str) -> None:
    """Let the relay continue in `topic` after the last event that was copied."""
    await connection.execute(SWITCH, topic)


PROGRESS = """
select coalesce(sum(least(p.position, h.position)), 0) as events, coalesce(sum(h.position), 0) as total
from slice_head h join slice_published p using (slice)
"""

# consumers of outside messages have no positions: their offsets are all they have
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
