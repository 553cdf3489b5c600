"""HTTP out: the result of a fleet request on each device (R-89)."""

from collections.abc import Mapping, Sequence
from typing import Annotated, Any
from uuid import UUID

import asyncpg
from fastapi import APIRouter, Depends, Query

from services.device.api.doors import Doors
from services.device.api.fleet import command_id_of
from shared.calendar import instant
from shared.doors.credentials import operator_check
from shared.doors.fields import PageLimit
from shared.doors.problems import Problem
from shared.messages import DeviceId

VERDICTS = ("CodeVerified", "CodeRejected", "LicenseActivated", "ActivationRefused", "ActivationDelayed")

type Row = asyncpg.Record


def add_fleet_results(router: APIRouter, doors: Doors) -> None:
    """Add the route; it needs the operator key."""
    operator = Depends(operator_check(doors.operator_key_hash))

    @router.get("/v1/fleet/requests/{request_id}", tags=["fleet"], dependencies=[operator])
    async def fleet_request(
        request_id: UUID,
        limit: PageLimit,
        after: Annotated[str, Query(max_length=64, pattern=r"^[A-Za-z0-9._:-]*$")] = "",
    ) -> dict[str, Any]:
        """Return the result of the code on each device: whether it was accepted, and the verdict. `next` continues."""
        found = await doors.pool.fetchrow("select * from fleet_request where request_id = $1", request_id)
        if found is None:
            raise Problem(404, "unknown_request", "there is no such fleet request")
        rows = await doors.pool.fetch(PAGE, request_id, after, limit)
        verdicts = await _verdicts(doors, request_id, [row["device_id"] for row in rows])
        return {
            "as_of": instant(doors.clock.now()),
            "request_id": str(request_id),
            "code_ref": found["code_ref"],
            "last_group": found["last_group"],
            "requested_at": instant(found["requested_at"]),
            "devices": [_entry(row, verdicts.get(row["device_id"])) for row in rows],
            "next": rows[-1]["device_id"] if len(rows) == limit else None,
        }


async def _verdicts(doors: Doors, request_id: UUID, device_ids: Sequence[DeviceId]) -> Mapping[DeviceId, Row]:
    command_ids = [str(command_id_of(request_id, device_id)) for device_id in device_ids]
    rows = await doors.pool.fetch(VERDICT, device_ids, command_ids, VERDICTS)
    return {row["device_id"]: row for row in rows}


def _entry(row: Row, verdict: Row | None) -> dict[str, Any]:
    entry = {"device_id": row["device_id"], "result": row["result"] or "not_taken", "reason": row["reason"]}
    if verdict is None:
        return {**entry, "verdict": None}
    latest = {"type": verdict["type"], "occurred_at": instant(verdict["occurred_at"]), "reason": verdict["reason"]}
    return {**entry, "verdict": latest}


PAGE = """
select device_id, result, reason from fleet_device
where request_id = $1 and device_id > $2 order by device_id limit $3
"""

# the latest verdict on the command: a delay may be followed by a license
VERDICT = """
select asked.device_id, latest.type, latest.occurred_at, latest.reason
from unnest($1::text[], $2::text[]) as asked(device_id, command_id)
cross join lateral (
    select type, occurred_at, data ->> 'reason' as reason from event_json
    where stream_id = asked.device_id and type = any($3::text[]) and data ->> 'request_id' = asked.command_id
    order by version desc limit 1
) latest
"""
