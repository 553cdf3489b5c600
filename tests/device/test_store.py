"""The device store on a real PostgreSQL: a row is the fold of its stream, and timers look up its columns."""

import pytest

from services.device.decider import DECIDER, Device, DeviceEvent, evolve, expires_at, retry_at
from services.device.store import DeviceStore, devices_on, devices_waiting
from shared.ledger.command_handler import Stored
from shared.ledger.database import Connection, Pool, transaction
from shared.ledger.slices import slice_of
from shared.rules.decider import fold
from tests.device import histories
from tests.scenarios import A, B, C, D, activated, enrolled

HISTORIES: dict[str, list[DeviceEvent]] = {
    name: value for name, value in vars(histories).items() if name.isupper() and isinstance(value, list) and value
}

every_history = pytest.mark.parametrize("history", HISTORIES.values(), ids=list(HISTORIES))


async def keep(connection: Connection, device_id: str, state: Device, version: int = 1) -> None:
    await DeviceStore().save(connection, {}, {device_id: Stored(version, state)})


async def kept(connection: Connection, *device_ids: str) -> dict[str, Stored[Device]]:
    return dict(await DeviceStore().load(connection, [], device_ids))


def test_there_are_histories() -> None:
    assert len(HISTORIES) > 15


@every_history
async def test_what_is_loaded_is_the_fold(connection: Connection, history: list[DeviceEvent]) -> None:
    """R-118."""
    state = fold(evolve, history, DECIDER.initial)
    await keep(connection, D, state, len(history))
    assert await kept(connection, D) == {D: Stored(len(history), state)}


@every_history
async def test_a_row_that_was_loaded_and_kept_again_at_every_step_is_the_same(
    connection: Connection, history: list[DeviceEvent]
) -> None:
    """R-118: what the state has forgotten in the table would be seen at a later step."""
    for version, event in enumerate(history, 1):
        before = await kept(connection, D)
        state = before[D].state if D in before else DECIDER.initial
        await DeviceStore().save(connection, before, {D: Stored(version, evolve(state, event))})
    assert await kept(connection, D) == {D: Stored(len(history), fold(evolve, history, DECIDER.initial))}


@every_history
async def test_the_columns_agree_with_the_state(connection: Connection, history: list[DeviceEvent]) -> None:
    state = fold(evolve, history, DECIDER.initial)
    await keep(connection, D, activated_twice())
    await keep(connection, D, state, len(history))
    row = await connection.fetchrow("select * from device")
    assert row is not None
    assert (row["device_id"], row["slice"], row["version"]) == (D, slice_of(D), len(history))
    assert (row["expires_at"], row["retry_at"]) == (expires_at(state), retry_at(state))
    parts = (state.license, state.reserve, state.incoming)
    refs = [None if part is None else part.code_ref for part in parts]
    assert [row["license_ref"], row["reserve_ref"], row["incoming_ref"]] == refs


def activated_twice() -> Device:
    """Return a state that fills other columns, so that those of the next one are seen to be emptied."""
    history: list[DeviceEvent] = [enrolled(), activated(A), activated(B)]
    return fold(evolve, history, DECIDER.initial)


async def test_a_device_without_events_is_absent(connection: Connection) -> None:
    assert await kept(connection, D, "another") == {}


async def test_devices_on_a_code_are_those_that_have_it_as_their_license(connection: Connection) -> None:
    """R-91."""
    for device, code in (("b", A), ("a", A), ("c", B)):
        history: list[DeviceEvent] = [enrolled(device), activated(code, device=device)]
        await keep(connection, device, fold(evolve, history, Device()))
    await keep(connection, D, fold(evolve, HISTORIES["READY"], Device()))
    assert await devices_on(connection, [A]) == [(A, "a"), (A, "b"), (A, D)]
    assert await devices_on(connection, [B]) == [(B, "c")]
    assert await devices_on(connection, []) == []


async def test_devices_that_wait_with_a_code_have_it_in_a_slot(connection: Connection) -> None:
    """R-73."""
    for device, history in (("b", histories.READY), ("a", histories.REPLACING), ("c", histories.SWITCHED)):
        told = [event.but(device_id=device) for event in history]
        await keep(connection, device, fold(evolve, told, Device()))
    assert await devices_waiting(connection, [B]) == [(B, "a"), (B, "b")]
    assert await devices_waiting(connection, [C]) == [(C, "a")]
    assert await devices_waiting(connection, [B, C]) == [(B, "a"), (C, "a"), (B, "b")]
    assert await devices_waiting(connection, []) == []


async def test_the_look_ups_of_a_fan_out_have_their_indexes(connection: Connection) -> None:
    """R-73, R-91: a code that thousands of devices share is found without a scan."""
    rows = await connection.fetch("select indexname from pg_indexes where tablename = 'device'")
    assert {"device_by_license", "device_by_reserve", "device_by_incoming"} <= {row["indexname"] for row in rows}


async def test_a_loaded_device_is_locked_until_the_commit(device_pool: Pool) -> None:
    """R-126."""
    async with transaction(device_pool) as connection:
        await keep(connection, D, activated_twice())
    async with transaction(device_pool) as first:
        await kept(first, D)
        async with device_pool.acquire() as second:
            locked = await second.fetch("select device_id from device for update skip locked")
    assert locked == []
