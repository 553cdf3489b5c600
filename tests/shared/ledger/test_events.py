"""The ledger on a real PostgreSQL: positions are counts, position order is commit order, history never changes."""

import asyncio
import hashlib
import json
import random
from collections import defaultdict
from collections.abc import Sequence
from datetime import datetime
from itertools import pairwise

import asyncpg
import pytest

from shared.ledger.database import Connection, Pool, transaction
from shared.ledger.events import NewEvent, RecordedEvent, WrongLedger, append, check_ledger, from_row, stream_page
from shared.ledger.identity import new_id
from shared.ledger.slices import slice_of
from shared.messages import LicenseRenewed
from tests.conftest import Database, Databases
from tests.shared.records import NOON, packed, stream_in, streams_of_slices

APPENDERS = 30
ROUNDS = 12
SLICES = (3, 77, 200)


class RolledBack(Exception):
    """A writer changed its mind."""


async def ledger_of(connection: Connection) -> dict[int, list[RecordedEvent]]:
    """Return the whole ledger by slice, as it is stored."""
    by_slice: dict[int, list[RecordedEvent]] = defaultdict(list)
    for row in await connection.fetch("select * from event order by slice, position"):
        by_slice[row["slice"]].append(from_row(row))
    return by_slice


def assert_gap_free(by_slice: dict[int, list[RecordedEvent]]) -> None:
    """Assert that positions are counts."""
    for entries in by_slice.values():
        assert [entry.position for entry in entries] == list(range(1, len(entries) + 1))


async def append_alone(connection: Connection, events: Sequence[NewEvent]) -> list[RecordedEvent]:
    async with connection.transaction():
        return await append(connection, events)


async def test_an_event_is_read_as_it_was_appended(connection: Connection) -> None:
    """R-127."""
    [entry] = await append_alone(connection, [packed("one")])
    assert (entry.position, entry.prev_hash) == (1, bytes(32))
    assert await ledger_of(connection) == {slice_of("one"): [entry]}


async def test_appending_nothing_writes_nothing(connection: Connection) -> None:
    assert await append_alone(connection, []) == []
    assert await ledger_of(connection) == {}


async def test_hundreds_in_one_transaction_keep_their_order_in_each_slice(connection: Connection) -> None:
    """R-127."""
    events = [packed(f"device-{number % 90}", 1 + number // 90) for number in range(900)]
    entries = await append_alone(connection, events)
    assert [entry.event for entry in entries] == events
    by_slice = await ledger_of(connection)
    assert_gap_free(by_slice)
    for slice_number, stored in by_slice.items():
        assert stored == [entry for entry in entries if entry.event.slice_number == slice_number]


async def test_the_heads_are_the_last_events(connection: Connection) -> None:
    await append_alone(connection, [packed(f"device-{number}") for number in range(50)])
    heads = {row["slice"]: (row["position"], row["hash"]) for row in await connection.fetch("select * from slice_head")}
    by_slice = await ledger_of(connection)
    assert {number: (entries[-1].position, entries[-1].hash) for number, entries in by_slice.items()} == {
        number: head for number, head in heads.items() if head[0] > 0
    }


async def test_concurrent_writers_and_rollbacks_leave_no_gap_and_a_polling_reader_misses_nothing(
    device_database: Database, device_pool: Pool
) -> None:
    """R-120, R-126: position order is commit order."""
    streams = streams_of_slices(SLICES, APPENDERS)
    done = asyncio.Event()
    async with device_database.connected() as reader, device_database.connected() as connection:
        reading = asyncio.create_task(_poll(reader, done))
        writers = [_write(device_pool, [streams[number][each] for number in SLICES], each) for each in range(APPENDERS)]
        committed = sum(await asyncio.gather(*writers))
        done.set()
        seen = await reading
        by_slice = await ledger_of(connection)
    assert_gap_free(by_slice)
    assert set(by_slice) == set(SLICES)
    assert sum(map(len, by_slice.values())) == committed > 0
    assert seen == {number: [entry.event.event_id for entry in entries] for number, entries in by_slice.items()}


async def _write(pool: Pool, streams: Sequence[str], seed: int) -> int:
    """Append to several slices again and again, some of it in vain; return how many events were committed."""
    chance = random.Random(seed)
    versions = dict.fromkeys(streams, 0)
    for _ in range(ROUNDS):
        chosen = chance.sample(streams, chance.randint(1, len(streams)))
        try:
            async with transaction(pool) as connection:
                await append(connection, [packed(stream, versions[stream] + 1) for stream in chosen])
                await asyncio.sleep(chance.random() / 200)
                _think_again(chance)
        except RolledBack:
            continue
        versions.update({stream: versions[stream] + 1 for stream in chosen})
    return sum(versions.values())


def _think_again(chance: random.Random) -> None:
    if chance.random() < 0.3:
        raise RolledBack


async def _poll(connection: Connection, done: asyncio.Event) -> dict[int, list[object]]:
    """Read on from the last position seen, as relays and rebuilds do."""
    seen: dict[int, list[object]] = {number: [] for number in SLICES}
    last = dict.fromkeys(SLICES, 0)
    while True:
        finished = done.is_set()
        rows = await connection.fetch(
            "select e.slice, position, event_id from event e"
            " join unnest($1::smallint[], $2::bigint[]) as l(slice, last) on e.slice = l.slice and e.position > l.last"
            " order by e.slice, position",
            list(last),
            list(last.values()),
        )
        for row in rows:
            seen[row["slice"]].append(row["event_id"])
            last[row["slice"]] = row["position"]
        if finished:
            return seen
        await asyncio.sleep(0)


async def test_each_slice_is_a_hash_chain_that_anybody_can_recompute(connection: Connection) -> None:
    """R-127: written here from the description, not with the ledger's own function."""
    for version in range(1, 4):
        await append_alone(connection, [packed(f"device-{number}", version) for number in range(60)])
    for entries in (await ledger_of(connection)).values():
        assert entries[0].prev_hash == bytes(32)
        assert all(later.prev_hash == earlier.hash for earlier, later in pairwise(entries))
        for entry in entries:
            event = entry.event
            moment = event.occurred_at.isoformat(timespec="milliseconds").replace("+00:00", "Z")
            words = "".join(f"{word}\n" for word in (event.event_id, event.type_name, event.stream_id, moment))
            assert hashlib.sha256(entry.prev_hash + words.encode() + event.data).digest() == entry.hash


async def test_a_stream_that_changed_meanwhile_refuses_and_nothing_is_written(connection: Connection) -> None:
    [first] = await append_alone(connection, [packed("one")])
    with pytest.raises(asyncpg.UniqueViolationError):
        await append_alone(connection, [packed("another"), packed("one")])
    assert await ledger_of(connection) == {slice_of("one"): [first]}
    [next_one] = await append_alone(connection, [packed("one", 2)])
    assert next_one.position == 2


async def test_an_event_id_exists_only_once(connection: Connection) -> None:
    """R-32, R-43."""
    event = packed("one")
    await append_alone(connection, [event])
    again = packed(stream_in(9))
    with pytest.raises(asyncpg.UniqueViolationError):
        await append_alone(connection, [again._replace(event_id=event.event_id)])


@pytest.mark.parametrize(
    "statement",
    [
        "update event set data = ''",
        "update event set position = position + 1",
        "delete from event",
        "truncate event",
        "update ledger set mode = 'production'",
        "update ledger set service = 'other'",
        "delete from ledger",
        "delete from slice_head",
        "insert into slice_head (slice) values (256)",
        "delete from idempotency",
        "update idempotency set status = 200",
        "delete from refusal",
        "delete from inbound_message",
        "delete from parked",
        "update migration set digest = ''",
        "drop table event",
        "alter table event disable trigger all",
        "create table mine (number integer)",
    ],
)
async def test_a_service_may_not_change_history(untouched_device_ledger: Database, statement: str) -> None:
    """R-127."""
    async with untouched_device_ledger.connected() as connection:
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await connection.execute(statement)


async def test_a_ledger_belongs_to_one_service_and_one_mode_for_life(connection: Connection) -> None:
    with pytest.raises(asyncpg.UniqueViolationError):
        async with connection.transaction():
            await connection.execute("insert into ledger (service, mode) values ('device', 'production')")
    with pytest.raises(asyncpg.CheckViolationError):
        await connection.execute("insert into ledger (only_row, service, mode) values (false, 'device', 'production')")


async def test_a_view_shows_the_bytes_as_json(connection: Connection) -> None:
    [entry] = await append_alone(connection, [packed("one")])
    row = await connection.fetchrow("select * from event_json")
    assert row is not None
    assert json.loads(row["data"]) == json.loads(entry.event.data)
    assert (row["stream_id"], row["position"], row["event_id"]) == ("one", 1, entry.event.event_id)


async def test_a_view_shows_terms_as_text_and_ends_as_times(connection: Connection) -> None:
    """R-75: a driver makes 365 days of an interval of a year, so the view has none."""
    renewed = LicenseRenewed(
        code_ref="a" * 32,
        device_id="pc-1",
        order_id="order-1",
        purchased_at=NOON,
        previous_ends_at=NOON,
        ends_at=NOON.replace(year=NOON.year + 1),
        term="P1Y",
    )
    await append_alone(connection, [packed("silent")])
    await append_alone(connection, [packed("one", 1, renewed)])
    [row] = await connection.fetch("select stream_id, code_ref, device_id, term, started_at, ends_at from event_term")
    assert tuple(row) == ("one", "a" * 32, "pc-1", "P1Y", None, renewed.ends_at)
    assert await connection.fetchval("select pg_typeof(term)::text from event_term") == "text"


@pytest.mark.parametrize(
    ("recorded", "shown"),
    [
        ("2026-03-01T12:00:00Z", "2026-03-01T12:00:00Z"),
        ("2026-03-01T12:00:00.250000Z", "2026-03-01T12:00:00.250Z"),
        ("2026-03-01T12:00:00+23:59", "2026-02-28T12:01:00Z"),
        ("2026-03-01T12:00:00-23:59", "2026-03-02T11:59:00Z"),
        ("0001-01-01T00:00:00+01:00", "0001-01-01T00:00:00Z"),
        ("9999-12-31T23:59:59-01:00", "9999-12-31T23:59:59.999999Z"),
    ],
)
@pytest.mark.parametrize("zone", ["UTC", "Asia/Kathmandu"])
async def test_a_view_of_terms_shows_every_time_that_was_ever_recorded(
    connection: Connection, recorded: str, shown: str, zone: str
) -> None:
    """R-75, R-134: no door takes in such a time today, and the log is read for ever."""
    data = json.dumps({"term": "P1Y", "started_at": recorded, "ends_at": None}).encode()
    await append_alone(connection, [packed("one")._replace(data=data)])
    await connection.execute(f"set local timezone = '{zone}'")
    [row] = await connection.fetch("select started_at, ends_at from event_term")
    assert tuple(row) == (datetime.fromisoformat(shown), None)


async def test_a_stream_is_read_page_by_page(connection: Connection) -> None:
    entries = [(await append_alone(connection, [packed("one", version)]))[0] for version in range(1, 6)]
    await append_alone(connection, [packed("two")])
    assert await stream_page(connection, "one", after_version=0, limit=3) == entries[:3]
    assert await stream_page(connection, "one", after_version=3, limit=3) == entries[3:]
    assert await stream_page(connection, str(new_id()), after_version=0, limit=3) == []


async def test_the_right_ledger_is_accepted(untouched_device_ledger: Database) -> None:
    async with untouched_device_ledger.connected() as connection:
        await check_ledger(connection, service="device", mode="sandbox")


@pytest.mark.parametrize(
    ("service", "mode", "said"),
    [
        ("activation", "sandbox", "activation"),
        ("device", "production", "sandbox"),
        ("activation", "production", "activation"),
    ],
)
async def test_another_ledger_is_refused_in_one_line(
    untouched_device_ledger: Database, service: str, mode: str, said: str
) -> None:
    async with untouched_device_ledger.connected() as connection:
        with pytest.raises(WrongLedger, match=said) as refused:
            await check_ledger(connection, service=service, mode=mode)
    assert "\n" not in str(refused.value)


async def test_a_database_without_a_ledger_is_refused_in_one_line(databases: Databases) -> None:
    empty = await databases.empty()
    async with empty.connected(owner=True) as connection:
        with pytest.raises(WrongLedger) as refused:
            await check_ledger(connection, service="device", mode="sandbox")
    assert "\n" not in str(refused.value)
