"""Queries for the console's pages: what this service knows about codes and devices. Decides nothing."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from services.activation.api import search
from services.activation.decider import Code
from services.activation.forecast import Switchover
from services.activation.projection import CodeView, Holder
from shared.doors.history import history_entry
from shared.ledger.causation import causes_and_effects
from shared.ledger.database import Pool
from shared.ledger.events import from_row
from shared.messages import CodeRef, DeviceId, LastGroup, OrderId

CODES_MAX = 25
SEATS_MAX = 25
EVENTS_MAX = 30

type JsonObject = dict[str, Any]


@dataclass(frozen=True, slots=True)
class VersionedCode:
    """A code in its current version."""

    code: Code
    version: int


@dataclass(frozen=True, slots=True)
class Seat:
    """A device that holds a seat. The dates come from a projection, so they arrive a moment later than the seat."""

    device_id: DeviceId
    since: datetime | None
    ends_at: datetime | None


@dataclass(frozen=True, slots=True)
class KnownDevice:
    """What the activation service knows about a device: from its events, and the seats it holds."""

    row: Switchover | None
    codes: tuple[CodeRef, ...]


async def code_of(pool: Pool, code_ref: CodeRef) -> VersionedCode | None:
    """Return a code, or None if it was never issued."""
    row = await pool.fetchrow("select version, state from code where code_ref = $1", code_ref)
    code = Code.from_json(row["state"]) if row else Code()
    return VersionedCode(code, row["version"]) if row and code.code_ref is not None else None


async def codes_ending(pool: Pool, last_group: LastGroup, *, after: str = "") -> list[Code]:
    """Return the codes with this last group, one more than fits on a page."""
    return await search.codes_ending(pool, last_group, after=after, limit=CODES_MAX + 1)


async def codes_of_order(pool: Pool, order_id: OrderId, *, after: str = "") -> list[Code]:
    """Return the codes of an order, one more than fits on a page."""
    return await search.codes_of_order(pool, order_id, after=after, limit=CODES_MAX + 1)


async def seats_of(pool: Pool, code_ref: CodeRef, *, after: str = "") -> list[Seat]:
    """Return the holders of a code's seats, one more than fits on a page."""
    rows = await pool.fetch(SEATS, code_ref, after, SEATS_MAX + 1)
    view = await pool.fetchval("select view from code_view where code_ref = $1", code_ref)
    holders = {holder.device_id: holder for holder in CodeView.from_json(view).holders} if view else {}
    return [_seat(row["device_id"], holders.get(row["device_id"])) for row in rows]


def _seat(device_id: DeviceId, holder: Holder | None) -> Seat:
    if holder is None:
        return Seat(device_id, None, None)
    return Seat(device_id, holder.activated_at, holder.ends_at)


async def device_of(pool: Pool, device_id: DeviceId) -> KnownDevice | None:
    """Return what is known here about a device, or None if nothing is."""
    view = await pool.fetchval("select view from switchover_forecast where device_id = $1", device_id)
    rows = await pool.fetch("select code_ref from seat where device_id = $1 order by code_ref limit 20", device_id)
    if view is None and not rows:
        return None
    row = Switchover.from_json(view) if view else None
    return KnownDevice(row, tuple(row["code_ref"] for row in rows))


async def last_groups(pool: Pool, code_refs: Sequence[CodeRef]) -> dict[CodeRef, LastGroup]:
    """Return the last groups of these codes, by reference."""
    rows = await pool.fetch("select code_ref, last_group from code where code_ref = any($1::text[])", code_refs)
    return {row["code_ref"]: row["last_group"] for row in rows if row["last_group"]}


async def events_before(pool: Pool, code_ref: CodeRef, before: int) -> list[JsonObject]:
    """Return the latest events of a code before a version, oldest first, in the API's form."""
    rows = await pool.fetch(EVENTS, code_ref, before, EVENTS_MAX)
    return [history_entry(from_row(row)) for row in reversed(rows)]


async def related_here(pool: Pool, events: Sequence[JsonObject]) -> list[JsonObject]:
    """Return the causes and effects of a device's events in this service's log."""
    event_ids = [event["event_id"] for event in events]
    causes = [event["causation_id"] for event in events if event["causation_id"]]
    refs = {ref for event in events if (ref := event["data"].get("code_ref"))}
    async with pool.acquire() as connection:
        found = await causes_and_effects(connection, event_ids=causes, stream_ids=sorted(refs), causes=event_ids)
    return [history_entry(entry) for entry in found]


SEATS = "select device_id from seat where code_ref = $1 and device_id > $2 order by device_id limit $3"

EVENTS = "select * from event where stream_id = $1 and version < $2 order by version desc limit $3"
"""Latest first, by the index of the stream."""
