"""What a relay notes after an acknowledgement: by compare-and-set, and only for slices it holds the lease of."""

from collections.abc import Mapping

import pytest

from shared.kafka.relay import BACKLOG, NOTE_PUBLISHED
from shared.ledger.database import Connection
from shared.ledger.events import append
from tests.shared.records import packed, streams_of_slices

ME, EPOCH = "device.1", 7
MINE, MINE_TOO, YOURS = 5, 17, 40
"""Slices of groups 0, 1 and 2; the third one is another worker's."""


@pytest.fixture(autouse=True)
async def shared_out(connection: Connection) -> None:
    """Give the groups to two workers."""
    await connection.execute("update lease set owner = 'device.2', epoch = $1", EPOCH)
    await connection.execute("update lease set owner = $1 where slice_group < 2", ME)


async def note(
    connection: Connection,
    sent: Mapping[int, tuple[int, int]],
    *,
    epochs: Mapping[int, int] = {0: EPOCH, 1: EPOCH},
    worker: str = ME,
) -> int:
    """Note for each slice that it went from one position to another; return of how many that was true."""
    noted: int = await connection.fetchval(
        NOTE_PUBLISHED,
        list(sent),
        [expected for expected, _ in sent.values()],
        [position for _, position in sent.values()],
        list(epochs),
        list(epochs.values()),
        worker,
    )
    return noted


async def published(connection: Connection) -> dict[int, int]:
    rows = await connection.fetch("select slice, position from slice_published where position > 0")
    return {row["slice"]: row["position"] for row in rows}


async def test_what_was_sent_is_noted(connection: Connection) -> None:
    assert await note(connection, {MINE: (0, 3), MINE_TOO: (0, 1)}) == 2
    assert await note(connection, {MINE: (3, 9)}) == 1
    assert await published(connection) == {MINE: 9, MINE_TOO: 1}


@pytest.mark.parametrize("expected", [1, 2, 4])
async def test_a_slice_that_stands_elsewhere_is_left_alone(connection: Connection, expected: int) -> None:
    """R-120: going back would only send again; going forward would skip what was never sent."""
    await note(connection, {MINE: (0, 3)})
    assert await note(connection, {MINE: (expected, 10), MINE_TOO: (0, 2)}) == 1
    assert await published(connection) == {MINE: 3, MINE_TOO: 2}


async def test_the_same_note_twice_counts_once(connection: Connection) -> None:
    assert [await note(connection, {MINE: (0, 3)}) for _ in range(2)] == [1, 0]
    assert await published(connection) == {MINE: 3}


async def test_another_workers_slice_is_left_alone(connection: Connection) -> None:
    """R-121."""
    assert await note(connection, {MINE: (0, 3), YOURS: (0, 3)}, epochs={0: EPOCH, 2: EPOCH}) == 1
    assert await published(connection) == {MINE: 3}


@pytest.mark.parametrize("epoch", [EPOCH - 1, EPOCH + 1])
async def test_a_lease_of_another_epoch_notes_nothing(connection: Connection, epoch: int) -> None:
    """R-121."""
    assert await note(connection, {MINE: (0, 3), MINE_TOO: (0, 3)}, epochs={0: epoch, 1: EPOCH}) == 1
    assert await published(connection) == {MINE_TOO: 3}


async def test_the_right_epoch_under_another_name_notes_nothing(connection: Connection) -> None:
    assert await note(connection, {MINE: (0, 3)}, worker="device.3") == 0
    assert await published(connection) == {}


async def test_the_backlog_is_what_follows_the_last_note_slice_by_slice_in_order(connection: Connection) -> None:
    streams = streams_of_slices([MINE, MINE_TOO, YOURS], 3)
    async with connection.transaction():
        await append(connection, [packed(stream) for each in zip(*streams.values(), strict=True) for stream in each])
    await note(connection, {MINE: (0, 2)})
    rows = await connection.fetch(BACKLOG, [MINE, MINE_TOO], 2, 100)
    assert [(row["slice"], row["position"], row["published"]) for row in rows] == [
        (MINE, 3, 2),
        (MINE_TOO, 1, 0),
        (MINE_TOO, 2, 0),
    ]
