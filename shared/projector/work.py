"""One process's share of a rebuild: some slices of a log, folded up to given positions."""

from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, replace
from typing import Any

import asyncpg

from shared.ledger.database import Connection
from shared.ledger.slices import SLICE_COUNT, partition_of
from shared.projector.advancing import Advance, Tell
from shared.projector.chunks import Span
from shared.projector.failures import ProjectorFailed
from shared.projector.fetching import Topic, topic
from shared.projector.kafka_log import KafkaLog
from shared.projector.ledger_log import LedgerLog, Places
from shared.projector.projection import Projection
from shared.projector.shadow import LogName, Passed, Shadow

CONNECT_SECONDS_MAX = 10.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """What is to be done: a projection's slices brought `upto` positions, by the attempt of this `epoch`.

    `database_url` has the table, `ledger_url` the ledger whose events it folds: another one, if they are heard of, or
    none where it is out of reach and the log is read from Kafka.
    """

    projection: Projection[Any]
    epoch: int
    database_url: str
    ledger_url: str | None
    source: LogName
    bootstrap_servers: str
    upto: Mapping[int, int]
    passed_over: Places

    def part(self, number: int, count: int, partition_count: int) -> "Task":
        """Return one of `count` parts; a partition is never divided."""
        upto = {
            slice_number: position
            for slice_number, position in self.upto.items()
            if partition_of(slice_number, partition_count) % count == number
        }
        return replace(self, upto=upto)


@dataclass(frozen=True, slots=True)
class Bench:
    """What a process works with: the table's database, the ledger, and the topic if the log is Kafka."""

    writing: Connection
    reading: Connection | None
    topic: Topic | None


@asynccontextmanager
async def bench(task: Task) -> AsyncIterator[Bench]:
    """Yield the connections of one process. Raises errors of the database and Kafka, or `ProjectorFailed`."""
    async with AsyncExitStack() as opened_here:
        writing = await opened_here.enter_async_context(connected(task.database_url))
        reading = await opened_here.enter_async_context(connected(task.ledger_url)) if task.ledger_url else None
        if task.source == "ledger":
            yield Bench(writing, reading, None)
            return
        async with topic(task.bootstrap_servers, task.projection.topic) as opened:
            yield Bench(writing, reading, opened)


@asynccontextmanager
async def connected(database_url: str) -> AsyncIterator[Connection]:
    """Yield a connection whose rows read the same everywhere."""
    connection = await connect(database_url)
    try:
        yield connection
    finally:
        connection.terminate()


async def connect(database_url: str) -> Connection:
    """Return a connection whose rows read the same everywhere, for the caller to terminate."""
    return await asyncpg.connect(
        database_url,
        timeout=CONNECT_SECONDS_MAX,
        # what is rebuilt can be rebuilt again: only the swap waits for the disk
        server_settings={
            "application_name": "perennial projector",
            "timezone": "UTC",
            "synchronous_commit": "off",
            # the session of a killed process ends at once and releases its locks, even in the middle of a query
            "client_connection_check_interval": "1s",
            # so does that of a machine that is gone
            "tcp_keepalives_idle": "10",
            "tcp_keepalives_interval": "5",
            "tcp_keepalives_count": "3",
            # a session that only holds a lock is idle for as long as the rebuild takes
            "idle_session_timeout": "0",
        },
    )


async def work(task: Task, at: Bench, tell: Tell, touched: set[str] | None = None) -> None:
    """Bring the shadow up to the task's positions. Raises `ProjectorFailed`, or errors of the database and Kafka."""
    shadow = Shadow(task.projection, task.epoch)
    advance = Advance(shadow, at.writing, tell, touched)
    if at.topic is not None:
        await _from_kafka(task, advance, KafkaLog(at.topic, task.passed_over))
    elif at.reading is not None:
        await _from_ledger(task, advance, LedgerLog(at.reading, task.passed_over))
    else:
        raise ProjectorFailed("kafka_only", f"{task.projection.name} folds another service's log: read it from Kafka")


async def _from_ledger(task: Task, advance: Advance[Any], log: LedgerLog) -> None:
    span = await left(task, advance.connection)
    whole = {number: upto for number, upto in span.upto.items() if not span.after[number]}
    await advance.through(log.whole_streams(whole))
    await advance.through(log.ranges(span.begun()))


async def _from_kafka(task: Task, advance: Advance[Any], log: KafkaLog) -> None:
    heads = await advance.shadow.heads(advance.connection)
    passed = await advance.shadow.passed(advance.connection)
    for partition in range(log.topic.partition_count):
        upto = {number: task.upto[number] for number in log.slices(partition) if number in task.upto}
        here = {number: heads[number] for number in log.slices(partition) if number in heads}
        if all(number in here and here[number][0] >= position for number, position in upto.items()):
            continue
        await advance.through(log.partition(partition, upto, here, passed.get(partition, Passed())))


async def left(task: Task, connection: Connection) -> Span:
    """Return what of the task is not done yet."""
    heads = await Shadow(task.projection, task.epoch).heads(connection)
    after = {number: heads[number][0] if number in heads else 0 for number in range(SLICE_COUNT)}
    return Span(after, {number: upto for number, upto in task.upto.items() if upto > after[number]})
