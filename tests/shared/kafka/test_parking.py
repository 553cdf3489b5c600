"""Parking: a row for people and an event for the ledger, in one transaction, whatever the record looks like."""

import json

import asyncpg
import pytest

from shared.kafka.inbox import Parked
from shared.kafka.parking import VALUE_BYTES_MAX, mark_redriven, park, stream_of
from shared.ledger.database import Connection
from shared.ledger.events import append
from shared.messages import MessageParked, MessageRedriven, decode
from shared.recovery.redrive import ParkedRecord
from tests.shared.records import NOON, OUTBOX, TOPIC, Record, cause, record

CONSUMER = "device.verdicts"


async def parked(connection: Connection, *records: Record, detail: str = "no reason") -> int:
    """Park the records and return how many events were appended."""
    entries = [Parked(each, "unreadable_event", detail) for each in records]
    async with connection.transaction():
        events = await park(connection, CONSUMER, entries, outbox=OUTBOX, cause=cause())
        return len(await append(connection, events))


async def row_of(connection: Connection) -> asyncpg.Record:
    [row] = await connection.fetch("select * from parked")
    assert isinstance(row, asyncpg.Record)
    return row


async def test_a_parked_record_is_stored_in_full_as_a_row(connection: Connection) -> None:
    """R-122."""
    await parked(connection, record(key=b"key", value=b"value", headers=[("ce_id", b"1")], partition=3, offset=41))
    row = await row_of(connection)
    assert (row["consumer"], row["topic"], row["partition"], row["offset"]) == (CONSUMER, TOPIC, 3, 41)
    assert (row["key"], row["value"], json.loads(row["headers"])) == (b"key", b"value", [["ce_id", "1"]])
    assert (row["reason"], row["detail"], row["parked_at"]) == ("unreadable_event", "no reason", NOON)
    assert row["redriven_at"] is None


async def test_a_parked_record_is_an_event_without_its_contents(connection: Connection) -> None:
    """R-122, R-112."""
    await parked(connection, record(key=b"key", value=b"value", partition=3, offset=41))
    [row] = await connection.fetch("select * from event")
    assert decode(row["type"], row["schema_version"], row["data"]) == MessageParked(
        topic=TOPIC, partition=3, offset=41, reason="unreadable_event", detail="no reason"
    )
    assert (row["stream_id"], row["version"]) == (stream_of(CONSUMER, TOPIC, 3, 41), 1)


async def test_parked_twice_is_parked_once(connection: Connection) -> None:
    """R-116: also within one batch."""
    twice = record(value=b"value", offset=41)
    assert await parked(connection, twice, twice) == 1
    assert await parked(connection, twice, record(offset=42)) == 1
    assert await connection.fetchval("select count(*) from parked") == 2
    assert await connection.fetchval("select count(*) from event") == 2


async def test_a_different_record_at_the_same_offset_of_a_recreated_topic_is_parked_beside_the_first(
    connection: Connection,
) -> None:
    """R-122, R-127: a deleted topic's offsets begin again, and nothing may be lost."""
    first = record(key=b"key", value=b"first", headers=[("ce_id", b"1")], partition=3, offset=41)
    others = [
        record(key=b"key", value=b"second", headers=[("ce_id", b"1")], partition=3, offset=41),
        record(key=b"key", value=b"first", headers=[("ce_id", b"2")], partition=3, offset=41),
        record(key=None, value=b"first", headers=[("ce_id", b"1")], partition=3, offset=41),
    ]
    assert await parked(connection, first) == 1
    assert await parked(connection, *others, first) == len(others)
    assert await parked(connection, first, *others) == 0
    rows = await connection.fetch("select * from parked order by ordinal")
    assert [row["ordinal"] for row in rows] == [1, 2, 3, 4]
    streams = await connection.fetch("select stream_id, version from event")
    assert {tuple(row) for row in streams} == {(stream_of(CONSUMER, TOPIC, 3, 41, row["ordinal"]), 1) for row in rows}
    assert [str(ParkedRecord.of(row)) for row in rows] == [f"{CONSUMER}:3:41{more}" for more in ("", ":2", ":3", ":4")]


async def test_redriving_concerns_only_one_of_the_records_parked_from_an_offset(connection: Connection) -> None:
    await parked(connection, record(value=b"first", offset=41))
    await parked(connection, record(value=b"second", offset=41))
    async with connection.transaction():
        event = await mark_redriven(connection, CONSUMER, record(offset=41), 2, outbox=OUTBOX, cause=cause())
        await append(connection, [event])
    rows = await connection.fetch("select ordinal, redriven_at from parked order by ordinal")
    assert [tuple(row) for row in rows] == [(1, None), (2, NOON)]
    assert event.stream_id == stream_of(CONSUMER, TOPIC, 0, 41, 2)


@pytest.mark.parametrize("name", ["device.commands:3:17", "device.commands:3:17:2"])
def test_a_parked_record_is_found_again_by_its_name(name: str) -> None:
    assert str(ParkedRecord.named(name)) == name


@pytest.mark.parametrize("name", ["", "device.commands", "a:1", "a:1:2:3:4", "a:1:-2", "a:x:2", "a:1:2:"])
def test_an_invalid_name_of_a_parked_record_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match="not a parked record's name"):
        ParkedRecord.named(name)


async def test_another_consumer_of_the_topic_parks_for_itself(connection: Connection) -> None:
    await parked(connection, record(offset=41))
    entries = [Parked(record(offset=41), "unknown_event", "")]
    events = await park(connection, "license_view", entries, outbox=OUTBOX, cause=cause())
    assert len(events) == 1


async def test_parking_nothing_writes_nothing(connection: Connection) -> None:
    assert await parked(connection) == 0


@pytest.mark.parametrize("excess", [-1, 0, 1, VALUE_BYTES_MAX])
async def test_a_value_is_kept_up_to_one_mebibyte(connection: Connection, excess: int) -> None:
    await parked(connection, record(value=b"\x00" * (VALUE_BYTES_MAX + excess)))
    assert len((await row_of(connection))["value"]) == min(VALUE_BYTES_MAX, VALUE_BYTES_MAX + excess)


async def test_a_long_detail_is_truncated(connection: Connection) -> None:
    await parked(connection, record(), detail="x" * 10_000)
    assert (await row_of(connection))["detail"] == "x" * 300


async def test_an_empty_record_is_parked(connection: Connection) -> None:
    assert await parked(connection, record()) == 1
    row = await row_of(connection)
    assert (row["key"], row["value"], json.loads(row["headers"])) == (None, b"", [])


@pytest.mark.parametrize(
    "value",
    [b"\x00", b"a\x00b", b"\xff\xfe\x00", b'"', b"\\u0000", b"\\\\u0000", bytes(range(256)), "ключ".encode()],
)
async def test_a_record_with_any_header_is_parked(connection: Connection, value: bytes) -> None:
    """R-122."""
    # a header without a value is one of Kafka's possibilities
    await parked(connection, record(headers=[("one", value), ("none", None)], key=value, value=value))  # type: ignore[list-item]
    row = await row_of(connection)
    [one, none] = json.loads(row["headers"])
    assert (row["key"], row["value"], one[0], none) == (value, value, "one", ["none", ""])


async def test_a_header_is_kept_except_for_what_jsonb_cannot_hold(connection: Connection) -> None:
    await parked(connection, record(headers=[("one", bytes(range(256))), ("two", b'\\n \\x41 "')]))
    [one, two] = json.loads((await row_of(connection))["headers"])
    assert one[1] == "\ufffd" + bytes(range(1, 256)).decode("latin-1")
    assert two[1] == '\\n \\x41 "'


async def test_a_header_name_may_be_anything_too(connection: Connection) -> None:
    assert await parked(connection, record(headers=[("a\x00b", b"1"), ("", b"2"), ("\u2028", b"3")])) == 1


@pytest.mark.parametrize("detail", ["a\x00b", "\ud800"])
async def test_a_record_is_parked_with_any_detail(connection: Connection, detail: str) -> None:
    """R-122."""
    assert await parked(connection, record(), detail=detail) == 1


async def test_redriving_is_recorded_in_the_row_and_in_the_stream(connection: Connection) -> None:
    await parked(connection, record(partition=3, offset=41), record(partition=3, offset=42))
    async with connection.transaction():
        event = await mark_redriven(
            connection, CONSUMER, record(partition=3, offset=41), 1, outbox=OUTBOX, cause=cause()
        )
        await append(connection, [event])
    rows = await connection.fetch('select "offset", redriven_at from parked order by "offset"')
    assert [(row["offset"], row["redriven_at"]) for row in rows] == [(41, NOON), (42, None)]
    [row] = await connection.fetch("select * from event where version = 2")
    assert row["stream_id"] == stream_of(CONSUMER, TOPIC, 3, 41)
    assert decode(row["type"], row["schema_version"], row["data"]) == MessageRedriven(
        topic=TOPIC, partition=3, offset=41
    )
