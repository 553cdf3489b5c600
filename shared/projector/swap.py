"""Swaps a rebuilt table with the live one, in one transaction, while the live consumer's checkpoint is locked.

Events that came since the comparison are folded in that transaction, and their rows are compared as well.
"""

import asyncio
from collections.abc import Collection, Iterable, Sequence

import asyncpg

from shared.ledger.slices import slice_of
from shared.projector.checkpoint import (
    SliceCheckpoint,
    advance_live_checkpoint,
    lock_live_checkpoint,
    positions_of,
    slices_ahead,
)
from shared.projector.digest import Difference, row_texts
from shared.projector.failures import ProjectorFailed
from shared.projector.parked import record_redriven
from shared.projector.rebuild_in_progress import RebuildInProgress
from shared.projector.shadow import SCHEMA

LAG_WHILE_LOCKED_MAX = 2_000
"""How many events may at most be folded while the live consumer's checkpoint is locked."""
LOCKED_SECONDS_MAX = 5.0
ATTEMPTS_MAX = 20
PAUSE_SECONDS = 0.2


async def swap_tables(rebuild: RebuildInProgress) -> Sequence[Difference]:
    """Replace the live table with the shadow. Return the late differences, if they kept it from doing so.

    Raises `ProjectorFailed` if the table was in use at every attempt.
    """
    touched: set[str] = set()
    for attempt in range(1, ATTEMPTS_MAX + 1):
        await rebuild.catch_up(positions_of(await rebuild.live_checkpoint()), touched)
        try:
            async with asyncio.timeout(LOCKED_SECONDS_MAX):
                return await _try_swap(rebuild, touched)
        except (TimeoutError, asyncpg.LockNotAvailableError, asyncpg.DeadlockDetectedError, _TooFarBehind):
            await asyncio.sleep(PAUSE_SECONDS * attempt)
    raise ProjectorFailed("busy", f"{rebuild.projection.name} was in use at every attempt to replace it; try again")


class _TooFarBehind(Exception):
    """The live consumer has advanced too far since the shadow caught up."""


class _LateDifferences(Exception):
    """Rows that were folded since the comparison differ between the tables."""

    def __init__(self, differences: Sequence[Difference]) -> None:
        super().__init__()
        self.differences = differences


async def _try_swap(rebuild: RebuildInProgress, touched: set[str]) -> Sequence[Difference]:
    try:
        async with rebuild.connections.table.transaction():
            await _swap(rebuild, touched)
    except _LateDifferences as late:
        return late.differences
    return ()


async def _swap(rebuild: RebuildInProgress, touched: set[str]) -> None:
    """Lock the live checkpoint, catch up with it, and make the shadow the live table."""
    connection, projection = rebuild.connections.table, rebuild.projection
    await connection.execute("set local lock_timeout = '2s'; set local synchronous_commit = on")
    live = await lock_live_checkpoint(connection, projection)
    if await rebuild.lag_behind(positions_of(live)) > LAG_WHILE_LOCKED_MAX:
        raise _TooFarBehind
    await rebuild.catch_up(positions_of(live), touched)
    shadow = await rebuild.shadow_checkpoint()
    ahead = slices_ahead(shadow, live)
    if not rebuild.accept and (late := await _late_differences(rebuild, touched, ahead)):
        raise _LateDifferences(late)
    await _advance_live_consumer(rebuild, {number: shadow[number] for number in ahead})
    await connection.execute("select swap_shadow($1)", projection.name)
    await connection.execute("delete from rebuild where name = $1", projection.name)
    if rebuild.accept:
        await record_redriven(connection, projection, rebuild.redriven, rebuild.accept)


async def _late_differences(
    rebuild: RebuildInProgress, touched: Iterable[str], ahead: Collection[int]
) -> Sequence[Difference]:
    """Compare the rows that were folded since the comparison, except in slices in which the shadow is ahead."""
    streams = sorted(stream for stream in touched if slice_of(stream) not in ahead)
    if not streams:
        return ()
    stored, folded = [
        await row_texts(rebuild.connections.table, rebuild.projection, schema, streams) for schema in ("public", SCHEMA)
    ]
    return [
        Difference(key, stored.get(key), folded.get(key))
        for key in sorted(stored.keys() | folded.keys())
        if stored.get(key) != folded.get(key)
    ]


async def _advance_live_consumer(rebuild: RebuildInProgress, ahead: SliceCheckpoint) -> None:
    """Let the live consumer continue after the events that only the shadow has."""
    if ahead:
        table = rebuild.connections.table
        progress = await rebuild.shadow.progress(table)
        offsets = {partition: each.next_offset for partition, each in progress.items()}
        await advance_live_checkpoint(table, rebuild.projection, ahead, offsets)
