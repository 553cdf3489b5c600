"""A shadow in the making: brought to given positions by as many processes as it is worth, and compared."""

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from time import monotonic
from typing import Any

from shared.ledger.slices import SLICE_COUNT
from shared.projector.digest import Comparison, compared
from shared.projector.failures import ProjectorFailed
from shared.projector.lock import lock_rebuild
from shared.projector.parked import Acceptance, ParkedEvent, parked_events, places_of
from shared.projector.projection import Projection
from shared.projector.release import release_of
from shared.projector.shadow import SCHEMA, LogName, Shadow
from shared.projector.standing import Vector, standing
from shared.projector.work import Bench, Task, bench, connected, left, work
from shared.projector.workers import cores, in_processes

ALONE_MAX = 40_000
"""Up to so many events one process is sooner done than others have started."""

type Tell = Callable[[int, int], None]
"""Hears how many events are folded, and of how many."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """What is made anew, from which log, in how many processes (None: one per core).

    `database_url` has the table, `ledger_url` the ledger whose events it folds; None is another service's, which only
    Kafka tells of.
    """

    projection: Projection[Any]
    database_url: str
    ledger_url: str | None
    source: LogName
    bootstrap_servers: str = ""
    processes: int | None = None


@dataclass(slots=True)
class Making:
    """One attempt. `resumed` says that it goes on with what an earlier one left.

    With `accept` it replaces the live table also if it differs, with the parked events `taken_in`. `folded` counts
    the events that it folded itself, `seconds` is how long that took.
    """

    subject: Subject
    shadow: Shadow[Any]
    at: Bench
    task: Task
    resumed: bool
    tell: Tell
    accept: Acceptance | None = None
    taken_in: Sequence[ParkedEvent] = ()
    folded: int = 0
    seconds: float = 0.0

    @property
    def projection(self) -> Projection[Any]:
        """What is made."""
        return self.subject.projection

    def task_upto(self, upto: Mapping[int, int]) -> Task:
        """Return what is to be done to reach some positions."""
        return replace(self.task, upto=upto)

    async def bring(self, upto: Mapping[int, int], touched: set[str] | None = None) -> None:
        """Fold the log up to some positions; who wants to know what is `touched`, has it done in this process.

        Raises `ProjectorFailed`, or errors of the database and Kafka.
        """
        task, began = self.task_upto(upto), monotonic()
        total, to_come = sum(upto.values()), (await left(task, self.at.writing)).events
        if not to_come:
            return
        self.tell(total - to_come, total)
        parts = self._parts(task) if to_come > ALONE_MAX and touched is None else []
        if len(parts) > 1:
            await in_processes(parts, lambda events: self.tell(total - events, total))
        else:
            await work(task, self.at, self._telling(total - to_come, total), touched)
        self.folded += to_come
        self.seconds += monotonic() - began

    def _parts(self, task: Task) -> list[Task]:
        count = self.subject.processes or cores()
        partition_count = self.at.topic.partition_count if self.at.topic else SLICE_COUNT
        parts = [task.part(number, count, partition_count) for number in range(count)]
        return [part for part in parts if part.upto]

    def _telling(self, done: int, total: int) -> Callable[[int], None]:
        def tell(events: int) -> None:
            nonlocal done
            done += events
            self.tell(done, total)

        return tell

    async def compare(self) -> Comparison:
        """Bring the shadow exactly to where the live table stands in one snapshot, and compare the two.

        Raises `ProjectorFailed` if the live table was made from another history.
        """
        async with (
            connected(self.subject.database_url) as snapshot,
            snapshot.transaction(isolation="repeatable_read", readonly=True),
        ):
            target = await standing(snapshot, self.projection)
            await self.bring(positions(target))
            self._check_history(target, await self.shadow.heads(self.at.writing))
            async with self.at.writing.transaction():
                stored, folded = (snapshot, "public"), (self.at.writing, SCHEMA)
                return await compared(self.projection, stored=stored, folded=folded)

    def _check_history(self, live: Vector, folded: Vector) -> None:
        for number, (position, last_hash) in sorted(live.items()):
            found, found_hash = folded.get(number, (0, last_hash))
            if found > position:
                raise ProjectorFailed("went_back", f"{self.projection.name} is behind its shadow: rebuild it again")
            if position and found_hash != last_hash:
                detail = f"{self.projection.name} has folded another event at slice {number} position {position}"
                raise ProjectorFailed("other_history", detail)


def positions(vector: Vector) -> dict[int, int]:
    """Return the positions alone."""
    return {number: position for number, (position, _) in vector.items()}


@asynccontextmanager
async def begun(subject: Subject, *, tell: Tell, anew: bool, accept: Acceptance | None = None) -> AsyncIterator[Making]:
    """Yield an attempt; `anew` forgets what an earlier one left, `accept` takes in what was parked and can be read.

    Raises `ProjectorFailed`.
    """
    name = subject.projection.name
    if subject.source == "kafka" and subject.projection.restore is None:
        raise ProjectorFailed(
            "ledger_only", f"{name} is kept by the deciders: it can be verified from the ledger alone"
        )
    task = Task(
        projection=subject.projection,
        epoch=0,
        database_url=subject.database_url,
        ledger_url=subject.ledger_url,
        source=subject.source,
        bootstrap_servers=subject.bootstrap_servers,
        upto={},
        passed_over=frozenset(),
    )
    async with bench(task) as at:
        await lock_rebuild(at.writing, name)
        if anew:
            await Shadow(subject.projection, 0).discard(at.writing)
        release = release_of(subject.projection)
        shadow, resumed = await Shadow.begin(at.writing, subject.projection, source=subject.source, release=release)
        parked = await parked_events(at.writing, subject.projection)
        taken_in = [event for event in parked if event.readable] if accept else []
        passed_over = places_of(event for event in parked if event not in taken_in)
        task = replace(task, epoch=shadow.epoch, passed_over=passed_over)
        yield Making(subject, shadow, at, task, resumed, tell, accept, taken_in)
