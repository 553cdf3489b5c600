"""A rebuild or a verification in progress: a shadow that catches up with the live table and is compared with it."""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from time import monotonic
from typing import Any

from shared.ledger.slices import SLICE_COUNT
from shared.projector.checkpoint import (
    SliceCheckpoint,
    live_checkpoint,
    positions_of,
    published_positions,
    slices_behind,
)
from shared.projector.connections import Connections, connected
from shared.projector.digest import Comparison, compare_tables
from shared.projector.failures import ProjectorFailed
from shared.projector.lock import lock_rebuild
from shared.projector.parked import Acceptance, ParkedEvent, parked_events, places_of
from shared.projector.projection import Projection
from shared.projector.release import release_digest
from shared.projector.shadow import SCHEMA, LogName, Shadow
from shared.projector.task import Task, remaining_ranges, run_task
from shared.projector.workers import cores, run_in_processes

SINGLE_PROCESS_MAX = 40_000
"""Up to this many events, one process is done before others have started."""

PUBLISHED_SECONDS_MAX = 20.0
PUBLISHED_POLL_SECONDS = 0.02

type OnProgress = Callable[[int, int], None]
"""Called with the number of events folded so far, and the total."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """What is rebuilt or verified, from which log, in how many processes (None: one per core).

    `database_url` has the table, `ledger_url` the ledger whose events it folds; None if that ledger is another
    service's and can only be read from Kafka.
    """

    projection: Projection[Any]
    database_url: str
    ledger_url: str | None
    source: LogName
    bootstrap_servers: str = ""
    processes: int | None = None


@dataclass(slots=True)
class RebuildInProgress:
    """One attempt. `resumed` if it continues an earlier one.

    With `accept` it replaces the live table even if that differs, and folds the parked events `redriven` too. `folded`
    counts the events that this attempt folded, in `seconds`.
    """

    subject: Subject
    shadow: Shadow[Any]
    connections: Connections
    task: Task
    resumed: bool
    on_progress: OnProgress
    accept: Acceptance | None = None
    redriven: Sequence[ParkedEvent] = ()
    folded: int = 0
    seconds: float = 0.0

    @property
    def projection(self) -> Projection[Any]:
        """The projection that is rebuilt or verified."""
        return self.subject.projection

    async def shadow_checkpoint(self) -> SliceCheckpoint:
        """Return the checkpoint of the shadow."""
        return await self.shadow.checkpoint(self.connections.table)

    async def live_checkpoint(self) -> SliceCheckpoint:
        """Return the checkpoint of the live table."""
        return await live_checkpoint(self.connections.table, self.projection)

    async def lag_behind(self, upto: Mapping[int, int]) -> int:
        """Return how many events the shadow lags behind some positions."""
        return (await remaining_ranges(replace(self.task, upto=upto), self.connections.table)).event_count

    async def catch_up(self, upto: Mapping[int, int], touched: set[str] | None = None) -> None:
        """Fold the log up to some positions. To collect the streams `touched`, it is done in this process.

        Raises `ProjectorFailed`, or errors of the database and Kafka.
        """
        task, began = replace(self.task, upto=upto), monotonic()
        total, lag = sum(upto.values()), await self.lag_behind(upto)
        if not lag:
            return
        self.on_progress(total - lag, total)
        await self._until_published(upto)
        parts = self._parts(task) if lag > SINGLE_PROCESS_MAX and touched is None else []
        if len(parts) > 1:
            await run_in_processes(parts, lambda left: self.on_progress(total - left, total))
        else:
            await run_task(task, self.connections, self._counting(total - lag, total), touched)
        self.folded += lag
        self.seconds += monotonic() - began

    async def _until_published(self, upto: Mapping[int, int]) -> None:
        """Wait until Kafka has the log up to some positions: a live table may have events that are on their way."""
        ledger, deadline = self.connections.ledger, monotonic() + PUBLISHED_SECONDS_MAX
        if self.subject.source == "ledger" or ledger is None:
            return
        while behind := slices_behind(await published_positions(ledger), upto):
            if monotonic() > deadline:
                raise ProjectorFailed(
                    "not_published", f"{self.projection.topic} does not have all of slice {min(behind)} yet"
                )
            await asyncio.sleep(PUBLISHED_POLL_SECONDS)

    def _parts(self, task: Task) -> list[Task]:
        count = self.subject.processes or cores()
        topic = self.connections.topic
        partition_count = topic.partition_count if topic else SLICE_COUNT
        parts = [task.part(number, count, partition_count) for number in range(count)]
        return [part for part in parts if part.upto]

    def _counting(self, done: int, total: int) -> Callable[[int], None]:
        def on_events(event_count: int) -> None:
            nonlocal done
            done += event_count
            self.on_progress(done, total)

        return on_events

    async def compare(self) -> Comparison:
        """Let the shadow catch up exactly with the live table in one snapshot, and compare the two.

        Raises `ProjectorFailed` if the live table was made from another history.
        """
        async with (
            connected(self.subject.database_url) as snapshot,
            snapshot.transaction(isolation="repeatable_read", readonly=True),
        ):
            target = await live_checkpoint(snapshot, self.projection)
            await self.catch_up(positions_of(target))
            self._check_history(target, await self.shadow_checkpoint())
            table = self.connections.table
            async with table.transaction():
                return await compare_tables(self.projection, stored=(snapshot, "public"), folded=(table, SCHEMA))

    def _check_history(self, live: SliceCheckpoint, folded: SliceCheckpoint) -> None:
        for number, (position, last_hash) in sorted(live.items()):
            found, found_hash = folded.get(number, (0, last_hash))
            if found > position:
                raise ProjectorFailed("went_back", f"{self.projection.name} is behind its shadow: rebuild it again")
            if position and found_hash != last_hash:
                detail = f"{self.projection.name} has folded another event at slice {number} position {position}"
                raise ProjectorFailed("other_history", detail)


@asynccontextmanager
async def start_rebuild(
    subject: Subject, *, on_progress: OnProgress, restart: bool, accept: Acceptance | None = None
) -> AsyncIterator[RebuildInProgress]:
    """Yield an attempt, locked against others. `restart` discards what an earlier attempt left.

    With `accept`, parked events that can be read by now are folded too. Raises `ProjectorFailed`.
    """
    name = subject.projection.name
    if subject.source == "kafka" and subject.projection.restore is None:
        raise ProjectorFailed("ledger_only", f"{name} is kept by the deciders: it can be verified from the ledger only")
    task = Task(
        projection=subject.projection,
        epoch=0,
        database_url=subject.database_url,
        ledger_url=subject.ledger_url,
        source=subject.source,
        bootstrap_servers=subject.bootstrap_servers,
        upto={},
        skipped=frozenset(),
    )
    async with task.connections() as connections:
        await lock_rebuild(connections.table, name)
        if restart:
            await Shadow(subject.projection, 0).discard(connections.table)
        release = release_digest(subject.projection)
        shadow, resumed = await Shadow.open(
            connections.table, subject.projection, source=subject.source, release=release
        )
        parked = await parked_events(connections.table, subject.projection)
        redriven = [event for event in parked if event.readable] if accept else []
        skipped = places_of(event for event in parked if event not in redriven)
        task = replace(task, epoch=shadow.epoch, skipped=skipped)
        yield RebuildInProgress(subject, shadow, connections, task, resumed, on_progress, accept, redriven)
