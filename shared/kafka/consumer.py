"""Consumes one Kafka topic in batches: positions, state and events move in one PostgreSQL transaction.

FastStream fetches and distributes; what is handled already is known from the position checkpoint in the
database alone. Kafka's committed offsets only serve lag tools. No rule may come in here.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import chain
from time import monotonic
from typing import Any

from aiokafka import AIOKafkaConsumer, ConsumerRebalanceListener, TopicPartition
from aiokafka.errors import IllegalStateError, KafkaError
from faststream import AckPolicy
from faststream.kafka import KafkaBroker, KafkaMessage
from faststream.kafka.message import KafkaAckableMessage

from shared.kafka.cloudevents import log_context
from shared.kafka.inbox import Accepted, Checkpoint, Parked, Read, Record, Sifted, read_positions, sift_external_records
from shared.kafka.owned_partitions import OwnedPartitions
from shared.kafka.parking import park
from shared.kafka.position_check import PositionCheck
from shared.kafka.progress import Claim, NotOwned, Progress, WentBack
from shared.ledger.clock import Clock, machine_now
from shared.ledger.database import CONFLICT, UNAVAILABLE, Connection, Pool, transaction
from shared.ledger.events import Append, NewEvent
from shared.ledger.identity import new_id
from shared.ledger.outbox import Cause, Outbox
from shared.watching.traces import spans_end_here

logger = logging.getLogger(__name__)

FETCH_WAIT_MS = 500
"""So long a broker holds a fetch back while nothing comes; it answers the first record at once.

aiokafka sends no second fetch meanwhile: whoever reads on from elsewhere, for a gap or a new partition, waits as long.
"""
LOOK_MS = 1_000
GAP_PATIENCE_SECONDS = 5.0
GAP_RETRY_SECONDS = 0.2
CONFLICTS_MAX = 20
RETRY_SECONDS_MAX = 2.0
COMMIT_INTERVAL_SECONDS = 1.0
COMMIT_SECONDS_MAX = 2.0
STALLED_SECONDS = 20.0
HANDLING_SECONDS_MAX = 15.0
"""A worker that has a batch in hand for longer (its ledger is out of its reach, Kafka is not) leaves its partitions to
the others: it stops its heartbeats, and a static member is missed after the session time-out."""
RECLAIM_SECONDS = 4.0
RECORD_BYTES_MAX = 1_048_576


class BatchTooLarge(Exception):
    """The batch causes more than one transaction should do. `last` is the last record that still fits."""

    def __init__(self, last: Record) -> None:
        super().__init__(f"only what comes up to offset {last.offset} fits one transaction")
        self.last = last


@dataclass(slots=True)
class Handled:
    """What a batch came to: events to append, and messages that had to be set aside after all.

    `unfinished` says that one record of a ledger causes more than one transaction should do: this was a part of it,
    and the record is to be handled again for the next.
    """

    events: Sequence[NewEvent] = ()
    parked: Sequence[Parked] = ()
    unfinished: bool = False


type Handle[Message] = Callable[[Connection, Sequence[Accepted[Message]]], Awaitable[Handled]]
"""Handles a batch. Raises `BatchTooLarge` to be called again with fewer records, in another transaction."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Source[Message]:
    """What a consumer reads and what it does with it.

    `ledger` says whether the writer is a ledger, whose records have positions; records of others are
    told apart by CloudEvents source and id. Types in `ignored` are known and passed over unread. `derived` says
    that all it writes can be derived from the topic again, so that a commit need not wait for the disk.
    For `gather_seconds` after each batch records gather on Kafka: the first one is handled at once, those of a steady
    flow together. With `kept_inline` they gather only while all are duplicates, because the appends of this service do
    this consumer's work themselves. `committed` hears of what was handled once it is.
    """

    name: str
    topic: str
    ledger: bool
    read: Read[Message]
    handle: Handle[Message]
    ignored: Collection[str] = ()
    derived: bool = False
    gather_seconds: float = 0.0
    kept_inline: bool = False
    committed: Callable[[Sequence[Accepted[Message]]], None] = lambda _: None


class Consumer[Message](ConsumerRebalanceListener):
    """One worker's share of one topic."""

    def __init__(
        self,
        source: Source[Message],
        *,
        pool: Pool,
        clock: Clock,
        outbox: Outbox,
        append: Append,
        on_failure: Callable[[Exception], None],
    ) -> None:
        self.source = source
        self._pool = pool
        self._clock = clock
        self._outbox = outbox
        self._append = append
        self._on_failure = on_failure
        self._progress = Progress(source.name)
        self._owned = OwnedPartitions()
        self._gaps: dict[tuple[int, int], float] = {}
        self._partition_count = 0
        self._claiming: asyncio.Task[None] | None = None
        self._joined = False
        self._moved_at = machine_now()
        self._committed_at = 0.0
        self._gathering_until = 0.0
        self._accepted_something = False
        self._subscriber: Any = None
        self._batch_records_max = 1
        self._handled_at: dict[int, float] = {}
        self.batches = 0
        self.records = 0

    # --- Kafka's side --------------------------------------------------------------------

    def subscribe(self, broker: KafkaBroker, *, worker: str, batch_records_max: int) -> None:
        """Register with `broker`, every option that decides about losing data said aloud."""
        self._subscriber = broker.subscriber(
            self.source.topic,
            batch=True,
            max_records=batch_records_max,
            group_id=self.source.name,
            group_instance_id=f"{self.source.name}.{worker}",
            auto_offset_reset="earliest",
            ack_policy=AckPolicy.MANUAL,
            session_timeout_ms=6_000,
            heartbeat_interval_ms=1_500,
            max_poll_interval_ms=int(HANDLING_SECONDS_MAX * 1_000),
            fetch_min_bytes=1,
            fetch_max_wait_ms=FETCH_WAIT_MS,
            # the fetcher is woken by what happens; it need not look five times a second as well
            consumer_timeout_ms=LOOK_MS,
            max_partition_fetch_bytes=4 * RECORD_BYTES_MAX,
            listener=self,
            parser=self._as_it_is,
            decoder=_records_of,
        )
        self._subscriber(self._on_batch)
        self._batch_records_max = batch_records_max
        # FastStream sleeps for its batch timeout after each empty fetch: what comes meanwhile would wait
        self._subscriber.get_msg = self._next_batch

    async def _next_batch(self, consumer: AIOKafkaConsumer) -> tuple[Record, ...]:
        """Return what has come, as soon as anything has."""
        if self._claiming and not self._claiming.done():
            # whoever cannot claim must not go on asking Kafka, or it keeps what others could claim
            await asyncio.wait([self._claiming])
        await self._gather(consumer)
        fetched = await consumer.getmany(timeout_ms=LOOK_MS, max_records=self._batch_records_max)
        records = tuple(chain.from_iterable(fetched.values()))
        if records and self._gathers and len(records) < self._batch_records_max:
            # before the fetcher runs again: what it fetched ahead would be a batch of its own
            consumer.pause(*consumer.assignment())
            self._gathering_until = monotonic() + self.source.gather_seconds
        return records

    @property
    def _gathers(self) -> bool:
        return bool(self.source.gather_seconds) and not (self.source.kept_inline and self._accepted_something)

    async def _gather(self, consumer: AIOKafkaConsumer) -> None:
        """Let records gather until it is time, then fetch again."""
        if paused := consumer.paused():
            await asyncio.sleep(self._gathering_until - monotonic())
            consumer.resume(*(paused & consumer.assignment()))

    async def _as_it_is(self, records: Any) -> KafkaMessage:
        """Wrap a batch without reading it: FastStream's own parser fails on a bad header, and the batch is lost."""
        return KafkaAckableMessage(raw_message=records, body=b"", consumer=self._subscriber.consumer)

    async def on_partitions_revoked(self, revoked: Collection[TopicPartition]) -> None:
        """Forget the partitions; what is in flight is fenced by the epoch."""
        if self._claiming:
            self._claiming.cancel()
        self._owned.disown(partition.partition for partition in revoked)

    async def on_partitions_assigned(self, assigned: Collection[TopicPartition]) -> None:
        """Own the partitions under a new epoch and read on where the database says.

        aiokafka logs and forgets an exception of this method, so claiming retries until it is told otherwise.
        """
        self._owned.disown(list(self._owned.epochs))
        self._joined = True
        self._claiming = asyncio.create_task(self._claim(sorted(entry.partition for entry in assigned)))
        await asyncio.wait([self._claiming], timeout=RETRY_SECONDS_MAX)

    async def _claim(self, partitions: Sequence[int]) -> None:
        claims: Mapping[int, Claim] = {}
        while partitions and not claims:
            try:
                async with transaction(self._pool) as connection:
                    claims = await self._progress.claim(connection, partitions)
            except UNAVAILABLE as error:
                logger.warning("%s cannot claim partitions yet: %r", self.source.name, error)
                await asyncio.sleep(RETRY_SECONDS_MAX / 2)
        self._read_from({partition: claim.next_offset for partition, claim in claims.items()})
        self._owned.own(claims)
        self._moved_at = machine_now()

    async def _claim_again(self) -> None:
        """Claim what Kafka still assigns here once a worker that woke up late must have noticed that it is out."""
        await asyncio.sleep(RECLAIM_SECONDS)
        assigned = sorted(entry.partition for entry in self._subscriber.consumer.assignment())
        await self._claim([partition for partition in assigned if partition not in self._owned.epochs])

    def _read_from(self, offsets: Mapping[int, int]) -> None:
        for partition, offset in offsets.items():
            try:
                self._subscriber.consumer.seek(TopicPartition(self.source.topic, partition), offset)
            except IllegalStateError:
                logger.info("%s: partition %s was taken away meanwhile", self.source.name, partition)

    async def _on_batch(self, fetched: Sequence[Record]) -> None:
        """Handle one batch for good: FastStream would forget an exception and read on."""
        records, look_back = self._owned.in_order(fetched)
        self._read_from(look_back)
        if records:
            await self._handle_until_done(records)
            self._moved_at = machine_now()
        if monotonic() - self._committed_at > COMMIT_INTERVAL_SECONDS:
            self._committed_at = monotonic()
            await self._show_lag()

    async def _show_lag(self) -> None:
        try:
            async with asyncio.timeout(COMMIT_SECONDS_MAX):
                await self._subscriber.consumer.commit()
        except (KafkaError, TimeoutError) as error:
            # nobody reads these offsets but lag tools: they must not hold up a batch
            logger.info("%s: offsets not committed: %r", self.source.name, error)

    async def _handle_until_done(self, records: Sequence[Record]) -> None:
        conflicts, pause_seconds = 0, 0.05
        while True:
            try:
                with spans_end_here():
                    return await self._handle(records)
            except BatchTooLarge as error:
                logger.info("%s: %s", self.source.name, error)
                records = self._up_to(error.last, records)
            except NotOwned as error:
                logger.info("%s: %s", self.source.name, error)
                self._owned.disown(error.partitions)
                self._read_from(self._owned.rewind(records))
                self._claiming = asyncio.create_task(self._claim_again())
                return None
            except WentBack as error:
                logger.warning("%s: reading again: %s", self.source.name, error)
                again = self._owned.rewind(records)
                self._owned.go_back(error.partition, error.next_offset)
                self._read_from({**again, error.partition: error.next_offset})
                return None
            except CONFLICT as error:
                conflicts += 1
                if conflicts > CONFLICTS_MAX:
                    return self._on_failure(error)
                logger.info("%s: conflict, deciding again: %r", self.source.name, error)
            except UNAVAILABLE as error:
                logger.warning("%s: the database is away: %r", self.source.name, error)
                await asyncio.sleep(pause_seconds)
                pause_seconds = min(2 * pause_seconds, RETRY_SECONDS_MAX)
            except Exception as error:
                logger.exception("%s: unexpected, this worker stops; the log will replay", self.source.name)
                return self._on_failure(error)

    def _up_to(self, last: Record, records: Sequence[Record]) -> Sequence[Record]:
        """Return the records up to `last`, and read the others again after them."""
        count = next(number for number, record in enumerate(records, start=1) if record is last)
        self._read_from(self._owned.rewind(records[count:]))
        return records[:count]

    # --- the database's side -------------------------------------------------------------

    async def _handle(self, records: Sequence[Record]) -> None:
        async with transaction(self._pool) as connection:
            sifted, checkpoint = await self._sift(connection, records)
            handled = await self.source.handle(connection, sifted.accepted)
            if handled.unfinished:
                sifted, checkpoint = Sifted(), Checkpoint()  # the batch is not handled yet
            now = self._clock.now()
            cause = Cause(at=now, recorded_at=now, correlation_id=new_id())
            parked = [*sifted.parked, *handled.parked]
            parking = await park(connection, self.source.name, parked, outbox=self._outbox, cause=cause)
            events = [*handled.events, *parking]
            slices = {event.slice_number for event in events}
            heads = await self._progress.move(connection, checkpoint, sifted, append_to=slices)
            await self._append(connection, events, heads=heads)
        self._accepted_something = bool(sifted.accepted) or handled.unfinished
        self._owned.note_committed(checkpoint.offsets)
        self.batches += 1
        self.records += 0 if handled.unfinished else len(records)
        self._handled_at.update({record.partition: record.timestamp / 1_000 for record in records})
        for entry in parked:
            said = log_context(entry.record.headers)
            logger.error("%s: parked %s: %s", self.source.name, entry.reason, entry.detail, extra=said)
        self.source.committed(sifted.accepted)
        if handled.unfinished:
            self._read_from(self._owned.rewind(records))
        await self._go_back(sifted)

    async def _sift(self, connection: Connection, records: Sequence[Record]) -> tuple[Sifted[Message], Checkpoint]:
        """Prove ownership and decide what is next; return also how far this consumer is after the commit."""
        claims, owned = self._owned.claims_of(records), self._owned.epochs
        if self.source.ledger:
            batch = read_positions(records)
            slices = sorted({entry.position.slice_number for entry in batch if not isinstance(entry.position, str)})
            checkpoint = await self._progress.hold(connection, claims, owned=owned, slices=slices)
            return self._position_check().sift(batch, checkpoint), checkpoint
        checkpoint = await self._progress.hold(connection, claims, owned=owned)
        sifted = sift_external_records(records, checkpoint, self.source.read, arrived_at=self._clock.now())
        await self._progress.first_times(connection, sifted)
        return sifted, checkpoint

    def _position_check(self) -> PositionCheck[Message]:
        return PositionCheck(
            read=self.source.read,
            ignored=self.source.ignored,
            partition_count=self._topics_partition_count(),
            overdue=self._overdue,
        )

    def _topics_partition_count(self) -> int:
        """Return it as Kafka told it last: of a topic that is gone, records may still be in hand."""
        if told := self._subscriber.consumer.partitions_for_topic(self.source.topic):
            self._partition_count = len(told)
        return self._partition_count

    # --- gaps ------------------------------------------------------------------------------

    def _overdue(self, slice_number: int, position: int) -> bool:
        since = self._gaps.setdefault((slice_number, position), monotonic())
        return monotonic() - since > GAP_PATIENCE_SECONDS

    async def _go_back(self, sifted: Sifted[Message]) -> None:
        """Read again from the first record that waits: the missing one may have been passed over, or come late."""
        waiting = {(gap.slice_number, gap.missing_position) for gap in sifted.gaps}
        for slice_number, position in list(self._gaps):
            if slice_number in sifted.advanced_slices and (slice_number, position) not in waiting:
                del self._gaps[slice_number, position]
        if not waiting:
            return
        await asyncio.sleep(GAP_RETRY_SECONDS)
        for gap in sifted.gaps[:1]:
            logger.warning(
                "%s: slice %s waits for position %s", self.source.name, gap.slice_number, gap.missing_position
            )
        first = {gap.partition: gap.offset for gap in reversed(sifted.gaps)}
        self._owned.next_offsets.update(first)
        self._read_from(first)

    # --- progress --------------------------------------------------------------------------

    def lag(self) -> int:
        """Return how many records of this worker's partitions are not handled yet, as far as Kafka told."""
        return sum(self._waiting().values())

    def lag_seconds(self) -> float:
        """Return for how long records have been waiting: the age of what was handled last where more is there."""
        now = machine_now().timestamp()
        moved_at = self._moved_at.timestamp()
        return max((now - self._handled_at.get(partition, moved_at) for partition in self._waiting()), default=0.0)

    @property
    def joined(self) -> bool:
        """Whether this worker has joined the consumer group."""
        return self._joined

    @property
    def moved_at(self) -> datetime:
        """When this worker handled a batch last, or took its partitions over."""
        return self._moved_at

    def gap_waits(self) -> int:
        """Return how many slices wait for a missing position."""
        return len(self._gaps)

    def _waiting(self) -> dict[int, int]:
        """Return of each partition that lags how many records wait."""
        consumer = self._subscriber.consumer
        behind = {
            entry.partition: (consumer.highwater(entry) or 0) - self._owned.committed.get(entry.partition, 0)
            for entry in (consumer.assignment() if consumer else ())
        }
        return {partition: count for partition, count in behind.items() if count > 0}

    def problem(self) -> str | None:
        """Return why this consumer makes no progress, or None.

        Progress means that Kafka answered a fetch of every partition, or a batch was handled, a short while ago.
        """
        consumer = self._subscriber.consumer
        if consumer is None or not self._joined:
            return f"{self.source.name} has not joined its group yet"
        assigned = consumer.assignment()
        if unclaimed := [entry.partition for entry in assigned if entry.partition not in self._owned.epochs]:
            return f"{self.source.name} has not claimed partition {unclaimed[0]} yet"
        silence_seconds = self.silence_seconds()
        if silence_seconds > STALLED_SECONDS:
            return f"{self.source.name} has not heard from Kafka for {silence_seconds:.0f} seconds"
        return None

    def silence_seconds(self) -> float:
        """Return for how long the quietest partition has had neither an answer of Kafka nor a handled batch."""
        consumer = self._subscriber.consumer
        assigned = consumer.assignment() if consumer else ()
        if not assigned:
            return 0.0
        heard_at = min((consumer.last_poll_timestamp(entry) or 0) for entry in assigned) / 1000
        return machine_now().timestamp() - max(heard_at, self._moved_at.timestamp())


async def _records_of(message: KafkaMessage) -> Any:
    # not the message: FastStream would keep it in itself, with its records, until garbage is collected
    return message.raw_message
