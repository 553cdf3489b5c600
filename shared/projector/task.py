"""One process's share of a rebuild: some slices of a log, folded up to given positions."""

from collections.abc import Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, replace
from typing import Any

from shared.ledger.database import Connection
from shared.ledger.slices import SLICE_COUNT, partition_of
from shared.projector.chunks import SliceRanges
from shared.projector.connections import Connections, open_connections
from shared.projector.failures import ProjectorFailed
from shared.projector.kafka_log import KafkaLog
from shared.projector.ledger_log import LedgerLog, Places
from shared.projector.projection import Projection
from shared.projector.shadow import LogName, PartitionProgress, Shadow
from shared.projector.shadow_writer import OnEvents, ShadowWriter


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """Fold a projection's slices up to the positions `upto`, as the attempt with this `epoch`, without `skipped`.

    `database_url` has the table, `ledger_url` the ledger whose events it folds. They differ if those events come from
    the other service. `ledger_url` is None if that ledger cannot be reached and the log is read from Kafka.
    """

    projection: Projection[Any]
    epoch: int
    database_url: str
    ledger_url: str | None
    source: LogName
    bootstrap_servers: str
    upto: Mapping[int, int]
    skipped: Places

    def part(self, number: int, count: int, partition_count: int) -> "Task":
        """Return one of `count` parts; a partition is never divided."""
        upto = {
            slice_number: position
            for slice_number, position in self.upto.items()
            if partition_of(slice_number, partition_count) % count == number
        }
        return replace(self, upto=upto)

    def connections(self) -> AbstractAsyncContextManager[Connections]:
        """Yield the connections it needs. Raises errors of the database and Kafka, or `ProjectorFailed`."""
        return open_connections(
            database_url=self.database_url,
            ledger_url=self.ledger_url,
            bootstrap_servers=self.bootstrap_servers,
            topic=self.projection.topic if self.source == "kafka" else None,
        )


async def run_task(task: Task, connections: Connections, on_events: OnEvents, touched: set[str] | None = None) -> None:
    """Fold the shadow up to the task's positions. Raises `ProjectorFailed`, or errors of the database and Kafka."""
    shadow = Shadow(task.projection, task.epoch)
    writer = ShadowWriter(shadow, connections.table, on_events, touched)
    if connections.topic is not None:
        await _from_kafka(task, writer, KafkaLog(connections.topic, task.skipped))
    elif connections.ledger is not None:
        await _from_ledger(task, writer, LedgerLog(connections.ledger, task.skipped))
    else:
        raise ProjectorFailed("kafka_only", f"{task.projection.name} folds another service's log: read it from Kafka")


async def _from_ledger(task: Task, writer: ShadowWriter[Any], log: LedgerLog) -> None:
    remaining = await remaining_ranges(task, writer.connection)
    whole = {number: upto for number, upto in remaining.upto.items() if not remaining.after[number]}
    await writer.write(log.whole_streams(whole))
    await writer.write(log.ranges(remaining.resumed()))


async def _from_kafka(task: Task, writer: ShadowWriter[Any], log: KafkaLog) -> None:
    checkpoint = await writer.shadow.checkpoint(writer.connection)
    progress = await writer.shadow.progress(writer.connection)
    for partition in range(log.topic.partition_count):
        upto = {number: task.upto[number] for number in log.slices(partition) if number in task.upto}
        here = {number: checkpoint[number] for number in log.slices(partition) if number in checkpoint}
        if all(number in here and here[number][0] >= position for number, position in upto.items()):
            continue
        await writer.write(log.partition(partition, upto, here, progress.get(partition, PartitionProgress())))


async def remaining_ranges(task: Task, connection: Connection) -> SliceRanges:
    """Return the ranges of positions that the task has not folded yet."""
    checkpoint = await Shadow(task.projection, task.epoch).checkpoint(connection)
    after = {number: checkpoint[number][0] if number in checkpoint else 0 for number in range(SLICE_COUNT)}
    return SliceRanges(after, {number: upto for number, upto in task.upto.items() if upto > after[number]})
