"""Projections as an operator sees them: how far behind they are, and rebuilt on order by a child process.

A rebuild reports its progress to the database, so that every worker can show it. Whether it is alive is known by locks
alone (`shared.projector.lock`). One that died is interrupted, and continues where it was when it is ordered again. No
rule may come in here.
"""

import asyncio
import json
import logging
import pickle
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, cast

import asyncpg

from shared.calendar import instant
from shared.doors.problems import Problem
from shared.ledger.clock import Clock
from shared.ledger.database import ACQUIRE_TIMEOUT_SECONDS, Connection, Pool
from shared.ledger.identity import new_id
from shared.ledger.outbox import Cause, Outbox
from shared.operations.readings import latest_readings
from shared.operations.rebuild_process import RebuildOrder
from shared.projector import Acceptance, Projection, Subject
from shared.projector.connections import connect
from shared.projector.lock import ORDER_LOCK, REBUILD_LOCK, is_locked, try_order_lock
from shared.projector.shadow import LogName
from shared.projector.workers import cores

logger = logging.getLogger(__name__)

type RebuildState = Literal["never", "running", "interrupted", "swapped", "differs", "failed"]


@dataclass(frozen=True, slots=True)
class LockedOrder:
    """An order, and the session whose lock says that the rebuild is alive: waiting to be started, or running."""

    order: RebuildOrder
    lock: Connection


@dataclass(frozen=True, slots=True, kw_only=True)
class Projections:
    """The projections of one service by name, and the child processes that rebuild them."""

    pool: Pool
    known: Mapping[str, Projection[Any]]
    database_url: str
    bootstrap_servers: str
    outbox: Outbox
    clock: Clock
    _ordered: asyncio.Queue[LockedOrder] = field(default_factory=asyncio.Queue)
    _locks: set[Connection] = field(default_factory=set)

    async def run(self) -> None:
        """Run the rebuilds that are ordered, until cancelled. Their processes end then; the next attempt continues."""
        try:
            async with asyncio.TaskGroup() as processes:
                while True:
                    processes.create_task(self._run(await self._ordered.get()))
        finally:
            for lock in self._locks:
                lock.terminate()

    async def _run(self, ordered: LockedOrder) -> None:
        """Run one rebuild, and release its lock when the process has ended."""
        try:
            await _run_or_log(ordered.order)
        finally:
            ordered.lock.terminate()
            self._locks.discard(ordered.lock)

    async def listed(self) -> dict[str, Any]:
        """Return each projection: who keeps it, how far it is, how far behind, and its last rebuild."""
        async with self.pool.acquire(timeout=ACQUIRE_TIMEOUT_SECONDS) as connection:
            rows = await connection.fetch(PROJECTIONS, list(self.known))
            readings = await latest_readings(connection)
            end = await connection.fetchval("select sum(position)::bigint from slice_head")
            rebuilds = {row["name"]: await self._progress(connection, row["name"]) for row in rows}
        shown = [self._shown(row, readings.get(row["name"]), end) | {"rebuild": rebuilds[row["name"]]} for row in rows]
        return {"projections": sorted(shown, key=lambda each: (each["kept_by"], each["name"]))}

    def _shown(self, row: asyncpg.Record, reading: Mapping[str, Any] | None, end: int) -> dict[str, Any]:
        by_deciders = row["kept_by"] == "decider"
        own_log = self.known[row["name"]].topic == self.outbox.topic
        events = end if by_deciders else row["events"]
        return {
            "name": row["name"],
            "kept_by": row["kept_by"],
            "topic": self.known[row["name"]].topic,
            "logs": ["kafka", "ledger"] if own_log else ["kafka"],
            "replaceable": not by_deciders,
            "events": events,
            "behind": max(0, end - events) if own_log else (reading["waiting"] if reading else None),
            "lag_seconds": 0.0 if by_deciders else (reading["seconds"] if reading else None),
        }

    async def progress(self, name: str) -> dict[str, Any]:
        """Return the progress of a projection's last rebuild, or its outcome. Raises `Problem`."""
        self._known(name)
        async with self.pool.acquire(timeout=ACQUIRE_TIMEOUT_SECONDS) as connection:
            return await self._progress(connection, name)

    async def order(self, name: str, *, source: LogName, accept_differences: bool) -> dict[str, Any]:
        """Order a rebuild in the background and return its progress. Raises `Problem`."""
        projection = self._known(name)
        if projection.restore is None:
            raise Problem(409, "not_replaceable", f"{name} is kept by the deciders and cannot be replaced")
        own_log = projection.topic == self.outbox.topic
        if source == "ledger" and not own_log:
            raise Problem(409, "kafka_only", f"{name} folds another service's log, which can only be read from Kafka")
        order = self._order(projection, source, own_log, accept_differences)
        lock = await connect(self.database_url)
        try:
            await _lock_order(lock, name)
            await lock.execute(ORDER, name, source, accept_differences)
            progress = await self._progress(lock, name)
        except BaseException:
            lock.terminate()
            raise
        self._locks.add(lock)
        self._ordered.put_nowait(LockedOrder(order, lock))
        return progress

    def _order(self, projection: Projection[Any], source: LogName, own_log: bool, accept: bool) -> RebuildOrder:
        now = self.clock.now()
        subject = Subject(
            projection=projection,
            database_url=self.database_url,
            ledger_url=self.database_url if own_log else None,
            source=source,
            bootstrap_servers=self.bootstrap_servers,
            # the doors and the consumers need the other half
            processes=max(1, cores() // 2),
        )
        cause = Cause(at=now, recorded_at=now, correlation_id=new_id())
        return RebuildOrder(subject, Acceptance(self.outbox, cause) if accept else None)

    def _known(self, name: str) -> Projection[Any]:
        if name not in self.known:
            raise Problem(404, "unknown_projection", f"this service has no projection {name}")
        return self.known[name]

    async def _progress(self, connection: Connection, name: str) -> dict[str, Any]:
        row = await connection.fetchrow(PROGRESS, name)
        return _progress_of(name, cast("asyncpg.Record", row))


def _progress_of(name: str, row: asyncpg.Record) -> dict[str, Any]:
    state = _state(row)
    if state == "never":
        return {"name": name, "state": state}
    # the command line reports no progress, but what it has written can be counted
    ended = state not in ("running", "interrupted")
    done = row["done"] if ended else max(row["done"] or 0, row["shadowed"])
    total, per_second = max(row["total"] or row["end"], done), row["per_second"] or 0.0
    running = state == "running" and per_second > 0
    return {
        "name": name,
        "state": state,
        "from": row["source"],
        "accept_differences": bool(row["accept_differences"]),
        "ordered_at": instant(row["ordered_at"]) if row["ordered_at"] else None,
        "finished_at": instant(row["finished_at"]) if ended else None,
        "done": done,
        "total": total,
        "share": round(done / total, 4) if total else 0.0,
        "per_second": round(per_second),
        "seconds_left": round((total - done) / per_second, 1) if running else None,
        "outcome": json.loads(row["outcome"]) if ended else None,
    }


def _state(row: asyncpg.Record) -> RebuildState:
    if row["alive"]:
        return "running"
    if row["outcome"]:
        state: RebuildState = json.loads(row["outcome"])["state"]
        return state
    return "interrupted" if row["source"] else "never"


async def _lock_order(connection: Connection, name: str) -> None:
    """Take a projection's order lock for this session. Raises `Problem` if it is being rebuilt or verified."""
    if not await try_order_lock(connection, name) or await connection.fetchval(REBUILDING, name):
        raise Problem(409, "rebuild_running", f"{name} is already being rebuilt or verified")


async def _run_or_log(order: RebuildOrder) -> None:
    try:
        await _run(order)
    except OSError as error:
        # the machine has no room for another process: the rebuild is interrupted and can be ordered again
        logger.warning("the rebuild of %s cannot be started: %r", order.subject.projection.name, error)


async def _run(order: RebuildOrder) -> None:
    """Run one rebuild in a process of its own, which is killed when the service stops."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "shared.operations.rebuild_process", stdin=asyncio.subprocess.PIPE
    )
    try:
        cast("asyncio.StreamWriter", process.stdin).write(pickle.dumps(order))
        code = await process.wait()
        if code:
            logger.error("the rebuild of %s ended with exit code %s", order.subject.projection.name, code)
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


PROJECTIONS = """
select name, kept_by,
       (select coalesce(sum(position), 0)::bigint from inbound_slice where consumer = name) as events
from projection where name = any($1::text[])
"""

REBUILDING = f"select {is_locked(REBUILD_LOCK, name='$1')}"

ORDER = """
insert into rebuild_order (name, source, accept_differences) values ($1, $2, $3)
on conflict (name) do update set source = excluded.source, accept_differences = excluded.accept_differences,
    ordered_at = now(), told_at = now(), done = 0, total = 0, per_second = 0, finished_at = null, outcome = null
"""

PROGRESS = f"""
select coalesce(ordered.source, rebuild.source) as source, accept_differences, ordered_at, done, total, per_second,
       finished_at, outcome, {is_locked(REBUILD_LOCK, ORDER_LOCK, name="$1")} as alive,
       (select coalesce(sum(position), 0)::bigint from rebuild_slice where name = $1) as shadowed,
       (select coalesce(sum(position), 0)::bigint from inbound_slice where consumer = $1) as end
from (select $1 as name) asked
-- the outcome of an earlier order says nothing about a rebuild that the command line runs now
left join rebuild_order ordered on ordered.name = asked.name
    and (finished_at is null or not {is_locked(REBUILD_LOCK, name="$1")})
left join rebuild on rebuild.name = asked.name
"""  # noqa: S608 - conditions of ours in a statement of ours
