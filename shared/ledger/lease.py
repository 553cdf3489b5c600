"""Shares the 256 slices among the workers of one service: who sends them to Kafka and watches their timers.

Slices come in 16 groups. A worker owns a group while its lease lasts; every change of owner raises the
lease's epoch, and whoever acts on a lease proves its epoch in the same statement. Time is the database's,
so a worker's own clock does not matter.
"""

import asyncio
import logging
from collections.abc import Callable
from time import monotonic

from shared.ledger.database import CONFLICT, UNAVAILABLE, Connection, Pool, transaction

logger = logging.getLogger(__name__)

GROUP_COUNT = 16
GROUP_SLICES = 16
LEASE_SECONDS = 6.0
RENEW_SECONDS = 1.5


def group_of(slice_number: int) -> int:
    """Return the lease group of a slice."""
    return slice_number // GROUP_SLICES


class Leases:
    """The groups that one worker owns, by epoch."""

    def __init__(self, worker: str, *, pool: Pool, on_change: Callable[[], None]) -> None:
        self.worker = worker
        self._pool = pool
        self._on_change = on_change
        self.epochs: dict[int, int] = {}
        self.changes = 0
        self._kept_at = monotonic()
        self._why = "not tried yet"

    def problem(self) -> str | None:
        """Return why this worker keeps no lease, or None: nothing else writes to the ledger of an idle worker."""
        silence_seconds = monotonic() - self._kept_at
        if silence_seconds > LEASE_SECONDS:
            return f"the ledger has taken no write for {silence_seconds:.0f} seconds: {self._why}"
        return None

    def slices(self) -> list[int]:
        """Return the slices of the owned groups, as far as this worker knows."""
        return [
            number
            for group in sorted(self.epochs)
            for number in range(GROUP_SLICES * group, GROUP_SLICES * (group + 1))
        ]

    async def keep(self) -> None:
        """Renew, take and give back leases until cancelled, so that every worker has its fair share."""
        while True:
            try:
                async with transaction(self._pool) as connection:
                    epochs = await self._renew(connection)
            except (*UNAVAILABLE, *CONFLICT) as error:
                # the leases run out by the database's clock; whoever acts on one checks its epoch
                logger.warning("leases cannot be renewed: %r", error)
                self._why = str(error) or type(error).__name__
            else:
                self._kept_at = monotonic()
                self._note(epochs)
            await asyncio.sleep(RENEW_SECONDS)

    async def _renew(self, connection: Connection) -> dict[int, int]:
        # one worker at a time: two that look for a share together would take the same groups
        rows = await connection.fetch(SHARES, self.worker, LEASE_SECONDS)
        mine = [row["slice_group"] for row in rows if row["owner"] == self.worker and row["lasts"]]
        free = [row["slice_group"] for row in rows if row["owner"] is None or not row["lasts"]]
        share = -(-GROUP_COUNT // rows[0]["workers"])
        kept, given_back = mine[:share], mine[share:]
        taken = free[: share - len(kept)]
        renewed = await connection.fetch(RENEW, self.worker, LEASE_SECONDS, [*kept, *taken], taken, given_back)
        return {row["slice_group"]: row["epoch"] for row in renewed if row["owner"]}

    def _note(self, epochs: dict[int, int]) -> None:
        if epochs != self.epochs:
            logger.info("%s owns lease groups %s", self.worker, sorted(epochs))
            self.epochs = epochs
            self.changes += 1
            self._on_change()

    async def release(self) -> None:
        """Give everything back at once, so that others need not wait for the end of the lease."""
        groups, self.epochs = list(self.epochs), {}
        async with transaction(self._pool) as connection:
            await connection.execute(RELEASE, self.worker, groups)
            await connection.execute("delete from worker where name = $1", self.worker)


# the worker itself is not counted: what a statement writes, it does not see
SHARES = """
with me as (
    insert into worker values ($1, now()) on conflict (name) do update set seen_at = now()
)
select slice_group, owner, expires_at > now() as lasts, (
    select count(*) + 1 from worker where name <> $1 and seen_at > now() - make_interval(secs => $2)
) as workers
from lease order by slice_group for update
"""

RENEW = """
update lease
set owner = case when slice_group = any($5::smallint[]) then null else $1 end,
    expires_at = case when slice_group = any($5::smallint[]) then null else now() + make_interval(secs => $2) end,
    epoch = epoch + case when slice_group = any($4::smallint[]) then 1 else 0 end
where slice_group = any($3::smallint[] || $5::smallint[])
returning slice_group, owner, epoch
"""

RELEASE = "update lease set owner = null, expires_at = null where owner = $1 and slice_group = any($2::smallint[])"
