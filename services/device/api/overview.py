"""HTTP out: the fleet at a glance, and what was refused or renewed of late. Translates only.

Counts are read from indexes alone and kept (`Kept`), so no page view counts a fleet. What may be long is bounded.
"""

from collections import Counter
from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Annotated, Any

import asyncpg
from fastapi import APIRouter, Depends, Query

from services.device.api.doors import Doors
from services.device.api.listing import OVER
from services.device.decider import Device, status
from shared.calendar import LAST_MOMENT, instant
from shared.doors.credentials import operator_check
from shared.doors.fields import PageLimit
from shared.doors.history import history_entry
from shared.doors.kept import Kept
from shared.ledger.latest import latest_events
from shared.messages import Reason, ToldMoment

DAYS = 14
"""How many days, in UTC, the overview looks ahead and back; the first one ahead and the last one back is today."""
TOLD_APART_MAX = 10_000
"""Up to so many licenses that are over are asked one by one what they are: grace, expired or blocked."""
REFUSALS_MAX = 10_000
RENEWALS_MAX = 1_000
LATEST_EVENTS = 8
LOOKED_AT_MAX = 5_000
CHUNK_ROWS = 500

After = Annotated[str, Query(max_length=60, pattern=r"^(\d{1,18}\.[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12})?$")]

type JsonObject = dict[str, Any]
type Cursor = tuple[datetime, str]
"""Where a page ended: when its last event occurred, and the event's id."""


def add_overview(router: APIRouter, doors: Doors) -> None:
    """Add the routes; they need the operator key or a console token."""
    operator = Depends(operator_check(doors.operator_key_hash, doors.operator_tokens))
    kept = Kept(lambda: _overview(doors))

    @router.get("/v1/overview", tags=["devices"], dependencies=[operator])
    async def overview() -> JsonObject:
        """Return the fleet at a glance: devices by status, licenses that end, refusals, renewals, latest events.

        `as_of` says when it was counted: the larger the fleet, the longer a count is kept.
        """
        return await kept.value()

    _add_told(router, doors, operator)


def _add_told(router: APIRouter, doors: Doors, operator: Any) -> None:
    @router.get("/v1/refusals", tags=["devices"], dependencies=[operator])
    async def refusals(
        limit: PageLimit,
        reason: Reason | None = None,
        since: ToldMoment | None = None,
        before: ToldMoment | None = None,
        after: After = "",
    ) -> JsonObject:
        """Return what was refused on devices, latest first; `next` continues, also after a page that is not full."""
        return await _told(doors, REFUSALS, reason, since, _cursor(after, before or LAST_MOMENT), limit)

    @router.get("/v1/renewals", tags=["devices"], dependencies=[operator])
    async def renewals(
        limit: PageLimit,
        since: ToldMoment | None = None,
        before: ToldMoment | None = None,
        after: After = "",
    ) -> JsonObject:
        """Return the renewals of devices, latest first, and how long each took to be shown; `next` continues."""
        return await _told(doors, RENEWALS, None, since, _cursor(after, before or LAST_MOMENT), limit)


async def _told(
    doors: Doors, query: str, reason: Reason | None, since: datetime | None, cursor: Cursor, limit: int
) -> JsonObject:
    """Return a page of events behind the cursor, one index entry after the other."""
    found: list[JsonObject] = []
    answer = {"as_of": instant(doors.clock.now()), "events": found}
    for _ in range(LOOKED_AT_MAX // CHUNK_ROWS):
        rows = await doors.pool.fetch(query, *cursor, since or EPOCH, CHUNK_ROWS)
        for row in rows:
            cursor = row["occurred_at"], str(row["event_id"])
            if reason in (None, row["reason"]):
                found.append(_told_entry(row))
            if len(found) == limit:
                return {**answer, "next": _written(*cursor)}
        if len(rows) < CHUNK_ROWS:
            return {**answer, "next": None}
    return {**answer, "next": _written(*cursor)}


async def _overview(doors: Doors) -> JsonObject:
    now = doors.clock.now()
    today = datetime.combine(now.astimezone(UTC), datetime.min.time(), UTC)
    async with doors.pool.acquire() as connection:
        counted = dict(await connection.fetchrow(COUNTS, now) or {})
        ending = await connection.fetch(ENDING, now, today + timedelta(days=DAYS))
        refused = await connection.fetch(REFUSED, today - timedelta(days=DAYS - 1), REFUSALS_MAX)
        renewed = dict(await connection.fetchrow(RENEWED, today - timedelta(days=DAYS - 1), RENEWALS_MAX) or {})
        latest = await latest_events(connection, LATEST_EVENTS)
        over = await connection.fetch(PAST, TOLD_APART_MAX) if counted["over"] <= TOLD_APART_MAX else []
    statuses: Counter[str] = Counter(status(Device.from_json(row["state"]), now, doors.policy) for row in over)
    apart = {name: statuses[name] if counted["over"] <= TOLD_APART_MAX else None for name in OVER}
    return {
        "as_of": instant(now),
        "statuses": {**counted, **apart},
        "ending": _per_day(ending, today.date()),
        "refusals": [
            {"day": row["day"].isoformat(), "reason": row["reason"], "count": row["count"]} for row in refused
        ],
        "refusals_cut": sum(row["count"] for row in refused) == REFUSALS_MAX,
        "freshness": renewed,
        "latest": [{**history_entry(entry), "device_id": entry.event.stream_id} for entry in latest],
    }


def _per_day(rows: Sequence[asyncpg.Record], today: date) -> list[JsonObject]:
    counts = {row["day"]: row["count"] for row in rows}
    days = [today + timedelta(days=number) for number in range(DAYS)]
    return [{"day": day.isoformat(), "count": counts.get(day, 0)} for day in days]


def _told_entry(row: asyncpg.Record) -> JsonObject:
    return {
        "device_id": row["stream_id"],
        "type": row["type"],
        "event_id": str(row["event_id"]),
        "occurred_at": instant(row["occurred_at"]),
        "reason": row["reason"],
        "code_ref": row["code_ref"],
        "order_id": row["order_id"],
        "seconds": row["seconds"],
    }


def _cursor(after: str, first: datetime) -> Cursor:
    microseconds, _, event_id = after.partition(".")
    try:
        return (EPOCH + timedelta(microseconds=int(microseconds)), event_id) if after else (first, FIRST_ID)
    except OverflowError:
        return first, FIRST_ID


def _written(at: datetime, event_id: str) -> str:
    return f"{(at - EPOCH) // timedelta(microseconds=1)}.{event_id}"


EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
FIRST_ID = "00000000-0000-0000-0000-000000000000"
"""Below every id, so that `before` itself is left out."""

# each count walks one index of migration 210 and no table: about a tenth of a second for a million devices
COUNTS = """
select (select count(*) from device where license_ref is null) as unlicensed,
       (select count(*) from device where expires_at is not null and expires_at > $1) as active,
       (select count(*) from device where license_ref is not null and expires_at is null) as over
"""

ENDING = """
select (expires_at at time zone 'UTC')::date as day, count(*) from device
where expires_at is not null and expires_at > $1 and expires_at < $2 group by 1
"""

PAST = "select state from device where license_ref is not null and expires_at is null limit $1"

REFUSED = """
select (occurred_at at time zone 'UTC')::date as day, reason, count(*) from (
    select occurred_at, convert_from(data, 'UTF8')::jsonb ->> 'reason' as reason from event
    where type in ('CodeRejected', 'ActivationRefused', 'RemovalRefused') and occurred_at >= $1
    order by occurred_at desc limit $2
) as latest group by 1, 2 order by 1, 2
"""

# as a device shows it: from the purchase until it was recorded here; two clocks may differ by more
RENEWED = """
select count(*) as renewals, percentile_cont(0.5) within group (order by seconds) as median_seconds,
       percentile_cont(0.95) within group (order by seconds) as slow_seconds, max(seconds) as longest_seconds
from (
    select greatest(extract(epoch from recorded_at - occurred_at), 0)::float8 as seconds from event
    where type = 'LicenseRenewed' and occurred_at >= $1 order by occurred_at desc limit $2
) as latest
"""

_TOLD = """
select stream_id, type, event_id, occurred_at, told ->> 'reason' as reason, told ->> 'code_ref' as code_ref,
       told ->> 'order_id' as order_id, seconds
from (
    select *, convert_from(data, 'UTF8')::jsonb as told,
           greatest(extract(epoch from recorded_at - occurred_at), 0)::float8 as seconds
    from event where {kind} and (occurred_at, event_id) < ($1, $2::uuid) and occurred_at >= $3
    order by occurred_at desc, event_id desc limit $4
) as page
"""
REFUSALS = _TOLD.format(kind="type in ('CodeRejected', 'ActivationRefused', 'RemovalRefused')")
RENEWALS = _TOLD.format(kind="type = 'LicenseRenewed'")
