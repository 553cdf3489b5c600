"""Personal data can be erased while the ledger's hash chain stays intact, on a real PostgreSQL."""

import asyncio
import json
import logging
from base64 import b64decode, urlsafe_b64encode
from datetime import timedelta

import asyncpg
import pytest
from pydantic import TypeAdapter

from shared.calendar import instant
from shared.keys.crypto_shredding import (
    TEXT_BYTES_MAX,
    NotSealed,
    Sealing,
    SubjectKey,
    TooLong,
    destroy_key,
    key_for,
    open_all,
)
from shared.ledger.database import Pool, transaction
from shared.ledger.events import append, from_row
from shared.ledger.hash_chain import GENESIS, chained_hash
from shared.messages import DeviceEnrolled, Sealed, decode
from tests.conftest import Database
from tests.shared.records import NOON, packed, until

ADA = "Ada Lovelace, 12 St James's Square"
DEVICE = "device-of-ada"


class ChangedHerMind(Exception):
    """The caller's transaction comes to nothing."""


@pytest.fixture
def sealing(device_pool: Pool) -> Sealing:
    return Sealing(device_pool)


async def tell(pool: Pool, sealed: Sealed) -> None:
    """Record an event about a person."""
    event = DeviceEnrolled(device_id=DEVICE, product="antivirus", region="DE", sealed_name=sealed)
    async with transaction(pool) as connection:
        await append(connection, [packed(DEVICE, event=event), packed(f"{DEVICE}-2")])


async def chain_breaks(pool: Pool) -> list[tuple[int, int]]:
    """Return where the ledger's chain does not hold, and assert that there is a ledger."""
    entries = [from_row(row) for row in await pool.fetch("select * from event order by slice, position")]
    assert entries
    breaks: list[tuple[int, int]] = []
    last: dict[int, bytes] = {}
    for entry in entries:
        event = entry.event
        expected = chained_hash(
            last.get(event.slice_number, GENESIS),
            event_id=str(event.event_id),
            type_name=event.type_name,
            stream_id=event.stream_id,
            occurred_at=instant(event.occurred_at),
            data=event.data,
        )
        last[event.slice_number] = entry.hash
        if expected != entry.hash:
            breaks.append((event.slice_number, entry.position))
    return breaks


async def test_a_person_is_erased_and_the_hash_chain_stays_intact(sealing: Sealing, device_pool: Pool) -> None:
    """R-115, R-127."""
    await tell(device_pool, await sealing.seal(DEVICE, ADA))
    before = await device_pool.fetch("select * from event order by slice, position")
    row = next(row for row in before if row["stream_id"] == DEVICE)
    event = decode(row["type"], row["schema_version"], row["data"])
    assert isinstance(event, DeviceEnrolled)
    assert event.sealed_name is not None
    assert await sealing.open(event.sealed_name) == ADA

    assert len(await sealing.destroy(DEVICE, at=NOON)) == 1

    assert await sealing.open(event.sealed_name) is None
    assert await device_pool.fetch("select * from event order by slice, position") == before
    assert await chain_breaks(device_pool) == []


async def test_once_the_key_is_destroyed_nothing_in_the_database_can_decrypt_it(
    sealing: Sealing, device_pool: Pool, device_database: Database
) -> None:
    """R-115: not even the database's owner, who may read every table, finds a key that fits."""
    sealed = await sealing.seal(DEVICE, ADA)
    key = await device_pool.fetchval("select key from subject_key where subject = $1", DEVICE)
    assert SubjectKey(sealed.partition(".")[0], key).open(sealed) == ADA
    await sealing.destroy(DEVICE, at=NOON)
    async with device_database.connected(owner=True) as owner:
        rows = await owner.fetch("select key, destroyed_at from subject_key")
    assert [tuple(row) for row in rows] == [(None, NOON)]


async def test_each_person_has_a_key_of_their_own(sealing: Sealing) -> None:
    """R-115: erasing one leaves the others readable."""
    ada, grace = await sealing.seal("ada", "Ada"), await sealing.seal("grace", "Grace")
    await sealing.destroy("ada", at=NOON)
    assert await sealing.open_all([ada, grace]) == {ada: None, grace: "Grace"}


async def test_all_data_of_one_person_is_erased_with_one_key(sealing: Sealing) -> None:
    """R-115."""
    sealed = [await sealing.seal(DEVICE, text) for text in (ADA, "ada@example.org", ADA)]
    assert len({text.partition(".")[0] for text in sealed}) == 1
    assert len(set(sealed)) == 3
    await sealing.destroy(DEVICE, at=NOON)
    assert set((await sealing.open_all(sealed)).values()) == {None}


async def test_destroying_a_key_twice_changes_nothing_more(sealing: Sealing, device_pool: Pool) -> None:
    """R-115."""
    await sealing.seal(DEVICE, ADA)
    await sealing.destroy(DEVICE, at=NOON)
    assert await sealing.destroy(DEVICE, at=NOON + timedelta(days=1)) == []
    assert await sealing.destroy("nobody", at=NOON) == []
    assert await device_pool.fetchval("select destroyed_at from subject_key") == NOON


async def test_a_person_who_comes_back_gets_a_new_key_and_the_old_text_stays_unreadable(sealing: Sealing) -> None:
    """R-115."""
    old = await sealing.seal(DEVICE, ADA)
    await sealing.destroy(DEVICE, at=NOON)
    new = await sealing.seal(DEVICE, "Ada again")
    assert await sealing.open_all([old, new]) == {old: None, new: "Ada again"}


async def test_concurrent_seals_for_one_person_share_one_key(sealing: Sealing, device_pool: Pool) -> None:
    async with transaction(device_pool) as connection:
        first = await key_for(connection, subject=DEVICE)
        second = asyncio.create_task(sealing.seal(DEVICE, ADA))
        # the second finds no key yet, makes one, and waits for what becomes of the first
        await until(lambda: _somebody_waits(device_pool), what="the second waits")
    sealed = await second
    assert sealed.partition(".")[0] == first.key_id
    assert await sealing.open(sealed) == ADA
    assert await device_pool.fetchval("select count(*) from subject_key") == 1


async def _somebody_waits(pool: Pool) -> bool:
    return bool(await pool.fetchval(WAITING))


WAITING = """
select exists (select from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock')
"""


async def test_a_key_is_destroyed_with_the_callers_transaction_or_not_at_all(device_pool: Pool) -> None:
    """R-115: the event that records it and the erasure commit together."""
    async with transaction(device_pool) as connection:
        sealed = (await key_for(connection, subject=DEVICE)).seal(ADA)
    with pytest.raises(ChangedHerMind):
        await _destroy_and_change_her_mind(device_pool)
    async with device_pool.acquire() as connection:
        assert await open_all(connection, [sealed]) == {sealed: ADA}


async def _destroy_and_change_her_mind(pool: Pool) -> None:
    async with transaction(pool) as connection:
        assert await destroy_key(connection, subject=DEVICE, at=NOON)
        raise ChangedHerMind


@pytest.mark.parametrize("text", ["", "Ada", "Ædá 愛", "x" * TEXT_BYTES_MAX, "line\nbreak\x00"])
async def test_a_sealed_text_can_be_opened_and_fits_into_an_event(text: str, sealing: Sealing) -> None:
    sealed = await sealing.seal(DEVICE, text)
    assert TypeAdapter(Sealed).validate_python(sealed) == sealed
    assert await sealing.open(sealed) == text


def test_a_text_that_no_event_could_hold_is_refused_and_not_repeated() -> None:
    with pytest.raises(TooLong) as refused:
        SubjectKey.new().seal("é" * (TEXT_BYTES_MAX // 2 + 1))
    assert "é" not in str(refused.value)


def test_names_of_similar_length_have_the_same_sealed_length() -> None:
    """R-115: the length would outlive the key."""
    key = SubjectKey.new()
    assert len({len(key.seal("x" * count)) for count in range(60)}) == 1


@pytest.mark.parametrize("spoil", ["token", "cut", "no token", "not base64"])
async def test_a_changed_text_is_rejected(spoil: str, sealing: Sealing) -> None:
    """R-115."""
    sealed = await sealing.seal(DEVICE, ADA)
    key_id, _, token = sealed.partition(".")
    flipped = bytearray(b64decode(token, altchars=b"-_"))
    flipped[20] ^= 1
    changed = {
        "token": urlsafe_b64encode(flipped).decode(),
        "cut": token[:8],
        "no token": "",
        "not base64": "a",
    }[spoil]
    with pytest.raises(NotSealed):
        await sealing.open(f"{key_id}.{changed}")


async def test_a_text_under_another_persons_key_id_is_rejected(sealing: Sealing) -> None:
    ada, grace = await sealing.seal("ada", "Ada"), await sealing.seal("grace", "Grace")
    with pytest.raises(NotSealed):
        await sealing.open(f"{grace.partition('.')[0]}.{ada.partition('.')[2]}")


async def test_a_text_of_another_service_is_rejected(sealing: Sealing) -> None:
    with pytest.raises(NotSealed, match="no key of this service"):
        await sealing.open(SubjectKey.new().seal(ADA))


async def test_neither_key_nor_text_appears_in_logs_errors_or_events(
    sealing: Sealing, device_pool: Pool, caplog: pytest.LogCaptureFixture
) -> None:
    """R-112, R-115."""
    caplog.set_level(logging.DEBUG)
    await tell(device_pool, await sealing.seal(DEVICE, ADA))
    key = await device_pool.fetchrow("select key_id, key from subject_key")
    assert key is not None
    event = bytes(await device_pool.fetchval("select data from event where stream_id = $1", DEVICE))
    told = [
        repr(SubjectKey(key["key_id"], key["key"])),
        caplog.text,
        json.dumps(json.loads(event)),
    ]
    secrets = (key["key"].hex(), urlsafe_b64encode(key["key"]).decode().rstrip("="), repr(key["key"])[2:-1], ADA)
    assert [secret for secret in secrets for text in told if secret in text] == []


@pytest.mark.parametrize(
    "statement",
    ["delete from subject_key", "update subject_key set subject = 'x'", "update subject_key set key_id = 'x'"],
)
async def test_the_service_may_not_make_a_key_vanish_without_a_trace(
    statement: str, sealing: Sealing, device_pool: Pool
) -> None:
    await sealing.seal(DEVICE, ADA)
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await device_pool.execute(statement)


async def test_a_key_is_there_or_its_end_is_dated(sealing: Sealing, device_pool: Pool) -> None:
    """R-115."""
    await sealing.seal(DEVICE, ADA)
    for wrong in ("key = null", "destroyed_at = now()"):
        with pytest.raises(asyncpg.CheckViolationError):
            await device_pool.execute(f"update subject_key set {wrong}")
