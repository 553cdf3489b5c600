"""Makes a projection anew beside the live table, proves both equal, and lets them change places.

The live consumer goes on all the while. Its rows are read in one snapshot, which tells too how far they are folded; the
shadow is brought exactly there and compared. What came since is folded while the consumer is held for a moment, and in
the same transaction the shadow becomes the table.
"""

import asyncio
from collections.abc import Collection, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace

import asyncpg

from shared.ledger.slices import slice_of
from shared.projector.altered import altered_events
from shared.projector.digest import Comparison, Difference, buckets_of, digest_of, texts_of
from shared.projector.failures import ProjectorFailed, told_plainly
from shared.projector.making import Making, Subject, Tell, begun, positions
from shared.projector.parked import Acceptance, record_redriven
from shared.projector.shadow import SCHEMA
from shared.projector.standing import Vector, hold, move_on, published, standing
from shared.projector.work import left

AHEAD_MIN = 20_000
"""A live table that is so many events behind its log is overtaken."""
HELD_MAX = 2_000
"""So many events at most are folded while the live consumer is held."""
HOLD_SECONDS_MAX = 5.0
ATTEMPTS_MAX = 20
PAUSE_SECONDS = 0.2


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What came of it.

    Of `events`, the events of the log, `folded` were folded by this attempt in so many `seconds`. `altered` names
    events of the ledger that do not have the hash that was recorded with them.
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


async def verified(subject: Subject, *, tell: Tell) -> Outcome:
    """Fold a table anew and compare it with the live one; nothing is replaced. Raises `ProjectorFailed`."""
    with told_plainly():
        async with begun(subject, tell=tell, anew=True) as making:
            try:
                return await _outcome(making, await making.compare())
            finally:
                await making.shadow.discard(making.at.writing)


async def rebuilt(subject: Subject, *, tell: Tell, accept: Acceptance | None = None) -> Outcome:
    """Make a table anew and let it take the live one's place, if they are equal or what differs is to `accept`.

    Raises `ProjectorFailed`; what was made until then is taken up by the next attempt, unless the disk was full.
    """
    if subject.projection.restore is None:
        raise ProjectorFailed("not_replaceable", f"{subject.projection.name} is kept by the deciders: verify it")
    with told_plainly():
        async with begun(subject, tell=tell, anew=accept is not None, accept=accept) as making:
            try:
                return await _rebuilt(making)
            except asyncpg.DiskFullError:
                with suppress(asyncpg.PostgresError):
                    await making.shadow.discard(making.at.writing)
                raise


async def _rebuilt(making: Making) -> Outcome:
    if await _was_overtaking(making):
        comparison = Comparison()
    else:
        await making.bring(positions(await standing(making.at.writing, making.projection)))
        comparison = await making.compare()
    if not (comparison.equal or making.accept):
        outcome = await _outcome(making, comparison)
        await making.shadow.discard(making.at.writing)
        return outcome
    await _overtake(making, comparison)
    outcome = await _outcome(making, comparison)
    late = await _swap(making)
    for difference in late:
        comparison.note(difference)
    return replace(outcome, swapped=not late)


async def _was_overtaking(making: Making) -> bool:
    """Tell whether an earlier attempt had compared all, and was on its way past a live table that lags behind."""
    live, heads = await standing(making.at.writing, making.projection), await making.shadow.heads(making.at.writing)
    if not ahead_of(live, heads):
        return False
    if await making.shadow.was_compared(making.at.writing):
        return True
    await making.shadow.discard(making.at.writing)
    raise ProjectorFailed("went_back", f"{making.projection.name} fell behind its shadow: rebuild it again")


async def _overtake(making: Making, comparison: Comparison) -> None:
    """Go on to the end of the log where the live table is far from it: new, or lagging."""
    if making.at.reading is None:
        return  # how far another service's log goes is not known here
    end = await published(making.at.reading)
    if sum(end.values()) - sum(positions(await making.shadow.heads(making.at.writing)).values()) < AHEAD_MIN:
        return
    await making.shadow.note_compared(making.at.writing)
    await making.bring(end)
    buckets = await buckets_of(making.at.writing, making.projection, SCHEMA)
    comparison.rows, comparison.folded_digest = sum(rows for rows, _ in buckets.values()), digest_of(buckets)


async def _swap(making: Making) -> Sequence[Difference]:
    """Let the shadow take the live table's place; return the late differences that kept it from it."""
    touched: set[str] = set()
    for attempt in range(1, ATTEMPTS_MAX + 1):
        await making.bring(positions(await standing(making.at.writing, making.projection)), touched)
        try:
            async with asyncio.timeout(HOLD_SECONDS_MAX):
                return await _swap_now(making, touched)
        except (TimeoutError, asyncpg.LockNotAvailableError, asyncpg.DeadlockDetectedError, _TooFar):
            await asyncio.sleep(PAUSE_SECONDS * attempt)
    raise ProjectorFailed("busy", f"{making.projection.name} was in use at every attempt to replace it; try again")


class _TooFar(Exception):
    """The live consumer went on too far since the shadow was brought up to it."""


async def _swap_now(making: Making, touched: set[str]) -> Sequence[Difference]:
    try:
        async with making.at.writing.transaction():
            await _exchange(making, touched)
    except _NotTheSame as late:
        return late.differences
    return ()


async def _exchange(making: Making, touched: set[str]) -> None:
    """Hold the live consumer, fold what it has and the shadow has not, and let the shadow be the table."""
    connection, projection = making.at.writing, making.projection
    await connection.execute("set local lock_timeout = '2s'; set local synchronous_commit = on")
    live = await hold(connection, projection)
    if (await left(making.task_upto(positions(live)), connection)).events > HELD_MAX:
        raise _TooFar
    await making.bring(positions(live), touched)
    heads = await making.shadow.heads(connection)
    if not making.accept and (late := await _late_differences(making, touched, ahead_of(live, heads))):
        raise _NotTheSame(late)
    await _let_go_on(making, live, heads)
    await connection.execute("select swap_shadow($1)", projection.name)
    await connection.execute("delete from rebuild where name = $1", projection.name)
    if making.accept:
        await record_redriven(connection, projection, making.taken_in, making.accept)


class _NotTheSame(Exception):
    """Rows that were folded last are not the same in both tables."""

    def __init__(self, differences: Sequence[Difference]) -> None:
        super().__init__()
        self.differences = differences


async def _late_differences(making: Making, touched: Iterable[str], ahead: Collection[int]) -> Sequence[Difference]:
    """Compare the rows that were folded since all was compared, where both tables stand at the same event."""
    streams = sorted(stream for stream in touched if slice_of(stream) not in ahead)
    if not streams:
        return ()
    stored, folded = [
        await texts_of(making.at.writing, making.projection, schema, streams) for schema in ("public", SCHEMA)
    ]
    return [
        Difference(key, stored.get(key), folded.get(key))
        for key in sorted(stored.keys() | folded.keys())
        if stored.get(key) != folded.get(key)
    ]


async def _let_go_on(making: Making, live: Vector, heads: Vector) -> None:
    """Tell the live consumer of the events that the shadow has and it has not."""
    ahead = ahead_of(live, heads)
    if ahead:
        passed = await making.shadow.passed(making.at.writing)
        offsets = {partition: each.next_offset for partition, each in passed.items()}
        await move_on(making.at.writing, making.projection, {number: heads[number] for number in ahead}, offsets)


def ahead_of(live: Vector, heads: Vector) -> set[int]:
    """Return the slices in which the shadow is further than the live table."""
    return {number for number, (position, _) in heads.items() if position > live.get(number, (0, b""))[0]}


async def _outcome(making: Making, comparison: Comparison) -> Outcome:
    ledger = making.at.reading
    streams = sorted({difference.key.partition(" ")[0] for difference in comparison.listed})
    heads = await making.shadow.heads(making.at.writing)
    passed = (await making.shadow.passed(making.at.writing)).values()
    return Outcome(
        name=making.projection.name,
        source=making.subject.source,
        events=sum(positions(heads).values()),
        folded=making.folded,
        seconds=making.seconds,
        resumed=making.resumed,
        comparison=comparison,
        altered=await altered_events(ledger, streams) if streams and ledger else (),
        repeated=sum(each.repeated for each in passed),
        first_repeated=next((each.first_repeated for each in passed if each.first_repeated), None),
    )
