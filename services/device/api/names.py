"""HTTP out: devices with the names that people gave them, and when each was last in contact. Translates only.

Each name is sealed with a key of its own (R-115), so no index finds it: a search opens the names one page of devices
after the other, `LOOKED_AT_MAX` at most per request, and keeps nothing.
"""

from collections.abc import Collection, Mapping, Sequence
from typing import Annotated, Any

import asyncpg
from fastapi import APIRouter, Depends, Query

from services.device.api.doors import Doors
from shared.calendar import instant
from shared.doors.credentials import operator_check
from shared.doors.fields import PageLimit
from shared.doors.problems import Problem
from shared.keys.crypto_shredding import NotSealed
from shared.messages import DeviceEnrolled, DeviceId, Sealed, decode

IDS_MAX = 100
LOOKED_AT_MAX = 5_000
CHUNK_ROWS = 500

After = Annotated[str, Query(max_length=64, pattern=r"^[A-Za-z0-9._:-]*$")]

type JsonObject = dict[str, Any]


def add_names(router: APIRouter, doors: Doors) -> None:
    """Add the route; it needs the operator key or a console token."""
    operator = Depends(operator_check(doors.operator_key_hash, doors.operator_tokens))

    @router.get("/named", dependencies=[operator])
    async def named(
        limit: PageLimit,
        device_id: Annotated[tuple[DeviceId, ...], Query(max_length=IDS_MAX)] = (),
        name: Annotated[str | None, Query(min_length=1, max_length=100)] = None,
        after: After = "",
    ) -> JsonObject:
        """Return devices with their names and last contact: those with these ids, or whose name contains a text.

        Upper and lower case are alike. An erased name is null and is not found. `next` continues a search, also after a
        page that is not full.
        """
        if bool(device_id) is (name is not None):
            raise Problem(422, "invalid_fields", "give either device_id or name")
        if name is None:
            found, following = await _entries(doors, await doors.pool.fetch(OF_IDS, device_id)), None
        else:
            found, following = await _search(doors, name, after, limit)
        return {"as_of": instant(doors.clock.now()), "devices": found, "next": following}


async def _search(doors: Doors, name: str, after: str, limit: int) -> tuple[list[JsonObject], str | None]:
    """Return up to `limit` devices whose name contains `name`, and the id behind which the search goes on."""
    found: list[JsonObject] = []
    for _ in range(LOOKED_AT_MAX // CHUNK_ROWS):
        rows = await doors.pool.fetch(ALL, after, CHUNK_ROWS)
        for entry in await _entries(doors, rows):
            after = entry["device_id"]
            if name.casefold() in (entry["name"] or "").casefold():
                found.append(entry)
            if len(found) == limit:
                return found, after
        if len(rows) < CHUNK_ROWS:
            return found, None
    return found, after


async def _entries(doors: Doors, rows: Sequence[asyncpg.Record]) -> list[JsonObject]:
    sealed = {row["device_id"]: _sealed_name(row) for row in rows}
    names = await _opened(doors, {each for each in sealed.values() if each})
    return [
        {
            "device_id": row["device_id"],
            "name": names.get(sealed[row["device_id"]] or ""),
            "product": row["product"],
            "region": row["region"],
            "last_contact_at": instant(row["contacted_at"]) if row["contacted_at"] else None,
        }
        for row in rows
    ]


def _sealed_name(row: asyncpg.Record) -> Sealed | None:
    event = decode(row["type"], row["schema_version"], row["data"])
    return event.sealed_name if isinstance(event, DeviceEnrolled) else None


async def _opened(doors: Doors, sealed: Collection[Sealed]) -> Mapping[Sealed, str | None]:
    try:
        return await doors.sealing.open_all(sealed)
    except NotSealed:
        # a tool may have enrolled a device with a name that this service did not seal: the others are told all the same
        return {each: await _opened_alone(doors, each) for each in sealed}


async def _opened_alone(doors: Doors, sealed: Sealed) -> str | None:
    try:
        return await doors.sealing.open(sealed)
    except NotSealed:
        return None


TOLD = """
select device_id, state ->> 'product' as product, state ->> 'region' as region, contacted_at,
    event.type, event.schema_version, event.data
from device join event on event.stream_id = device_id and event.version = 1 left join device_contact using (device_id)
"""

OF_IDS = f"{TOLD} where device_id = any($1::text[]) order by device_id"

ALL = f"{TOLD} where device_id > $1 order by device_id limit $2"
