"""A worker refuses a database that is not its own ledger, in one line that says what to do."""

import pytest

from shared.ledger.events import WrongLedger, check_ledger
from tests.conftest import Database, Databases


async def test_the_right_ledger_is_accepted(device_database: Database) -> None:
    async with device_database.connected() as connection:
        await check_ledger(connection, service="device", mode="sandbox")


async def test_a_ledger_with_another_slice_count_is_refused(device_database: Database) -> None:
    async with device_database.connected(owner=True) as connection:
        await connection.execute("delete from slice_head where slice = 255")
    async with device_database.connected() as connection:
        with pytest.raises(WrongLedger, match="255 slices, this release needs 256"):
            await check_ledger(connection, service="device", mode="sandbox")


async def test_an_empty_database_and_another_services_ledger_and_another_mode_are_refused(
    device_database: Database, databases: Databases
) -> None:
    empty = await databases.empty()
    async with empty.connected(owner=True) as connection:
        with pytest.raises(WrongLedger, match="perennial migrate"):
            await check_ledger(connection, service="device", mode="sandbox")
    async with device_database.connected() as connection:
        with pytest.raises(WrongLedger, match="not the activation ledger"):
            await check_ledger(connection, service="activation", mode="sandbox")
        with pytest.raises(WrongLedger, match="made for sandbox"):
            await check_ledger(connection, service="device", mode="production")
