"""Rebuilds a projection beside the live table, compares the two, and swaps them if they are equal.

The live consumer keeps working. Its rows and its checkpoint are read in one snapshot; the shadow catches up with
exactly that checkpoint and is compared. Newer events are folded while the consumer's checkpoint is locked for a moment,
and the shadow becomes the live table in the same transaction.
"""

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, replace

import asyncpg

from shared.projector.checkpoint import positions_of, published_positions, slices_ahead
from shared.projector.digest import Comparison, bucket_digests, table_digest
from shared.projector.failures import ProjectorFailed, errors_translated
from shared.projector.hash_mismatches import hash_mismatches
from shared.projector.parked import Acceptance
from shared.projector.rebuild_in_progress import OnProgress, RebuildInProgress, Subject, start_rebuild
from shared.projector.shadow import SCHEMA
from shared.projector.swap import swap_tables

OVERTAKE_LAG_MIN = 20_000
"""A live table that lags this many events behind its log is overtaken."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """The outcome of a rebuild or a verification.

    The log has so many `events`; this attempt `folded` some of them in `seconds`. `altered` names events of the ledger
    that no longer have the hash that was recorded with them.
    """

    name: str
    source: str
    events: int
    folded: int
    seconds: float
    resumed: bool
    comparison: Comparison
    altered: Sequence[str] = ()
    repeated: int = 0
    first_repeated: str | None = None
    swapped: bool = False


async def verify_projection(subject: Subject, *, on_progress: OnProgress) -> Outcome:
    """Fold a table from the beginning and compare it with the live one; replace nothing. Raises `ProjectorFailed`."""
    with errors_translated():
        async with start_rebuild(subject, on_progress=on_progress, restart=True) as rebuild:
            try:
                return await _outcome(rebuild, await rebuild.compare())
            finally:
                await rebuild.shadow.discard(rebuild.connections.table)


async def rebuild_projection(subject: Subject, *, on_progress: OnProgress, accept: Acceptance | None = None) -> Outcome:
    """Rebuild a table and swap it with the live one, if they are equal or differences are accepted.

    Raises `ProjectorFailed`. The next attempt continues where this one failed, unless the disk was full.
    """
    if subject.projection.restore is None:
        raise ProjectorFailed("not_replaceable", f"{subject.projection.name} is kept by the deciders: verify it")
    with errors_translated():
        async with start_rebuild(
            subject, on_progress=on_progress, restart=accept is not None, accept=accept
        ) as rebuild:
            try:
                return await _rebuild(rebuild)
            except asyncpg.DiskFullError:
                with suppress(asyncpg.PostgresError):
                    await rebuild.shadow.discard(rebuild.connections.table)
                raise


async def _rebuild(rebuild: RebuildInProgress) -> Outcome:
    if await _was_overtaking(rebuild):
        comparison = Comparison()
    else:
        await rebuild.catch_up(positions_of(await rebuild.live_checkpoint()))
        comparison = await rebuild.compare()
    if not (comparison.equal or rebuild.accept):
        outcome = await _outcome(rebuild, comparison)
        await rebuild.shadow.discard(rebuild.connections.table)
        return outcome
    await _overtake(rebuild, comparison)
    outcome = await _outcome(rebuild, comparison)
    late = await swap_tables(rebuild)
    for difference in late:
        comparison.add(difference)
    return replace(outcome, swapped=not late)


async def _was_overtaking(rebuild: RebuildInProgress) -> bool:
    """Return whether an earlier attempt had compared the tables and was overtaking a live table that lags."""
    if not slices_ahead(await rebuild.shadow_checkpoint(), await rebuild.live_checkpoint()):
        return False
    table = rebuild.connections.table
    if await rebuild.shadow.was_compared(table):
        return True
    await rebuild.shadow.discard(table)
    raise ProjectorFailed("went_back", f"{rebuild.projection.name} fell behind its shadow: rebuild it again")


async def _overtake(rebuild: RebuildInProgress, comparison: Comparison) -> None:
    """Catch up with the end of the log if the live table is far behind it: because it is new, or lags."""
    table, ledger = rebuild.connections.table, rebuild.connections.ledger
    if ledger is None:
        return  # the end of another service's log is not known here
    end = await published_positions(ledger)
    if sum(end.values()) - sum(positions_of(await rebuild.shadow_checkpoint()).values()) < OVERTAKE_LAG_MIN:
        return
    await rebuild.shadow.note_compared(table)
    await rebuild.catch_up(end)
    buckets = await bucket_digests(table, rebuild.projection, SCHEMA)
    comparison.rows, comparison.folded_digest = sum(rows for rows, _ in buckets.values()), table_digest(buckets)


async def _outcome(rebuild: RebuildInProgress, comparison: Comparison) -> Outcome:
    ledger = rebuild.connections.ledger
    streams = sorted({difference.key.partition(" ")[0] for difference in comparison.listed})
    progress = (await rebuild.shadow.progress(rebuild.connections.table)).values()
    return Outcome(
        name=rebuild.projection.name,
        source=rebuild.subject.source,
        events=sum(positions_of(await rebuild.shadow_checkpoint()).values()),
        folded=rebuild.folded,
        seconds=rebuild.seconds,
        resumed=rebuild.resumed,
        comparison=comparison,
        altered=await hash_mismatches(ledger, streams) if streams and ledger else (),
        repeated=sum(each.repeated for each in progress),
        first_repeated=next((each.first_repeated for each in progress if each.first_repeated), None),
    )
