"""Consumes one Kafka topic in batches: positions, state and events move in one PostgreSQL transaction.

FastStream fetches and distributes; what is handled already is known from the position vector in the
database alone. Kafka's committed offsets only serve lag tools. No rule may come in here.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Collection, Sequence
from dataclasses import dataclass
from time import monotonic
from typing import Any, cast

from aiokafka import ConsumerRebalanceListener, TopicPartition
from aiokafka.errors import IllegalStateError, KafkaError
from faststream import AckPolicy
from faststream.kafka import KafkaBroker, KafkaMessage
from faststream.kafka.message import KafkaAckableMessage

from shared.clock import Clock, machine_now
from shared.database import AWAY, CONFLICT, Connection, Pool, transaction
from shared.identity import new_id
from shared.inbox import (
    Accepted,
    LedgerSieve,
    Parked,
    Read,
    Record,
    Sifted,
    Vector,
    address,
    sift_foreign_records,
)
from shared.ledger import NewEvent, append
from shared.outbox import Cause, Outbox
from shared.parking import park

logger = logging.getLogger(__name__)

GAP_PATIENCE_SECONDS = 5.0
GAP_RETRY_SECONDS = 0.2
CONFLICTS_MAX = 20
RETRY_SECONDS_MAX = 2.0
COMMIT_INTERVAL_SECONDS = 1.0
STALLED_SECONDS = 20.0
RECLAIM_SECONDS = 4.0
RECORD_BYTES_MAX = 1_048_576


@dataclass(slots=True)
class Handled:
    """What a batch came to: events to append, and messages that had to be set aside after all."""

    events: Sequence[NewEvent] = ()
    parked: Sequence[Parked] = ()


type Handle[Message] = Callable[[Connection, Sequence[Accepted[Message]]], Awaitable[Handled]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Source[Message]:
    """What a consumer reads and what it does with it.

    `ledger` says whether the writer is a ledger, whose records have positions; records of others are
    told apart by CloudEvents source and id. Types in `ignored` are known and passed over unread.
    """

    name: str
    topic: str
    ledger: bool
    read: Read[Message]
    handle: Handle[Message]
    ignored: Collection[str] = ()


class NotOwned(Exception):
    """Another worker took a partition over; this batch must change nothing."""


class Consumer[Message](ConsumerRebalanceListener):
    """One worker's share of one topic."""

    def __init__(
        self,
        source: Source[Message],
        *,
        pool: Pool,
        clock: Clock,
        outbox: Outbox,
        on_append: Callable[[], None],
        on_failure: Callable[[Exception], None],
    ) -> None:
        self.source = source
        self._pool = pool
        self._clock = clock
        self._outbox = outbox
        self._on_append = on_append
        self._on_failure = on_failure
        self._epochs: dict[int, int] = {}
        self._next_offsets: dict[int, int] = {}
        self._looked_back: dict[int, int] = {}
        self._gaps: dict[tuple[int, int], float] = {}
        self._claiming: asyncio.Task[None] | None = None
        self._joined = False
        self._moved_at = machine_now()
        self._committed_at = 0.0
        self._subscriber: Any = None
        self.batches = 0
        self.records = 0

    # --- Kafka's side --------------------------------------------------------------------

    def subscribe(self, broker: KafkaBroker, *, worker: str, batch_records_max: int) -> None:
        """Register with `broker`, every option that decides about losing data said aloud."""
        self._subscriber = broker.subscriber(
            self.source.topic,
            batch=True,
            max_records=batch_records_max,
            batch_timeout_ms=5,
            group_id=self.source.name,
            group_instance_id=f"{self.source.name}.{worker}",
            auto_offset_reset="earliest",
            ack_policy=AckPolicy.MANUAL,
            session_timeout_ms=6_000,
            heartbeat_interval_ms=1_500,
            max_poll_interval_ms=300_000,
            fetch_max_wait_ms=250,
            max_partition_fetch_bytes=4 * RECORD_BYTES_MAX,
            listener=self,
            parser=self._as_it_is,
            decoder=_undecoded,
        )
        self._subscriber(self._on_batch)

    async def _as_it_is(self, records: Any) -> KafkaMessage:
        """Wrap a batch without reading it: FastStream's own parser fails on a bad header, and the batch is lost."""
        return KafkaAckableMessage(raw_message=records, body=b"", consumer=self._subscriber.consumer)

    async def on_partitions_revoked(self, revoked: Collection[TopicPartition]) -> None:
        """Forget the partitions; what is in flight is fenced by the epoch."""
        if self._claiming:
            self._claiming.cancel()
        for partition in revoked:
            self._disown(partition.partition)

    def _disown(self, partition: int) -> None:
        self._epochs.pop(partition, None)
        self._next_offsets.pop(partition, None)

    async def on_partitions_assigned(self, assigned: Collection[TopicPartition]) -> None:
        """Own the partitions under a new epoch and read on where the database says.

        aiokafka logs and forgets an exception of this method, so claiming retries until it is told otherwise.
        """
        partitions = sorted(partition.partition for partition in assigned)
        for partition in list(self._epochs):
            self._disown(partition)
        self._joined = True
        self._claiming = asyncio.create_task(self._claim(partitions))
        await asyncio.wait([self._claiming], timeout=RETRY_SECONDS_MAX)

    async def _claim(self, partitions: Sequence[int]) -> None:
        rows: Sequence[Any] = ()
        while partitions and not rows:
            try:
                async with transaction(self._pool) as connection:
                    await connection.execute(ALL_SLICES, self.source.name)
                    rows = await connection.fetch(CLAIM, self.source.name, list(partitions))
            except AWAY as error:
                logger.warning("%s cannot claim partitions yet: %r", self.source.name, error)
                await asyncio.sleep(RETRY_SECONDS_MAX / 2)
        for row in rows:
            self._seek(row["partition"], row["next_offset"])
            self._next_offsets[row["partition"]] = row["next_offset"]
            self._epochs[row["partition"]] = row["epoch"]
        self._moved_at = machine_now()

    async def _claim_again(self) -> None:
        """Claim what Kafka still assigns here once a worker that woke up late must have noticed that it is out."""
        await asyncio.sleep(RECLAIM_SECONDS)
        assigned = [partition.partition for partition in self._subscriber.consumer.assignment()]
        await self._claim([partition for partition in assigned if partition not in self._epochs])

    def _seek(self, partition: int, offset: int) -> None:
        try:
            self._subscriber.consumer.seek(TopicPartition(self.source.topic, partition), offset)
        except IllegalStateError:
            logger.info("%s: partition %s was taken away meanwhile", self.source.name, partition)

    async def _on_batch(self, message: KafkaMessage) -> None:
        """Handle one batch for good: FastStream would forget an exception and read on."""
        records = self._without_jumps(cast("Sequence[Record]", message.raw_message))
        if records:
            await self._handle_until_done(records)
            self._moved_at = machine_now()
        if monotonic() - self._committed_at > COMMIT_INTERVAL_SECONDS:
            self._committed_at = monotonic()
            await self._show_lag(message)

    def _without_jumps(self, records: Sequence[Record]) -> list[Record]:
        """Leave out partitions that are not owned, and records that come too early.

        A batch that was fetched before a seek can arrive after it. One look back tells records that were
        passed over from a hole that Kafka itself left.
        """
        kept, jumped = [], set()
        for record in records:
            expected = self._next_offsets.get(record.partition)
            if expected is None or record.partition in jumped:
                continue
            if record.offset > expected and self._looked_back.get(record.partition) != expected:
                self._looked_back[record.partition] = expected
                jumped.add(record.partition)
                self._seek(record.partition, expected)
                continue
            kept.append(record)
            self._next_offsets[record.partition] = record.offset + 1
        return kept

    async def _show_lag(self, message: KafkaMessage) -> None:
        try:
            await message.ack()
        except KafkaError as error:
            # nobody reads these offsets but lag tools
            logger.info("%s: offsets not committed: %r", self.source.name, error)

    async def _handle_until_done(self, records: Sequence[Record]) -> None:
        conflicts, pause_seconds = 0, 0.05
        while True:
            try:
                return await self._handle(records)
            except NotOwned as error:
                logger.info("%s: %s", self.source.name, error)
                self._claiming = asyncio.create_task(self._claim_again())
                return None
            except CONFLICT as error:
                conflicts += 1
                if conflicts > CONFLICTS_MAX:
                    return self._on_failure(error)
                logger.info("%s: conflict, deciding again: %r", self.source.name, error)
            except AWAY as error:
                logger.warning("%s: the database is away: %r", self.source.name, error)
                await asyncio.sleep(pause_seconds)
                pause_seconds = min(2 * pause_seconds, RETRY_SECONDS_MAX)
            except Exception as error:
                logger.exception("%s: unexpected, this worker stops; the log will replay", self.source.name)
                return self._on_failure(error)

    # --- the database's side -------------------------------------------------------------

    async def _handle(self, records: Sequence[Record]) -> None:
        async with transaction(self._pool) as connection:
            sifted = await self._sift(connection, records)
            handled = await self.source.handle(connection, sifted.accepted)
            now = self._clock.now()
            cause = Cause(at=now, recorded_at=now, correlation_id=new_id())
            parked = [*sifted.parked, *handled.parked]
            parking = await park(connection, self.source.name, parked, outbox=self._outbox, cause=cause)
            await append(connection, [*handled.events, *parking])
        self.batches += 1
        self.records += len(records)
        for entry in parked:
            logger.error("%s: parked %s: %s", self.source.name, entry.reason, entry.detail)
        if handled.events or parking:
            self._on_append()
        await self._go_back(sifted)

    async def _sift(self, connection: Connection, records: Sequence[Record]) -> Sifted[Message]:
        """Check ownership, decide what is next, and write how far this consumer will be after the commit."""
        await self._check_epochs(connection, sorted({record.partition for record in records}))
        if self.source.ledger:
            return await self._sift_ledger(connection, records)
        vector = Vector()
        sifted = sift_foreign_records(records, vector, self.source.read)
        sifted.accepted = await self._first_times(connection, sifted.accepted)
        await self._save_offsets(connection, vector)
        return sifted

    async def _sift_ledger(self, connection: Connection, records: Sequence[Record]) -> Sifted[Message]:
        batch = address(records)
        slices = sorted({entry.place.slice_number for entry in batch if not isinstance(entry.place, str)})
        rows = await connection.fetch(POSITIONS, self.source.name, slices)
        vector = Vector({row["slice"]: (row["position"], row["hash"]) for row in rows})
        sieve = LedgerSieve(
            read=self.source.read,
            ignored=self.source.ignored,
            partition_count=self._partition_count(),
            overdue=self._overdue,
        )
        sifted = sieve.sift(batch, vector)
        moved = sorted(sifted.moved_slices)
        await connection.execute(
            MOVE_SLICES,
            self.source.name,
            moved,
            [vector.slices[number][0] for number in moved],
            [vector.slices[number][1] for number in moved],
        )
        await self._save_offsets(connection, vector)
        return sifted

    async def _check_epochs(self, connection: Connection, partitions: Sequence[int]) -> None:
        rows = await connection.fetch(EPOCHS, self.source.name, list(partitions))
        owned = {row["partition"]: row["epoch"] for row in rows}
        for partition in partitions:
            if owned.get(partition) != self._epochs.get(partition):
                self._disown(partition)
                raise NotOwned(f"partition {partition} belongs to another worker now")

    async def _first_times(
        self, connection: Connection, accepted: Sequence[Accepted[Message]]
    ) -> list[Accepted[Message]]:
        """Keep of each (source, id) the first record ever."""
        keyed = {(entry.envelope.source, entry.envelope.event_id): entry for entry in reversed(accepted)}
        if not keyed:
            return []
        sources, ids = zip(*sorted(keyed), strict=True)
        rows = await connection.fetch(FIRST_TIMES, sources, ids)
        first = {(row["source"], row["id"]) for row in rows}
        kept = {id(entry) for key, entry in keyed.items() if key in first}
        return [entry for entry in accepted if id(entry) in kept]

    async def _save_offsets(self, connection: Connection, vector: Vector) -> None:
        partitions = sorted(vector.offsets)
        offsets = [vector.offsets[partition] for partition in partitions]
        await connection.execute(MOVE_OFFSETS, self.source.name, partitions, offsets)

    # --- gaps ------------------------------------------------------------------------------

    def _overdue(self, slice_number: int, position: int) -> bool:
        since = self._gaps.setdefault((slice_number, position), monotonic())
        return monotonic() - since > GAP_PATIENCE_SECONDS

    async def _go_back(self, sifted: Sifted[Message]) -> None:
        """Read again from the first record that waits: the missing one may have been passed over, or come late."""
        if not sifted.gaps:
            if len(self._gaps) > len(sifted.moved_slices):
                self._gaps.clear()
            return
        await asyncio.sleep(GAP_RETRY_SECONDS)
        for gap in reversed(sifted.gaps):
            logger.warning(
                "%s: slice %s waits for position %s", self.source.name, gap.slice_number, gap.missing_position
            )
            self._seek(gap.partition, gap.offset)

    # --- progress --------------------------------------------------------------------------

    def _partition_count(self) -> int:
        return len(self._subscriber.consumer.partitions_for_topic(self.source.topic))

    def lag(self) -> int:
        """Return how many records of this worker's partitions are not handled yet, as far as Kafka told."""
        consumer = self._subscriber.consumer
        return sum(
            max(0, (consumer.highwater(partition) or 0) - self._next_offsets.get(partition.partition, 0))
            for partition in (consumer.assignment() if consumer else ())
        )

    def problem(self) -> str | None:
        """Return why this consumer makes no progress, or None.

        Progress means that Kafka answered a fetch of every partition, or a batch was handled, a short while ago.
        """
        consumer = self._subscriber.consumer
        if consumer is None or not self._joined:
            return f"{self.source.name} has not joined its group yet"
        assigned = consumer.assignment()
        if unclaimed := [entry.partition for entry in assigned if entry.partition not in self._epochs]:
            return f"{self.source.name} has not claimed partition {unclaimed[0]} yet"
        fetched_ms = min((consumer.last_poll_timestamp(entry) or 0 for entry in assigned), default=None)
        moved_at = self._moved_at.timestamp()
        heard_at = moved_at if fetched_ms is None else max(fetched_ms / 1000, moved_at)
        silence_seconds = machine_now().timestamp() - heard_at
        if assigned and silence_seconds > STALLED_SECONDS:
            return f"{self.source.name} has not heard from Kafka for {silence_seconds:.0f} seconds"
        return None


async def _undecoded(_: KafkaMessage) -> bytes:
    return b""


CLAIM = """
insert into inbound_partition as mine (consumer, partition, epoch)
select $1, unnest($2::int[]), 1
on conflict (consumer, partition) do update set epoch = mine.epoch + 1
returning partition, epoch, next_offset
"""

EPOCHS = """
select partition, epoch from inbound_partition
where consumer = $1 and partition = any($2::int[]) order by partition for update
"""

ALL_SLICES = "insert into inbound_slice (consumer, slice) select $1, generate_series(0, 255) on conflict do nothing"

POSITIONS = "select slice, position, hash from inbound_slice where consumer = $1 and slice = any($2::smallint[])"

MOVE_SLICES = """
update inbound_slice here set position = there.position, hash = there.hash
from unnest($2::smallint[], $3::bigint[], $4::bytea[]) as there(slice, position, hash)
where here.consumer = $1 and here.slice = there.slice
"""

MOVE_OFFSETS = """
update inbound_partition here set next_offset = there.next_offset
from unnest($2::int[], $3::bigint[]) as there(partition, next_offset)
where here.consumer = $1 and here.partition = there.partition
"""

FIRST_TIMES = """
insert into inbound_message (source, id) select * from unnest($1::text[], $2::text[])
on conflict do nothing returning source, id
"""
