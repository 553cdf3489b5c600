"""How far a consumer is, and which worker may move it on: kept in PostgreSQL, beside what the records caused.

A partition has an epoch: whoever takes it over raises it, and every batch proves that it is still its own
in the transaction that it writes. No Kafka client and no rule may come in here.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from shared.kafka.inbox import Accepted, Checkpoint, Sifted
from shared.ledger.database import Connection
from shared.ledger.events import Heads, heads_from


class NotOwned(Exception):
    """Other workers took `partitions` over; this batch must change nothing."""

    def __init__(self, partitions: Sequence[int]) -> None:
        super().__init__(f"partitions {', '.join(map(str, partitions))} belong to other workers now")
        self.partitions = partitions


class WentBack(Exception):
    """The database forgot what it had committed of `partition` (a crash, without waiting for the disk)."""

    def __init__(self, partition: int, next_offset: int) -> None:
        super().__init__(f"the database is back at offset {next_offset} of partition {partition}")
        self.partition = partition
        self.next_offset = next_offset


@dataclass(frozen=True, slots=True)
class Claim:
    """A partition that is owned: under which epoch, and which offset is next as far as is committed."""

    epoch: int
    next_offset: int


@dataclass(frozen=True, slots=True)
class Progress:
    """The progress of the consumer of this name, over all its workers."""

    consumer: str

    async def claim(self, connection: Connection, partitions: Sequence[int]) -> Mapping[int, Claim]:
        """Take partitions over, each under a new epoch."""
        await connection.execute(ALL_SLICES, self.consumer)
        rows = await connection.fetch(CLAIM, self.consumer, partitions)
        return {row["partition"]: Claim(row["epoch"], row["next_offset"]) for row in rows}

    async def hold(
        self,
        connection: Connection,
        claims: Mapping[int, Claim],
        *,
        owned: Mapping[int, int],
        slices: Sequence[int] = (),
    ) -> Checkpoint:
        """Lock the partitions of `claims` until the commit, and return the positions and hashes of `slices`.

        Raises `NotOwned` if one has another epoch by now, `WentBack` if less of it is committed than this worker saw.
        `owned` are the epochs of all that this worker has: with one that is lost, all that are lost are named.
        """
        rows = await connection.fetch(HOLD, self.consumer, sorted(claims), list(slices))
        held = [row for row in rows if row["partition"] is not None]
        current = {row["partition"]: Claim(row["epoch"], row["next_offset"]) for row in held}
        epochs = {partition: claim.epoch for partition, claim in claims.items()}
        if any(partition not in current or current[partition].epoch != epoch for partition, epoch in epochs.items()):
            raise NotOwned(await self._lost(connection, {**owned, **epochs}))
        for partition, claim in claims.items():
            if current[partition].next_offset < claim.next_offset:
                raise WentBack(partition, current[partition].next_offset)
        return Checkpoint({row["slice"]: (row["position"], row["hash"]) for row in rows if row["slice"] is not None})

    async def _lost(self, connection: Connection, epochs: Mapping[int, int]) -> list[int]:
        rows = await connection.fetch(EPOCHS, self.consumer, list(epochs))
        kept = {row["partition"] for row in rows if row["epoch"] == epochs[row["partition"]]}
        return sorted(epochs.keys() - kept)

    async def move[Message](
        self,
        connection: Connection,
        checkpoint: Checkpoint,
        sifted: Sifted[Message],
        *,
        append_to: Collection[int] = (),
    ) -> Heads:
        """Write how far the consumer is once this transaction commits.

        Returns the heads of the slices `append_to`, locked: nothing but the append may follow.
        """
        moved, partitions = sorted(sifted.advanced_slices), sorted(checkpoint.offsets)
        rows = await connection.fetch(
            MOVE,
            self.consumer,
            moved,
            [checkpoint.slices[number][0] for number in moved],
            [checkpoint.slices[number][1] for number in moved],
            partitions,
            [checkpoint.offsets[partition] for partition in partitions],
            sorted(append_to),
        )
        return heads_from(rows)

    async def first_times[Message](self, connection: Connection, sifted: Sifted[Message]) -> None:
        """Keep of each (source, id) the first message ever, and park those that say something else (R-133)."""
        accepted = sifted.accepted
        first_here = {_name(entry): entry for entry in reversed(accepted)}
        if not first_here:
            return
        sources, ids = zip(*sorted(first_here), strict=True)
        hashes = [first_here[name].content_hash for name in sorted(first_here)]
        rows = await connection.fetch(FIRST_TIMES, sources, ids, hashes)
        first_ever = {id(first_here[row["source"], row["id"]]) for row in rows}
        sifted.accepted = [entry for entry in accepted if id(entry) in first_ever]
        if again := [entry for entry in accepted if id(entry) not in first_ever]:
            rows = await connection.fetch(NOTED, *zip(*sorted({_name(entry) for entry in again}), strict=True))
            noted = {(row["source"], row["id"]): row["content_hash"] for row in rows}
            for entry in again:
                # of a message that an earlier release handled, nobody knows what it said
                if noted[_name(entry)] not in (None, entry.content_hash):
                    sifted.park(entry.record, "message_id_reused", "its ce_source and ce_id are of another message")


def _name(entry: Accepted[Any]) -> tuple[str, str]:
    """Return how a message of an outside tool is known."""
    return entry.envelope.source, entry.envelope.event_id


ALL_SLICES = "insert into inbound_slice (consumer, slice) select $1, generate_series(0, 255) on conflict do nothing"

CLAIM = """
insert into inbound_partition as mine (consumer, partition, epoch)
select $1, unnest($2::int[]), 1
on conflict (consumer, partition) do update set epoch = mine.epoch + 1
returning partition, epoch, next_offset
"""

HOLD = "select * from inbound_hold($1, $2, $3)"

EPOCHS = "select partition, epoch from inbound_partition where consumer = $1 and partition = any($2::int[])"

MOVE = "select * from inbound_move($1, $2, $3, $4, $5, $6, $7)"

FIRST_TIMES = """
insert into inbound_message (source, id, content_hash) select * from unnest($1::text[], $2::text[], $3::bytea[])
on conflict do nothing returning source, id
"""

NOTED = """
select source, id, content_hash from inbound_message join unnest($1::text[], $2::text[]) as asked(source, id)
    using (source, id)
"""
