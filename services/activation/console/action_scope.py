"""Reads the devices that an action on a code can affect: holders, those that wait with it, and rivals. No rule here."""

from collections.abc import Sequence
from dataclasses import dataclass

from services.activation.api.forecast import codes_of
from services.activation.console.preview import Action, Snapshot
from services.activation.decider import Code, devices_of
from services.activation.forecast import Switchover
from shared.ledger.database import Connection, Pool
from shared.messages import CodeRef, DeviceId

HOLDERS_MAX = 500
WAITING_MAX = 500
RIVALS_MAX = 5_000


@dataclass(frozen=True, slots=True)
class ActionScope:
    """The devices that an action can affect. `more`: there are others, which are not included."""

    snapshot: Snapshot
    more: bool


async def action_scope_of(pool: Pool, action: Action) -> ActionScope:
    """Return the devices that the action can affect."""
    code_ref, named = action.code_ref, list(devices_of(action))
    async with pool.acquire() as connection:
        holders = await _rows(connection, HOLDERS, code_ref, named, HOLDERS_MAX)
        waiting = await _rows(connection, WAITING, [code_ref], WAITING_MAX)
        reserves = sorted({row.reserve.code_ref for row in holders if row.reserve} - {code_ref})
        rivals = await _rows(connection, WAITING, reserves, RIVALS_MAX)
        rows = {row.device_id or "": row for row in (*rivals, *waiting, *holders)}
        codes = await codes_of(connection, list(rows.values()))
        code = await _with_holders(connection, code_ref, [*rows, *named])
    full = len(holders) == HOLDERS_MAX or len(waiting) == WAITING_MAX
    return ActionScope(Snapshot(codes={**codes, code_ref: code}, rows=list(rows.values()), now=action.at), more=full)


async def _rows(connection: Connection, query: str, *parameters: object) -> list[Switchover]:
    return [Switchover.from_json(row["view"]) for row in await connection.fetch(query, *parameters)]


async def _with_holders(connection: Connection, code_ref: CodeRef, devices: Sequence[DeviceId]) -> Code:
    """Return the code as a decision needs it: with which of these devices hold a seat."""
    state = await connection.fetchval("select state from code where code_ref = $1", code_ref)
    seats = await connection.fetch(SEATS, code_ref, devices)
    return Code.from_json(state).but(holders=frozenset(seat["device_id"] for seat in seats))


# devices that the action names come first, so the limit never cuts them off
HOLDERS = """
select view from seat join switchover_forecast using (device_id)
where seat.code_ref = $1 order by device_id = any($2::text[]) desc, device_id limit $3
"""

WAITING = """
select view from switchover_forecast
where view ->> 'switch_ms' is not null and view -> 'reserve' ->> 'code_ref' = any($1::text[])
order by (view ->> 'switch_ms')::bigint, device_id limit $2
"""

SEATS = "select device_id from seat where code_ref = $1 and device_id = any($2::text[])"
