"""Filling a topic again, on a real Kafka: everything in its order, as often as needed, nothing twice for readers."""

import asyncio
from collections import defaultdict
from itertools import count

import pytest

from shared.kafka.inbox import Checkpoint, read_positions
from shared.kafka.position_check import PositionCheck
from shared.kafka.topics import Layout, create_topic, layout_of, record_count
from shared.ledger.hash_chain import GENESIS
from shared.local.kafka import Kafka
from shared.messages import decode
from shared.proof.expectations import Expectations
from shared.proof.findings import Findings
from shared.proof.verification import Subject, verify_log
from shared.recovery.republish import (
    CopyRunning,
    RelayProgress,
    copy_to_topic,
    relay_is_running,
    relay_progress,
    reset_copy,
    rewind_consumers,
    rewind_relay,
    switch_relay,
)
from tests.conftest import Database
from tests.proof.conftest import History, events
from tests.proof.topics import LEDGER, records_in, relay_to

PARTITIONS = 64
numbers = count(1)


@pytest.fixture
async def topic(kafka: Kafka) -> str:
    """The next version of a topic, with more partitions."""
    name = f"device.events.v{next(numbers) + 1}"
    assert await create_topic(kafka.bootstrap, name, Layout(PARTITIONS))
    return name


async def filled(history: History, kafka: Kafka, topic: str) -> tuple[int, list[tuple[int, int]]]:
    """Copy, and return how many events were sent and what was told."""
    told: list[tuple[int, int]] = []
    relay = relay_to(topic, history, kafka.bootstrap)
    try:
        async with history.pool.acquire() as connection:
            return await copy_to_topic(connection, relay, topic, on_progress=lambda *said: told.append(said)), told
    finally:
        await relay.close()


async def read_by_a_new_consumer(kafka: Kafka, topic: str) -> dict[int, list[int]]:
    """Return the positions that a consumer accepts, by slice, in its order."""
    records = await records_in(kafka.bootstrap, topic, PARTITIONS)
    checkpoint = Checkpoint(defaultdict(lambda: (0, GENESIS)))
    position_check = PositionCheck(
        read=lambda envelope, body: decode(envelope.type_name, envelope.schema_version, body),
        ignored=(),
        partition_count=PARTITIONS,
        overdue=lambda _slice, _position: True,
    )
    accepted: dict[int, list[int]] = defaultdict(list)
    sifted = position_check.sift(
        read_positions(sorted(records, key=lambda record: (record.partition, record.offset))), checkpoint
    )
    assert sifted.parked == []
    for entry in sifted.accepted:
        texts = dict(entry.record.headers)
        accepted[int(texts["slice"])].append(int(texts["position"]))
    return accepted


async def findings_of(history: History, kafka: Kafka, topic: str) -> list[str]:
    subject = Subject(
        service="device",
        source=LEDGER,
        database_url=history.database.service,
        bootstrap_servers=kafka.bootstrap,
        topic=topic,
        copy=True,
    )
    outcome = await verify_log(
        subject, Expectations(LEDGER), Findings("device"), on_progress=lambda _done, _total: None
    )
    return sorted(outcome.findings.counts)


async def test_a_new_topic_with_more_partitions_gets_everything_in_its_order(
    history: History, kafka: Kafka, topic: str
) -> None:
    """R-118, R-127."""
    copied, told = await filled(history, kafka, topic)
    assert (copied, told[0], told[-1]) == (13, (0, 13), (13, 13))
    assert await layout_of(kafka.bootstrap, topic) == Layout(PARTITIONS)
    assert await read_by_a_new_consumer(kafka, topic) == {3: [*range(1, 8)], 4: [*range(1, 6)], 200: [1]}
    assert await findings_of(history, kafka, topic) == []


async def test_the_next_time_only_what_is_new_is_sent(history: History, kafka: Kafka, topic: str) -> None:
    await filled(history, kafka, topic)
    await history.append([*events(3, 8, 9), *events(200, 2, 2)])
    assert (await filled(history, kafka, topic))[0] == 3
    assert (await filled(history, kafka, topic))[0] == 0
    assert await record_count(kafka.bootstrap, topic) == 16
    assert await findings_of(history, kafka, topic) == []


async def test_what_a_kill_sent_twice_readers_accept_once(history: History, kafka: Kafka, topic: str) -> None:
    """R-116, R-120."""
    await filled(history, kafka, topic)
    await history.tamper("update slice_copied set position = greatest(position - 3, 0)")
    assert (await filled(history, kafka, topic))[0] == 7
    assert await read_by_a_new_consumer(kafka, topic) == {3: [*range(1, 8)], 4: [*range(1, 6)], 200: [1]}
    assert await findings_of(history, kafka, topic) == ["doubled_in_topic"]


async def test_what_is_appended_meanwhile_comes_too(history: History, kafka: Kafka, topic: str) -> None:
    """Under traffic: the copy ends when a look finds nothing new."""

    async def traffic() -> None:
        for version in range(8, 40):
            await history.append(events(3, version, version))

    (copied, _), _ = await asyncio.gather(filled(history, kafka, topic), traffic())
    rest, _ = await filled(history, kafka, topic)
    assert copied + rest == 13 + 32
    assert (await read_by_a_new_consumer(kafka, topic))[3] == [*range(1, 40)]


async def test_two_copies_at_once_are_refused(history: History, kafka: Kafka, topic: str) -> None:
    relay = relay_to(topic, history, kafka.bootstrap)
    async with history.pool.acquire() as first, history.pool.acquire() as second:
        await first.execute("select pg_advisory_lock(7340002)")
        with pytest.raises(CopyRunning):
            await copy_to_topic(second, relay, topic, on_progress=lambda _done, _total: None)
        await first.execute("select pg_advisory_unlock(7340002)")
        await copy_to_topic(second, relay, topic, on_progress=lambda _done, _total: None)
    await relay.close()


async def test_a_copy_whose_topic_was_made_anew_begins_anew(history: History, kafka: Kafka, topic: str) -> None:
    await filled(history, kafka, topic)
    async with history.pool.acquire() as connection:
        await reset_copy(connection, topic)
    assert (await filled(history, kafka, topic))[0] == 13


async def test_the_relay_goes_on_where_the_copy_ended(history: History, kafka: Kafka, topic: str) -> None:
    """What v1 had and v2 has not is sent to v2: no hole at the change."""
    await filled(history, kafka, topic)
    await history.append(events(3, 8, 9))
    await history.tamper("update slice_published set position = 9 where slice = 3")
    async with history.pool.acquire() as connection:
        await switch_relay(connection, topic)
    assert await history.value("select position from slice_published where slice = 3") == 7


# --- the relay's own topic, as far as it needs no Kafka -------------------------------------------------


async def test_a_relay_that_is_set_back_has_everything_before_it(history: History) -> None:
    await history.tamper("update slice_published p set position = h.position from slice_head h where h.slice = p.slice")
    async with history.pool.acquire() as connection:
        assert await relay_progress(connection) == RelayProgress(13, 13)
        await rewind_relay(connection)
        assert await relay_progress(connection) == RelayProgress(0, 13)


async def test_readers_of_ledgers_begin_again_and_readers_of_orders_do_not(device_database: Database) -> None:
    """An order has no position: of what was read of it only the offset is known."""
    async with device_database.connected() as connection:
        for consumer in ("license_view", "device.commands"):
            await connection.execute("insert into inbound_partition values ($1, 0, 4, 70)", consumer)
            await connection.execute(
                "insert into inbound_slice select $1, slice, 0 from slice_head on conflict do nothing", consumer
            )
        await connection.execute("update inbound_slice set position = 9 where consumer = 'license_view' and slice = 7")
        assert await rewind_consumers(connection) == ["license_view"]
        rows = await connection.fetch("select consumer, epoch, next_offset from inbound_partition order by consumer")
        assert [tuple(row) for row in rows] == [("device.commands", 4, 70), ("license_view", 4, 0)]


async def test_a_relay_runs_as_long_as_somebody_holds_a_lease(device_database: Database) -> None:
    async with device_database.connected() as connection:
        assert not await relay_is_running(connection)
        await connection.execute("update lease set expires_at = now() + interval '5 s' where slice_group = 3")
        assert await relay_is_running(connection)
