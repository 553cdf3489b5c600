"""Sends the ledger to Kafka: every event, in the order of its slice, at least once.

The event table is the outbox. A worker sends the slices it holds leases for and notes how far it got by
compare-and-set, so a worker that slept through its lease changes nothing. What may have been sent is sent
again under the same position, and readers accept each position once.
"""

import asyncio
import logging
from collections import defaultdict
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from time import monotonic
from typing import Any

from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError

from shared.kafka.cloudevents import to_headers
from shared.ledger.database import ACQUIRE_TIMEOUT_SECONDS, CONFLICT, UNAVAILABLE, Connection, Pool
from shared.ledger.events import RecordedEvent, from_row
from shared.ledger.lease import GROUP_COUNT, GROUP_SLICES, Leases
from shared.ledger.outbox import Outbox
from shared.ledger.slices import SLICE_COUNT, partition_of

logger = logging.getLogger(__name__)

EVENTS_MAX = 2_000
EVENTS_PER_SLICE_MAX = 200
BATCH_BYTES_MAX = 900_000
SEND_SECONDS_MAX = 10.0
STOP_SECONDS_MAX = 3.0
POLL_SECONDS = 0.02
POLL_ALONE_SECONDS = 1.0
RETRY_SECONDS = 0.5
EVERY_SLICE = range(SLICE_COUNT)


@dataclass(frozen=True, slots=True)
class Backlog:
    """What of the owned slices is not on Kafka yet: events in order, and where each slice stood when read."""

    events: Sequence[RecordedEvent]
    published: dict[int, int]


class Relay:
    """One worker's sender."""

    def __init__(
        self, *, pool: Pool, leases: Leases, outbox: Outbox, bootstrap_servers: str, events_max: int = EVENTS_MAX
    ) -> None:
        self._pool = pool
        self._leases = leases
        self._outbox = outbox
        self._bootstrap_servers = bootstrap_servers
        self._events_max = events_max
        self._producer: AIOKafkaProducer | None = None
        self._woken = asyncio.Event()
        self._changed = set(EVERY_SLICE)
        self._looked_everywhere_at = 0.0
        self._caught_up_at = monotonic()
        self.sent = 0

    def wake(self, slices: Iterable[int] = EVERY_SLICE) -> None:
        """Look for new events at once: something was appended to `slices`, or a lease came."""
        self._changed.update(slices)
        self._woken.set()

    def problem(self) -> str | None:
        """Return why events do not leave, or None."""
        silence_seconds = monotonic() - self._caught_up_at
        if silence_seconds > 2 * SEND_SECONDS_MAX:
            return f"events wait for Kafka since {silence_seconds:.0f} seconds"
        return None

    @property
    def _round_max(self) -> int:
        return min(self._events_max, EVENTS_PER_SLICE_MAX)

    async def run(self) -> None:
        """Send until cancelled; a failed producer is replaced."""
        try:
            while True:
                await self._send_or_recover()
        finally:
            await self.close()

    async def _send_or_recover(self) -> None:
        try:
            # a smaller round left nothing behind, of no slice
            if await self._send_backlog() < self._round_max:
                self._caught_up_at = monotonic()
                await self._rest()
        except (*UNAVAILABLE, *CONFLICT) as error:
            logger.warning("relay: waiting, the ledger or Kafka is away: %r", error)
            await self._start_over()
        except KafkaError as error:
            # after some errors every later send of this producer would fail: out of sequence
            logger.warning("relay: the producer is replaced: %r", error)
            await self._start_over()

    async def _start_over(self) -> None:
        self._changed.update(EVERY_SLICE)
        await self.close()
        await asyncio.sleep(RETRY_SECONDS)

    async def _rest(self) -> None:
        """Wait for the wake-up of this process, or until it is time to look for other processes' appends."""
        with suppress(TimeoutError):
            await asyncio.wait_for(self._woken.wait(), self._poll_seconds)
        self._woken.clear()

    @property
    def _poll_seconds(self) -> float:
        return POLL_ALONE_SECONDS if len(self._leases.epochs) == GROUP_COUNT else POLL_SECONDS

    async def _send_backlog(self) -> int:
        """Send one round of the slices that may have changed, and return how many events it had."""
        if monotonic() - self._looked_everywhere_at >= self._poll_seconds:
            # also while this process is woken all the time
            self._changed.update(EVERY_SLICE)
            self._looked_everywhere_at = monotonic()
        changed, self._changed = self._changed, set()
        sent = await self._send_backlog_of(sorted(changed), dict(self._leases.epochs))
        if sent >= self._round_max:
            self._changed |= changed
        return sent

    async def _send_backlog_of(self, slices: Sequence[int], epochs: dict[int, int]) -> int:
        owned = [number for number in slices if number // GROUP_SLICES in epochs]
        if not owned:
            return 0
        async with self._pool.acquire(timeout=ACQUIRE_TIMEOUT_SECONDS) as connection:
            backlog = await self._read(connection, owned)
        if not backlog.events:
            return 0
        acknowledged = await self.send(backlog.events)
        async with self._pool.acquire(timeout=ACQUIRE_TIMEOUT_SECONDS) as connection:
            await self._note(connection, acknowledged, backlog.published, epochs)
        self.sent += len(backlog.events)
        self._caught_up_at = monotonic()
        return len(backlog.events)

    async def _read(self, connection: Connection, slices: Sequence[int]) -> Backlog:
        rows = await connection.fetch(BACKLOG, slices, EVENTS_PER_SLICE_MAX, self._events_max)
        return Backlog([from_row(row) for row in rows], {row["slice"]: row["published"] for row in rows})

    async def send(self, events: Sequence[RecordedEvent]) -> dict[int, int]:
        """Send everything and return the last acknowledged position of each slice. Raises on any doubt.

        After an error `close` comes first: the producer may send what it still has, out of order.
        """
        async with asyncio.timeout(SEND_SECONDS_MAX):
            producer = await self._ready_producer()
            partition_count = len(await producer.partitions_for(self._outbox.topic))
            by_partition: dict[int, list[RecordedEvent]] = defaultdict(list)
            for entry in events:
                by_partition[partition_of(entry.event.slice_number, partition_count)].append(entry)
            await asyncio.gather(
                *(self._send_partition(producer, partition, entries) for partition, entries in by_partition.items())
            )
        return {entry.event.slice_number: entry.position for entry in events}

    async def _send_partition(
        self, producer: AIOKafkaProducer, partition: int, entries: Sequence[RecordedEvent]
    ) -> None:
        batch = producer.create_batch()
        futures: list[Any] = []
        for entry in entries:
            record = {
                "key": entry.event.stream_id.encode(),
                "value": entry.event.data,
                "timestamp": None,
                "headers": to_headers(entry, self._outbox.source),
            }
            if batch.append(**record) is None:
                futures.append(await producer.send_batch(batch, self._outbox.topic, partition=partition))
                batch = producer.create_batch()
                batch.append(**record)
        futures.append(await producer.send_batch(batch, self._outbox.topic, partition=partition))
        for future in futures:
            await future

    async def _note(
        self, connection: Connection, sent: dict[int, int], published: dict[int, int], epochs: dict[int, int]
    ) -> None:
        slices = sorted(sent)
        noted = await connection.fetchval(
            NOTE_PUBLISHED,
            slices,
            [published[number] for number in slices],
            [sent[number] for number in slices],
            sorted(epochs),
            [epochs[group] for group in sorted(epochs)],
            self._leases.worker,
        )
        if noted < len(slices):
            logger.info("relay: %s of %s slices belong to another worker now", len(slices) - noted, len(slices))

    async def _ready_producer(self) -> AIOKafkaProducer:
        if self._producer is None:
            producer = AIOKafkaProducer(
                bootstrap_servers=self._bootstrap_servers,
                acks="all",
                enable_idempotence=True,
                compression_type="zstd",
                max_batch_size=BATCH_BYTES_MAX,
                request_timeout_ms=int(SEND_SECONDS_MAX * 1000),
            )
            try:
                await producer.start()
            except BaseException:
                await _stop(producer)
                raise
            self._producer = producer
        return self._producer

    async def close(self) -> None:
        """Let the producer go; the next `send` makes another."""
        producer, self._producer = self._producer, None
        if producer is not None:
            await _stop(producer)


async def _stop(producer: AIOKafkaProducer) -> None:
    """Stop a producer that may be stuck: with idempotence, a batch for a dead broker waits for ever."""
    try:
        await asyncio.wait_for(producer.stop(), STOP_SECONDS_MAX)
    except (TimeoutError, KafkaError) as error:
        logger.info("relay: a producer was left behind: %r", error)


# only slices that still fit into the limit are read: with a long backlog of all 256, a share of each would be
# read and thrown away, 25 rows for every one that is sent
BACKLOG = """
with behind as (
    select h.slice, p.position as published, least(h.position, p.position + $2) as last,
           sum(least(h.position - p.position, $2)) over (order by h.slice)
               - least(h.position - p.position, $2) as before
    from slice_head h
    join slice_published p using (slice)
    where h.slice = any($1::smallint[]) and p.slice = any($1::smallint[]) and h.position > p.position
)
select e.*, b.published
from behind b
join event e on e.slice = b.slice and e.position between b.published + 1 and b.last
where b.before < $3
order by e.slice, e.position
limit $3
"""

NOTE_PUBLISHED = """
with held as (
    select l.slice_group from lease l
    join unnest($4::smallint[], $5::bigint[]) as mine(slice_group, epoch) using (slice_group, epoch)
    where l.owner = $6
    order by l.slice_group -- the order in which a renewal locks them
    for share of l
), noted as (
    update slice_published p set position = n.position
    from unnest($1::smallint[], $2::bigint[], $3::bigint[]) as n(slice, expected, position)
    where p.slice = n.slice and p.position = n.expected and p.slice / 16 in (select slice_group from held)
    returning 1
)
select count(*) from noted
"""
