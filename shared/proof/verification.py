"""Checks a whole ledger and its topic, slice by slice and partition by partition, on all cores.

It starts with a snapshot of the heads and of the relay's progress. Events appended later are ignored, so a check can
run under traffic.
"""

import asyncio
import os
import resource
import signal
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from contextlib import asynccontextmanager
from dataclasses import dataclass
from multiprocessing import get_context
from typing import TYPE_CHECKING, Any

import asyncpg

from shared.kafka.topics import layout_of, record_count
from shared.ledger.database import Connection
from shared.ledger.slices import partition_of
from shared.proof.expectations import Expectations
from shared.proof.findings import Findings
from shared.proof.ledger_check import SliceTask, check_slices
from shared.proof.topic_check import TopicTask, check_topic

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

SINGLE_PROCESS_MAX = 60_000
"""Up to this many events and records, one process is done before two have started."""
TASKS_PER_PROCESS = 8
"""Of each kind: tasks are small enough that all processes end at about the same time."""
POLL_SECONDS = 0.2

type Task = Sequence[SliceTask] | TopicTask
type OnProgress = Callable[[int, int], None]
"""Called with the number of events and records checked so far, and the total."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """What is checked: a ledger, and the topic with its events (None: only the ledger)."""

    service: str
    source: str
    database_url: str
    bootstrap_servers: str
    topic: str | None
    copy: bool = False
    """Whether the topic is a copy that the relay does not send to, made by `perennial log republish --to-topic`."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """How much was checked and what was found. `waiting` events were not sent yet."""

    findings: Findings
    events: int
    records: int
    waiting: int
    memory_bytes_max: int
    """Of the largest process."""


async def verify_log(
    subject: Subject,
    expectations: Expectations,
    findings: Findings,
    *,
    on_progress: OnProgress,
    processes: int | None = None,
) -> Outcome:
    """Check everything and add what is found to `findings`. Raises errors of the database and Kafka."""
    slices = await _snapshot(subject, expectations)
    partition_count, records = await _extent(subject, findings)
    events = sum(task.position for task in slices)
    cores = processes or len(os.sched_getaffinity(0))
    single = cores == 1 or events + records <= SINGLE_PROCESS_MAX
    groups = 1 if single else cores * TASKS_PER_PROCESS
    tasks: list[Task] = [*_topic_tasks(subject, slices, partition_count, groups), *_split(slices, groups)]
    results = await (_in_turn if single else _in_processes)(
        subject, tasks, lambda done: on_progress(done, events + records), cores
    )
    findings.extend(found for found, _ in results)
    waiting = sum(max(0, task.position - task.published) for task in slices)
    return Outcome(findings, events, records, waiting, max(memory for _, memory in results))


async def _snapshot(subject: Subject, expectations: Expectations) -> list[SliceTask]:
    async with _connected(subject) as connection:
        rows = await connection.fetch(SNAPSHOT, subject.topic if subject.copy else None)
    return [
        SliceTask(
            number=row["slice"],
            position=row["position"],
            last_position=row["last_position"],
            hash=row["hash"],
            published=row["published"],
            expected=expectations.of_slice(row["slice"]),
        )
        for row in rows
    ]


async def _extent(subject: Subject, findings: Findings) -> tuple[int, int]:
    """Return the number of partitions and of records of the topic."""
    if subject.topic is None:
        return 0, 0
    layout = await layout_of(subject.bootstrap_servers, subject.topic)
    if layout is None:
        findings.add("topic_missing", f"{subject.topic}; `perennial log republish` fills it again from the ledger")
        return 0, 0
    return layout.partitions, await record_count(subject.bootstrap_servers, subject.topic)


def _topic_tasks(subject: Subject, slices: Sequence[SliceTask], partition_count: int, groups: int) -> list[TopicTask]:
    tasks = []
    for partitions in _split(range(partition_count), groups):
        published = {
            task.number: min(task.published, task.position)
            for task in slices
            if partition_of(task.number, partition_count) in partitions
        }
        tasks.append(TopicTask(subject.topic or "", tuple(partitions), partition_count, subject.source, published))
    return tasks


def _split[Thing](things: Sequence[Thing], groups: int) -> list[Sequence[Thing]]:
    """Split into groups of about the same size, none of them empty."""
    size = max(1, -(-len(things) // groups))
    return [things[first : first + size] for first in range(0, len(things), size)]


async def _in_turn(
    subject: Subject, tasks: Sequence[Task], done: Callable[[int], None], _: int
) -> list[tuple[Findings, int]]:
    counted = 0

    def on_checked(number: int) -> None:
        nonlocal counted
        counted += number
        done(counted)

    return [(await _check(subject, task, on_checked), _memory_bytes_max()) for task in tasks]


async def _in_processes(
    subject: Subject, tasks: Sequence[Task], done: Callable[[int], None], processes: int
) -> list[tuple[Findings, int]]:
    # forked processes would share the connections and the event loop of this one
    context = get_context("spawn")
    counter, stop = context.Value("q", 0), context.Event()
    with ProcessPoolExecutor(processes, mp_context=context, initializer=_initialize, initargs=(counter, stop)) as pool:
        futures: list[Future[tuple[Findings, int]]] = [pool.submit(_run, subject, task) for task in tasks]
        waiting = {asyncio.wrap_future(future) for future in futures}
        try:
            while waiting:
                finished, waiting = await asyncio.wait(waiting, timeout=POLL_SECONDS)
                for future in finished:
                    future.result()
                done(counter.value)
        except BaseException:
            stop.set()
            pool.shutdown(wait=True, cancel_futures=True)
            raise
    return [future.result() for future in futures]


class _Stopped(Exception):
    """The check was cancelled."""


@dataclass(frozen=True, slots=True)
class _Shared:
    """What a process of the pool shares with its parent."""

    counter: Any
    stop: Any
    parent: int

    def on_checked(self, number: int) -> None:
        """Count what was checked. Raises `_Stopped`; ends the process if its parent is gone."""
        if os.getppid() != self.parent:
            os._exit(1)
        if self.stop.is_set():
            raise _Stopped
        with self.counter.get_lock():
            self.counter.value += number


_shared: _Shared | None = None


def _initialize(counter: Any, stop: Any) -> None:
    global _shared  # noqa: PLW0603 - one per process, given once
    # Ctrl-C reaches all processes; the parent stops the others
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    _shared = _Shared(counter, stop, os.getppid())


def _run(subject: Subject, task: Task) -> tuple[Findings, int]:
    if _shared is None:
        raise RuntimeError("a process of the pool starts with _initialize")
    return asyncio.run(_check(subject, task, _shared.on_checked)), _memory_bytes_max()


async def _check(subject: Subject, task: Task, on_checked: Callable[[int], None]) -> Findings:
    findings = Findings(subject.service)
    async with _connected(subject) as connection:
        if isinstance(task, TopicTask):
            await check_topic(connection, subject.bootstrap_servers, task, findings, on_checked=on_checked)
        else:
            await check_slices(connection, task, findings, on_checked=on_checked)
    return findings


@asynccontextmanager
async def _connected(subject: Subject) -> "AsyncIterator[Connection]":
    connection = await asyncpg.connect(subject.database_url)
    try:
        yield connection
    finally:
        connection.terminate()


def _memory_bytes_max() -> int:
    return 1024 * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


SNAPSHOT = """
select h.slice, h.position, h.hash,
       case when $1::text is null then p.position else coalesce(c.position, 0) end as published,
       coalesce((select max(e.position) from event e where e.slice = h.slice), 0) as last_position
from slice_head h
join slice_published p using (slice)
left join slice_copied c on c.slice = h.slice and c.topic = $1
order by h.slice
"""
