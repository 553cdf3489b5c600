"""HTTP out: which devices will switch to their reserve, when, and which switches will fail. Translates only."""

import asyncio
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request
from msgspec import to_builtins

from services.activation.api.doors import Doors, vendor_of
from services.activation.decider import Code
from services.activation.forecast import SwitchForecast, Switchover, simulate_switches
from services.activation.forecast.switchover import EPOCH
from shared.calendar import instant
from shared.doors.fields import PageLimit
from shared.doors.problems import Problem
from shared.ledger.database import Connection
from shared.messages import CodeRef, DeviceId, ToldMoment, Vendor
from shared.rules.chance import CHANCE
from shared.rules.policy import Policy

CONTENDERS_MAX = 20_000
"""How many devices waiting with one of a page's codes are considered; a page with more of them is refused."""

type Cursor = tuple[int, DeviceId]
"""Where a page ended: the time of its last switch in milliseconds since 1970, and the device."""


def add_forecast(router: APIRouter, doors: Doors) -> None:
    """Add the routes."""

    @router.get("/forecast", tags=["forecast"])
    async def forecast(
        request: Request,
        until: ToldMoment,
        limit: PageLimit,
        after: Annotated[str, Query(max_length=90, pattern=r"^(\d{1,15}\.[A-Za-z0-9._:-]{1,64})?$")] = "",
    ) -> dict[str, Any]:
        """Return the expected outcomes of the switches before `until`, in order of time; `next` continues."""
        return await forecast_page(doors, until, limit=limit, after=after, vendor=vendor_of(request))

    @router.get("/forecast/{device_id}", tags=["forecast"])
    async def forecast_of(request: Request, device_id: DeviceId) -> dict[str, Any]:
        """Return the expected outcome of one device's next switch."""
        now, vendor = doors.clock.now(), vendor_of(request)
        async with doors.pool.acquire() as connection:
            view = await connection.fetchval(ONE, device_id, vendor)
            if view is None:
                raise Problem(404, "unknown_device", "no such device is enrolled")
            row = Switchover.from_json(view)
            foreseen = await _foreseen(connection, [row], doors.policy, vendor=vendor, now=now)
        one = foreseen.get(device_id)
        switch = {"outcome": "none"} if one is None else _switch(one)
        return {"as_of": instant(now), "device_id": device_id, **switch}


async def forecast_page(
    doors: Doors, until: datetime, *, limit: int, after: str, vendor: Vendor | None
) -> dict[str, Any]:
    """Return the expected outcomes of up to `limit` switches before `until`, in order of time. Raises `Problem`."""
    now = doors.clock.now()
    if until <= now:
        raise Problem(422, "in_the_past", f"until must lie in the future; it is {instant(now)}", now=instant(now))
    async with doors.pool.acquire() as connection:
        rows = await connection.fetch(PAGE, _milliseconds(until), *_cursor(after), vendor, limit)
        page = [Switchover.from_json(row["view"]) for row in rows]
        foreseen = await _foreseen(connection, page, doors.policy, vendor=vendor, now=now)
    return {
        "as_of": instant(now),
        "until": instant(until),
        "switches": [_switch(foreseen[row.device_id]) for row in page if row.device_id in foreseen],
        "next": f"{page[-1].switch_ms}.{page[-1].device_id}" if len(page) == limit else None,
    }


async def _foreseen(
    connection: Connection, page: Sequence[Switchover], policy: Policy, *, vendor: Vendor | None, now: datetime
) -> dict[DeviceId, SwitchForecast]:
    """Ask the rules, with everybody who wants one of the page's codes until the page ends."""
    waiting = [row for row in page if row.switch_ms is not None]
    if not waiting:
        return {}
    # some who come a moment after the page compete with its last
    last = max(row.switch_ms or 0 for row in waiting) + CHANCE // timedelta(milliseconds=1)
    wanted = sorted({row.reserve.code_ref for row in waiting if row.reserve})
    rows = await connection.fetch(CONTENDERS, wanted, last, CONTENDERS_MAX + 1)
    if len(rows) > CONTENDERS_MAX:
        raise Problem(
            422, "too_many_rivals", f"more than {CONTENDERS_MAX:,} devices wait with these codes; ask for fewer"
        )
    contenders = [Switchover.from_json(row["view"]) for row in rows]
    codes = await codes_of(connection, contenders)
    # in a thread: thousands of decisions in a row would keep heartbeats and other requests waiting
    foreseen = await asyncio.to_thread(simulate_switches, contenders, codes, policy, now=now)
    own = {row.device_id for row in contenders if vendor in (None, row.vendor)}
    return {name: one for name, one in foreseen.items() if name in own}


async def codes_of(connection: Connection, rows: Sequence[Switchover]) -> dict[CodeRef, Code]:
    """Return the codes in the rows, each with those of the rows' devices that hold a seat on it."""
    pairs = {(code_ref, row.device_id or "") for row in rows for code_ref in _refs(row)}
    refs = sorted({code_ref for code_ref, _ in pairs})
    found = await connection.fetch("select code_ref, state from code where code_ref = any($1::text[])", refs)
    seats = await connection.fetch(SEATS, [one for one, _ in pairs], [two for _, two in pairs])
    holders: dict[CodeRef, set[DeviceId]] = {}
    for seat in seats:
        holders.setdefault(seat["code_ref"], set()).add(seat["device_id"])
    return {
        row["code_ref"]: Code.from_json(row["state"]).but(holders=frozenset(holders.get(row["code_ref"], ())))
        for row in found
    }


def _refs(row: Switchover) -> list[CodeRef]:
    refs = (
        row.reserve and row.reserve.code_ref,
        row.license and row.license.code_ref,
        row.reserve and row.reserve.prior_ref,
    )
    return [code_ref for code_ref in refs if code_ref]


def _switch(one: SwitchForecast) -> dict[str, Any]:
    row = one.row
    switch: dict[str, Any] = {
        "device_id": row.device_id,
        "switch_at": instant(one.switch_at),
        "outcome": one.outcome,
        "license_ref": row.license.code_ref if row.license else None,
        "reserve_ref": row.reserve.code_ref if row.reserve else None,
        "reserve_last_group": row.reserve.last_group if row.reserve else None,
        "reason": one.reason,
        "contested": {"seats": one.seats, "devices": one.contenders} if one.outcome == "contested" else None,
        "change": ", and ".join(_changes(one)) or None,
        "findings": [to_builtins(finding) for finding in one.findings],
        "ends_at": instant(one.ends_at) if one.ends_at else None,
        "hold": one.hold,
        "held_until": instant(one.held_until) if one.held_until else None,
        "rivals": list(one.rivals),
    }
    return {name: value for name, value in switch.items() if value not in (None, [])}


def _changes(one: SwitchForecast) -> Iterable[str]:
    """Return what would let the switch pass."""
    if one.seats is not None and one.contenders is not None:
        missing = one.contenders - one.seats
        return ["one more seat" if missing == 1 else f"{missing:,} more seats"]
    return dict.fromkeys(finding.change for finding in one.findings if finding.change and not finding.passed)


def _milliseconds(at: datetime) -> int:
    return (at - EPOCH) // timedelta(milliseconds=1)


def _cursor(after: str) -> Cursor:
    milliseconds, _, device_id = after.partition(".")
    return (int(milliseconds), device_id) if after else (-(2**62), "")


PAGE = """
select view from switchover_forecast
where view ->> 'switch_ms' is not null and (view ->> 'switch_ms')::bigint < $1
    and ((view ->> 'switch_ms')::bigint, device_id) > ($2, $3)
    and ($4::text is null or view ->> 'vendor' = $4)
order by (view ->> 'switch_ms')::bigint, device_id limit $5
"""

CONTENDERS = """
select view from switchover_forecast
where view ->> 'switch_ms' is not null and view -> 'reserve' ->> 'code_ref' = any($1::text[])
    and (view ->> 'switch_ms')::bigint <= $2
limit $3
"""

ONE = "select view from switchover_forecast where device_id = $1 and ($2::text is null or view ->> 'vendor' = $2)"

SEATS = """
select code_ref, device_id from seat join unnest($1::text[], $2::text[]) as asked(code_ref, device_id)
    using (code_ref, device_id)
"""
