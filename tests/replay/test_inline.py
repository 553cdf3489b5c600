"""A view kept in the transaction of its events: as its consumer would keep it, or left to the consumer."""

from collections.abc import Sequence
from contextlib import suppress
from itertools import batched

import pytest

from services.device.projection import LICENSE_VIEW
from shared.ledger.database import Pool, transaction
from shared.ledger.events import NewEvent, append
from shared.projector.inline import InlineProjection
from shared.projector.projection import FoldedEvent
from shared.projector.views import save_rows
from tests.conftest import Database
from tests.replay.seeded import WRITTEN, hear
from tests.replay.test_rebuild import rebuild

SLICES_AHEAD = """
select count(*) from slice_head join inbound_slice using (slice)
where consumer = 'license_view' and slice_head.position > inbound_slice.position
"""
DIFFERENT_HASH = """
select count(*) from slice_head join inbound_slice using (slice, position)
where consumer = 'license_view' and slice_head.hash <> inbound_slice.hash
"""


@pytest.fixture
async def pool(device_pool: Pool) -> Pool:
    """The pool of a ledger whose view has a consumer."""
    assert await hear(device_pool, LICENSE_VIEW) == 0
    return device_pool


class Kept:
    """Appends in the manner of a service, and notes what it is told of."""

    def __init__(self, pool: Pool) -> None:
        self.pool = pool
        self.told: list[FoldedEvent] = []
        self._view = InlineProjection(LICENSE_VIEW, self.told.extend)

    async def append(self, events: Sequence[NewEvent]) -> None:
        """Append in one transaction."""
        async with transaction(self.pool) as connection:
            await self._view.append(connection, events)

    async def append_and_fail(self, events: Sequence[NewEvent]) -> None:
        """Append in a transaction that is rolled back."""
        with suppress(ZeroDivisionError):
            async with transaction(self.pool) as connection:
                await self._view.append(connection, events)
                raise ZeroDivisionError


async def unfolded(pool: Pool) -> int:
    """Return in how many slices the view is behind; where it is not, its checkpoint has the hash of the ledger."""
    assert await pool.fetchval(DIFFERENT_HASH) == 0
    behind: int = await pool.fetchval(SLICES_AHEAD)
    return behind


async def test_the_view_has_each_event_with_its_commit_and_a_rebuild_gives_the_same_rows(
    pool: Pool, device_database: Database
) -> None:
    """R-118: the rebuild compares every row and the whole table, byte for byte."""
    kept = Kept(pool)
    for some in batched(WRITTEN.device, 40, strict=False):
        await kept.append(some)
        assert await unfolded(pool) == 0
    assert len(kept.told) == len(WRITTEN.device)
    assert await hear(pool, LICENSE_VIEW) == 0
    outcome = await rebuild(device_database, LICENSE_VIEW)
    assert (outcome.swapped, outcome.comparison.differing) == (True, 0)
    assert outcome.comparison.rows == len(WRITTEN.device_states)


async def test_what_others_appended_is_left_to_the_consumer_and_then_kept_again(
    pool: Pool, device_database: Database
) -> None:
    kept, third = Kept(pool), len(WRITTEN.device) // 3
    async with transaction(pool) as connection:
        await append(connection, WRITTEN.device[:third])
    await kept.append(WRITTEN.device[third : 2 * third])
    behind = await unfolded(pool)
    assert behind > 0
    assert len(kept.told) < third
    assert await hear(pool, LICENSE_VIEW) == 2 * third - len(kept.told)
    await kept.append(WRITTEN.device[2 * third :])
    assert await unfolded(pool) == 0
    assert (await rebuild(device_database, LICENSE_VIEW)).comparison.differing == 0


async def test_a_checkpoint_that_a_rebuild_has_locked_keeps_no_append_waiting(pool: Pool) -> None:
    kept = Kept(pool)
    async with transaction(pool) as connection:
        await connection.execute("select from inbound_slice where consumer = 'license_view' for update")
        await kept.append(WRITTEN.device)
    assert kept.told == []
    assert await hear(pool, LICENSE_VIEW) == len(WRITTEN.device)


async def test_nothing_is_told_of_what_was_rolled_back(pool: Pool) -> None:
    kept = Kept(pool)
    await kept.append_and_fail(WRITTEN.device)
    assert kept.told == []
    await kept.append(WRITTEN.device)
    assert len(kept.told) == len(WRITTEN.device)


async def test_rows_that_are_older_than_the_heads_are_not_folded_on(pool: Pool) -> None:
    """The consumer may commit between the snapshot of an append and its lock."""
    kept = Kept(pool)
    first, later = (
        WRITTEN.device[0],
        next(event for event in WRITTEN.device[1:] if event.stream_id == WRITTEN.device[0].stream_id),
    )
    await kept.append([first])
    (row,) = await pool.fetch("select device_id, view from license_view")
    async with pool.acquire() as connection:
        await save_rows(connection, LICENSE_VIEW, [(row["device_id"], 0, row["view"])])
    await kept.append([later])
    assert [each.event for each in kept.told][1:] == []
    assert await unfolded(pool) == 1
