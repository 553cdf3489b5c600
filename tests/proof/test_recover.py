"""How far a consumer counts as having come after a restore, by what the recovered events name as their causes."""

import json
from collections.abc import AsyncIterator, Sequence
from uuid import UUID

import pytest

from shared.ledger.database import Connection
from shared.ledger.events import RecordedEvent
from shared.ledger.identity import new_id
from shared.messages import CodeEvent
from shared.recovery.recover import _advance_consumer, _mark_handled
from tests.scenarios import NOON, A, activated, issued, renewed, verified
from tests.shared.records import Record, outside_headers, packed, record, record_of, recorded

CONSUMER = "device.verdicts"


def history(*events: CodeEvent) -> list[RecordedEvent]:
    return recorded([packed(A, version, event) for version, event in enumerate(events, start=1)])


async def topic(entries: Sequence[RecordedEvent]) -> AsyncIterator[Sequence[Record]]:
    """Yield each record twice, one by one, as a relay may have sent them."""
    for offset, entry in enumerate(entries):
        yield [record_of(entry, offset=2 * offset)]
        yield [record_of(entry, offset=2 * offset + 1)]


def ids_of(entries: Sequence[RecordedEvent], *numbers: int) -> set[UUID]:
    return {entries[number - 1].event.event_id for number in numbers}


@pytest.mark.parametrize(
    ("handled", "reached"),
    [((), None), ((2,), 2), ((2, 3), 3), ((2, 3, 4), 3), ((4,), 3), ((2, 3, 4, 5), 5)],
    ids=["none", "a verdict", "an activation", "a renewal", "a renewal alone", "what came after it"],
)
async def test_an_event_about_a_whole_code_is_handled_again_if_it_was_the_last(
    connection: Connection, handled: tuple[int, ...], reached: int | None
) -> None:
    """R-91, R-120: perhaps only a part of the fleet was told of it; nothing else is handled twice."""
    entries = history(issued(A), verified(A), activated(A, at=NOON), renewed(A), verified(A))
    await _advance_consumer(connection, CONSUMER, topic(entries), ids_of(entries, *handled))
    row = await connection.fetchrow("select position, hash from inbound_slice where consumer = $1", CONSUMER)
    assert (None if row is None else row["position"]) == reached
    assert row is None or reached is None or row["hash"] == entries[reached - 1].hash


async def test_an_order_counts_as_handled_in_whatever_form_it_was_written(connection: Connection) -> None:
    """R-116, R-143: a shop's order that caused a recovered event is not handled again."""
    ids = [new_id() for _ in range(3)]
    event = json.dumps({"specversion": "1.0", "id": str(ids[1]), "source": "/shop", "type": "CodeBlocked"}).encode()
    records = [
        record(headers=outside_headers(ce_id=str(ids[0]).encode(), ce_time=None, x_span=b"\xff")),
        record(headers=[("content-type", b"application/cloudevents+json")], value=event),
        record(headers=outside_headers(ce_id=str(ids[2]).encode())),
        record(value=b"rubbish"),
    ]

    async def batches() -> AsyncIterator[Sequence[Record]]:
        yield records

    await _mark_handled(connection, batches(), {ids[0], ids[1]})
    rows = await connection.fetch("select source, id from inbound_message")
    assert {(row["source"], row["id"]) for row in rows} == {("/shop", str(ids[0])), ("/shop", str(ids[1]))}
