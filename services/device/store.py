"""Stores the states of devices that the rules read. Each row is a fold of the device's stream."""

from collections.abc import Mapping, Sequence

from services.device.decider import Command, Device, expires_at, retry_at
from shared.ledger.command_handler import Stored
from shared.ledger.database import Connection
from shared.ledger.slices import slice_of
from shared.messages import CodeRef, DeviceId


class DeviceStore:
    """Table `device`: states as JSON, with columns for the lookups of timers and renewals."""

    async def load(
        self, connection: Connection, commands: Sequence[Command], stream_ids: Sequence[str]
    ) -> Mapping[str, Stored[Device]]:
        """Return the devices, locked in the order of their ids."""
        rows = await connection.fetch(
            "select device_id, version, state from device where device_id = any($1::text[])"
            " order by device_id for update",
            stream_ids,
        )
        return {row["device_id"]: Stored(row["version"], Device.from_json(row["state"])) for row in rows}

    async def save(
        self, connection: Connection, before: Mapping[str, Stored[Device]], after: Mapping[str, Stored[Device]]
    ) -> None:
        """Write the devices."""
        rows = [row_of(device_id, stored) for device_id, stored in sorted(after.items())]
        await connection.execute(SAVE, *zip(*rows, strict=True))


def row_of(device_id: DeviceId, stored: Stored[Device]) -> tuple[object, ...]:
    """Return the row of a device, in the order of the table's columns."""
    device = stored.state
    return (
        device_id,
        slice_of(device_id),
        stored.version,
        device.to_json(),
        device.license.code_ref if device.license else None,
        device.reserve.code_ref if device.reserve else None,
        device.incoming.code_ref if device.incoming else None,
        expires_at(device),
        retry_at(device),
    )


async def devices_on(connection: Connection, code_refs: Sequence[CodeRef]) -> list[tuple[CodeRef, DeviceId]]:
    """Return which devices have one of the codes as their license (R-91)."""
    rows = await connection.fetch(
        "select license_ref, device_id from device where license_ref = any($1::text[]) order by device_id", code_refs
    )
    return [(row["license_ref"], row["device_id"]) for row in rows]


async def devices_waiting(connection: Connection, code_refs: Sequence[CodeRef]) -> list[tuple[CodeRef, DeviceId]]:
    """Return which devices have one of the codes in a slot: others can change when it will end (R-73)."""
    rows = await connection.fetch(WAITING, code_refs)
    return [(row["code_ref"], row["device_id"]) for row in rows]


async def devices_waiting_for_start(
    connection: Connection, code_refs: Sequence[CodeRef]
) -> list[tuple[CodeRef, DeviceId]]:
    """Return which devices have one of the codes in a slot and do not know yet that its term has started (R-73)."""
    rows = await connection.fetch(WAITING_FOR_START, code_refs)
    return [(row["code_ref"], row["device_id"]) for row in rows]


WAITING = """
select reserve_ref as code_ref, device_id from device where reserve_ref = any($1::text[])
union
select incoming_ref, device_id from device where incoming_ref = any($1::text[])
order by device_id, code_ref
"""

WAITING_FOR_START = """
select reserve_ref as code_ref, device_id from device
where reserve_ref = any($1::text[]) and state #> '{reserve,started_at}' is null
union
select incoming_ref, device_id from device
where incoming_ref = any($1::text[]) and state #> '{incoming,started_at}' is null
order by device_id, code_ref
"""

SAVE = """
insert into device as here
    (device_id, slice, version, state, license_ref, reserve_ref, incoming_ref, expires_at, retry_at)
select * from unnest($1::text[], $2::smallint[], $3::int[], $4::jsonb[], $5::text[], $6::text[], $7::text[],
                     $8::timestamptz[], $9::timestamptz[])
on conflict (device_id) do update set
    version = excluded.version, state = excluded.state, license_ref = excluded.license_ref,
    reserve_ref = excluded.reserve_ref, incoming_ref = excluded.incoming_ref,
    expires_at = excluded.expires_at, retry_at = excluded.retry_at
"""
