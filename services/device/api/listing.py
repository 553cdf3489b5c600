"""HTTP out: lists of devices by status, product, vendor and end. Translates only: the rules tell a device's status.

A page walks along one index and looks at `LOOKED_AT_MAX` rows at most, however large the fleet is: a page of a rare
kind may be short, or empty, and `next` goes on behind the last row that was looked at.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, Literal

import asyncpg
from fastapi import APIRouter, Depends, Query

from services.device.api.doors import Doors
from services.device.decider import Device, status, works_until
from shared.calendar import LAST_MOMENT, instant
from shared.doors.credentials import operator_check
from shared.doors.fields import PageLimit
from shared.messages import DeviceId, Product, ToldMoment, Vendor
from shared.rules.policy import Policy

LOOKED_AT_MAX = 5_000
CHUNK_ROWS = 500
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MICROSECOND = timedelta(microseconds=1)
OVER = ("grace", "expired", "blocked")
"""The statuses of a device whose license is over."""

ListedStatus = Literal["unlicensed", "active", "over", "grace", "expired", "blocked"]
After = Annotated[str, Query(max_length=84, pattern=r"^(-?\d{1,18}\.[A-Za-z0-9._:-]{1,64})?$")]

type Cursor = tuple[datetime, DeviceId]
"""Where a page ended: the end of the last license looked at, if the list is in this order, and the device."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What a list is asked for. Without a status, an end asks for licenses that are in force now."""

    now: datetime
    status: ListedStatus | None = None
    product: Product | None = None
    vendor: Vendor | None = None
    expiring_from: datetime | None = None
    expiring_before: datetime | None = None

    @property
    def statuses(self) -> Sequence[str]:
        """The statuses that are asked for; none means all."""
        if self.status == "over":
            return OVER
        if self.status is not None:
            return (self.status,)
        return ("active",) if self.expiring_from or self.expiring_before else ()

    def matches(self, device: Device, policy: Policy) -> bool:
        """Tell whether the list has the device."""
        ends_at = device.license.over_at if device.license else None
        return (
            (not self.statuses or status(device, self.now, policy) in self.statuses)
            and self.product in (None, device.product)
            and self.vendor in (None, device.vendor)
            and (self.expiring_from is None or (ends_at is not None and ends_at >= self.expiring_from))
            and (self.expiring_before is None or (ends_at is not None and ends_at < self.expiring_before))
        )


def add_listing(router: APIRouter, doors: Doors) -> None:
    """Add the route; it needs the operator key or a console token."""
    operator = Depends(operator_check(doors.operator_key_hash, doors.operator_tokens))

    @router.get("", dependencies=[operator])
    async def listed(
        limit: PageLimit,
        status: Annotated[ListedStatus | None, Query(description="`over`: grace, expired or blocked.")] = None,
        product: Product | None = None,
        vendor: Vendor | None = None,
        expiring_from: Annotated[ToldMoment | None, Query(description="License ends at this time or later.")] = None,
        expiring_before: Annotated[ToldMoment | None, Query(description="License ends before this time.")] = None,
        after: After = "",
    ) -> dict[str, Any]:
        """List devices by status, product, vendor and end; `next` continues, also after a page that is not full.

        Licenses in force come in the order of their ends, all others in the order of device ids. A license that has
        just ended is listed as over once its end is on record, within seconds.
        """
        now = doors.clock.now()
        asked = Asked(
            now=now,
            status=status,
            product=product,
            vendor=vendor,
            expiring_from=expiring_from,
            expiring_before=expiring_before,
        )
        devices, following = await _page(doors, asked, _cursor(after), limit=limit)
        return {"as_of": instant(now), "devices": devices, "next": following}


async def _page(
    doors: Doors, asked: Asked, cursor: Cursor, *, limit: int
) -> tuple[Sequence[dict[str, Any]], str | None]:
    """Return up to `limit` devices behind the cursor, and where the next page begins."""
    found: list[dict[str, Any]] = []
    for _ in range(LOOKED_AT_MAX // CHUNK_ROWS):
        rows = await doors.pool.fetch(*_walk(asked, cursor))
        for row in rows:
            cursor, device = (row["at"] or EPOCH, row["device_id"]), Device.from_json(row["state"])
            if asked.matches(device, doors.policy):
                found.append(_entry(row, device, asked.now, doors.policy))
            if len(found) == limit:
                return found, _written(cursor)
        if len(rows) < CHUNK_ROWS:
            return found, None
    return found, _written(cursor)


def _walk(asked: Asked, cursor: Cursor) -> tuple[Any, ...]:
    """Return the query along the index that fits best, and its parameters."""
    at, device_id = cursor
    if asked.statuses == ("active",):
        return (
            BY_END,
            max(at, asked.now, asked.expiring_from or at),
            device_id,
            asked.expiring_before or LAST_MOMENT,
            CHUNK_ROWS,
        )
    if asked.status == "unlicensed":
        return UNLICENSED, device_id, CHUNK_ROWS
    if asked.status is not None:
        return PAST, device_id, CHUNK_ROWS
    # products are few, and an index on them would be written at every change of a device
    return ALL, device_id, CHUNK_ROWS


def _entry(row: asyncpg.Record, device: Device, now: datetime, policy: Policy) -> dict[str, Any]:
    current, until = device.license, works_until(device, policy)
    return {
        "device_id": row["device_id"],
        "status": status(device, now, policy),
        "product": device.product,
        "region": device.region,
        "vendor": device.vendor,
        "code_ref": current.code_ref if current else None,
        "last_group": current.last_group if current else None,
        "ends_at": instant(current.over_at) if current else None,
        "works_until": instant(until) if until else None,
        "reserve": device.reserve.status if device.reserve else None,
    }


def _cursor(after: str) -> Cursor:
    if not after:
        return EPOCH, ""
    microseconds, _, device_id = after.partition(".")
    try:
        return EPOCH + int(microseconds) * MICROSECOND, device_id
    except OverflowError:
        return LAST_MOMENT, device_id  # nothing of ours is behind that


def _written(cursor: Cursor) -> str:
    at, device_id = cursor
    return f"{(at - EPOCH) // MICROSECOND}.{device_id}"


# each costs one walk of CHUNK_ROWS entries along the index of migration 210, or along the primary key
BY_END = """
select device_id, state, expires_at as at from device
where expires_at is not null and (expires_at, device_id) > ($1, $2) and expires_at < $3
order by expires_at, device_id limit $4
"""

PAST = """
select device_id, state, null::timestamptz as at from device
where license_ref is not null and expires_at is null and device_id > $1 order by device_id limit $2
"""

UNLICENSED = """
select device_id, state, null::timestamptz as at from device
where license_ref is null and device_id > $1 order by device_id limit $2
"""

ALL = "select device_id, state, null::timestamptz as at from device where device_id > $1 order by device_id limit $2"
