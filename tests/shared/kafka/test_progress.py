"""Who may move a consumer on, and from where: proved in the transaction that moves it."""

import asyncio
from collections.abc import Mapping
from dataclasses import replace

import pytest
from aiokafka import ConsumerRecord

from shared.calendar import FIRST_MOMENT
from shared.kafka.cloudevents import header_texts
from shared.kafka.inbox import Checkpoint, Record, Sifted, sift_external_records
from shared.kafka.owned_partitions import OwnedPartitions
from shared.kafka.progress import Claim, NotOwned, Progress, WentBack
from shared.ledger.database import Connection
from shared.ledger.hash_chain import GENESIS
from shared.ledger.slices import SLICE_COUNT
from tests.conftest import Database
from tests.shared.records import outside_headers, until

PROGRESS = Progress("test")
NOTHING: Sifted[object] = Sifted()
HASH = bytes(range(32))
NOTHING_ELSE: Mapping[int, int] = {}


def record(partition: int, offset: int) -> Record:
    return ConsumerRecord("test", partition, offset, 0, 0, None, b"", None, 0, 0, ())


async def moved(connection: Connection, partition: int, next_offset: int) -> None:
    await PROGRESS.move(connection, Checkpoint(offsets={partition: next_offset}), NOTHING)


async def told(connection: Connection, *bodies: bytes, type_name: str = "Buy") -> tuple[list[bytes], list[bytes]]:
    """Return which of the messages of one source and id are handled, and which parked."""
    headers = outside_headers(ce_type=type_name.encode())
    records: list[Record] = [
        ConsumerRecord("test", 1, offset, 0, 0, None, body, None, 0, 0, headers) for offset, body in enumerate(bodies)
    ]
    sifted = sift_external_records(records, Checkpoint(), lambda _, data: data, arrived_at=FIRST_MOMENT)
    await PROGRESS.first_times(connection, sifted)
    assert {entry.reason for entry in sifted.parked} <= {"message_id_reused"}
    return [entry.message for entry in sifted.accepted], [entry.record.value or b"" for entry in sifted.parked]


SAME, WRITTEN_OTHERWISE, ANOTHER = b'{"a": 1, "b": 2}', b'{"b":2,"a":1}', b'{"a": 1, "b": 3}'


async def test_a_message_that_comes_again_is_passed_over_and_another_of_its_name_is_parked(
    device_database: Database,
) -> None:
    """R-116, R-133: in one batch, and in the next; how its JSON is written makes no difference."""
    async with device_database.connected() as connection:
        assert await told(connection, SAME, WRITTEN_OTHERWISE, ANOTHER) == ([SAME], [ANOTHER])
        assert await told(connection, ANOTHER, WRITTEN_OTHERWISE) == ([], [ANOTHER])
        assert await told(connection, SAME, type_name="Refund") == ([], [SAME])


async def test_a_message_of_which_an_earlier_release_noted_only_the_name_is_passed_over(
    device_database: Database,
) -> None:
    """R-116."""
    async with device_database.connected() as connection:
        named = header_texts(outside_headers())
        sql = "insert into inbound_message (source, id) values ($1, $2)"
        await connection.execute(sql, named["ce_source"], named["ce_id"])
        assert await told(connection, ANOTHER) == ([], [])


async def test_a_claim_that_is_still_good_is_proved(device_database: Database) -> None:
    async with device_database.connected() as connection:
        claims = await PROGRESS.claim(connection, [1, 2])
        await PROGRESS.hold(connection, claims, owned=NOTHING_ELSE)


async def test_a_partition_that_another_worker_took_over_is_not_proved(device_database: Database) -> None:
    """R-121."""
    async with device_database.connected() as connection:
        claims = await PROGRESS.claim(connection, [1, 2])
        await PROGRESS.claim(connection, [2])
        with pytest.raises(NotOwned) as refused:
            await PROGRESS.hold(connection, claims, owned=NOTHING_ELSE)
    assert refused.value.partitions == [2]


async def test_all_partitions_that_were_taken_over_are_named_at_once(device_database: Database) -> None:
    """R-121: whoever woke up late waits once until it may ask for them, not once for each."""
    async with device_database.connected() as connection:
        claims = await PROGRESS.claim(connection, [1, 2, 3, 4, 5])
        await PROGRESS.claim(connection, [2, 4, 5])
        batch = {partition: claims[partition] for partition in (1, 2, 5)}
        with pytest.raises(NotOwned) as refused:
            await PROGRESS.hold(connection, batch, owned={number: claim.epoch for number, claim in claims.items()})
        assert refused.value.partitions == [2, 4, 5]
        kept = {partition: claims[partition] for partition in (1, 3)}
        await PROGRESS.hold(connection, kept, owned=NOTHING_ELSE)


async def test_a_partition_that_nobody_ever_claimed_is_not_proved(device_database: Database) -> None:
    async with device_database.connected() as connection:
        with pytest.raises(NotOwned) as refused:
            await PROGRESS.hold(connection, {1_000: Claim(1, 0)}, owned=NOTHING_ELSE)
    assert refused.value.partitions == [1_000]


async def test_a_database_that_forgot_a_commit_is_noticed(device_database: Database) -> None:
    """R-118, R-120: what commits without waiting for the disk may be lost with the server."""
    async with device_database.connected() as connection:
        claims = await PROGRESS.claim(connection, [1])
        await moved(connection, 1, 20)
        seen = {1: replace(claims[1], next_offset=20)}
        await PROGRESS.hold(connection, seen, owned=NOTHING_ELSE)
        await moved(connection, 1, 12)
        with pytest.raises(WentBack) as refused:
            await PROGRESS.hold(connection, seen, owned=NOTHING_ELSE)
    assert (refused.value.partition, refused.value.next_offset) == (1, 12)


async def test_how_far_a_consumer_is_is_read_after_its_partition_was_locked(device_database: Database) -> None:
    """R-120: a commit of unknown outcome may still be on its way when the same records are handled again."""
    async with device_database.connected() as first, device_database.connected() as again:
        claims = await PROGRESS.claim(first, [1])
        async with first.transaction():
            vector = await PROGRESS.hold(first, claims, owned=NOTHING_ELSE, slices=[5])
            waiting = asyncio.create_task(PROGRESS.hold(again, claims, owned=NOTHING_ELSE, slices=[5]))
            await until(lambda: _waits_for_a_lock(first), what="the second waits for the first")
            vector.slices[5] = (1, HASH)
            await PROGRESS.move(first, vector, Sifted(advanced_slices={5}))
        assert (await waiting).slices == {5: (1, HASH)}


async def _waits_for_a_lock(connection: Connection) -> bool:
    waits: bool = await connection.fetchval(
        "select exists (select from pg_locks where not granted and pid in"
        " (select pid from pg_stat_activity where datname = current_database()))"
    )
    return waits


async def test_the_heads_to_append_to_are_locked_with_the_move(device_database: Database) -> None:
    async with device_database.connected() as connection, device_database.connected() as other:
        claims = await PROGRESS.claim(connection, [1])
        async with connection.transaction():
            await PROGRESS.hold(connection, claims, owned=NOTHING_ELSE)
            heads = await PROGRESS.move(connection, Checkpoint(offsets={1: 7}), NOTHING, append_to={9, 3})
            assert heads == {3: (0, GENESIS), 9: (0, GENESIS)}
            free = await other.fetch("select slice from slice_head order by slice for update skip locked")
            assert {row["slice"] for row in free} == set(range(SLICE_COUNT)) - {3, 9}
        assert await connection.fetchval("select next_offset from inbound_partition where consumer = 'test'") == 7


def test_a_partition_that_was_taken_away_in_mid_batch_has_a_claim_that_is_never_good() -> None:
    """R-121: a rebalance goes on in the background while a batch is handled."""
    owned = OwnedPartitions()
    owned.own({1: Claim(4, 10), 2: Claim(5, 10)})
    owned.disown([2])
    claims = owned.claims_of([record(1, 10), record(2, 10)])
    assert claims[1] == Claim(4, 10)
    assert claims[2].epoch == 0


def test_what_is_committed_is_what_the_next_batch_must_find() -> None:
    owned = OwnedPartitions()
    owned.own({1: Claim(4, 10)})
    owned.note_committed({1: 15, 7: 3})
    assert owned.claims_of([record(1, 15)]) == {1: Claim(4, 15)}
    owned.go_back(1, 12)
    assert owned.claims_of([record(1, 15)]) == {1: Claim(4, 12)}
    assert owned.in_order([record(1, 12)]) == ([record(1, 12)], {})
