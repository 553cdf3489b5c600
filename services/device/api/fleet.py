"""Comes in: one code for many devices, and what became of it on each (R-89)."""

import asyncio
from collections.abc import Iterator, Mapping
from typing import Annotated, Any
from uuid import UUID, uuid5

from fastapi import APIRouter, Depends, Request
from fastapi.responses import JSONResponse
from pydantic import Field

from services.device.api.doors import Doors, typed_code
from services.device.api.orders import TypedCode
from services.device.decider import AddCode
from shared.doors.credentials import operator_check
from shared.doors.door import Answer, KeyReused, LedgerAway
from shared.doors.fields import Body
from shared.doors.preconditions import IdempotencyKey, request_hash
from shared.ledger.database import transaction
from shared.ledger.identity import hash_of, new_id
from shared.messages import CodeRef, DeviceId
from shared.rules.codes import Code

PATH = "/v1/fleet/codes"
DEVICES_MAX = 10_000
BODY_BYTES_MAX = 1_000_000
"""So many device ids of the longest kind."""
AT_ONCE_MAX = 400
"""Orders at the door at a time: one commit's worth decided, one gathering."""
RESULTS = {202: "accepted", 404: "unknown_device"}
"""By the door's answer to one device's order; every other answer is a refusal with its reason."""


class FleetCode(Body):
    """One code, added to each of the devices as if its user had typed it."""

    code: TypedCode
    device_ids: Annotated[tuple[DeviceId, ...], Field(min_length=1, max_length=DEVICES_MAX)]
    replace: bool = False


class FleetCodeNamed(Body):
    """What tells one request from another under the same idempotency key."""

    code_ref: CodeRef
    device_ids: tuple[DeviceId, ...]
    replace: bool


def add_fleet(router: APIRouter, doors: Doors) -> None:
    """Add the routes; all of them need the operator key."""
    operator = Depends(operator_check(doors.operator_key_hash))

    @router.post(PATH, tags=["fleet"], dependencies=[operator])
    async def add_codes(request: Request, body: FleetCode, key: IdempotencyKey) -> JSONResponse:
        """Add one code to many devices: 200 if each took it, else 207, always with a result for each.

        Each device decides for itself, in a commit of its own. What was `not_taken` is taken when the request is
        repeated with the same Idempotency-Key; nothing else happens twice.
        """
        code, device_ids = typed_code(body.code.get_secret_value()), tuple(dict.fromkeys(body.device_ids))
        named = FleetCodeNamed(code_ref=code.ref, device_ids=device_ids, replace=body.replace)
        request_id = await _opened(doors, code, named, key=key, sent=request_hash(request, named))
        results = await _served(doors, request_id, code, named)
        await doors.pool.execute(CLOSE, request_id, *zip(*((i, r, w) for i, (r, w) in results.items()), strict=True))
        return JSONResponse(_told(request_id, code, results), _status(results))


async def _opened(doors: Doors, code: Code, named: FleetCodeNamed, *, key: str | None, sent: bytes) -> UUID:
    """Return the id under which the request is kept: a new one, or that of the request with the same key."""
    key_hash = hash_of(key) if key else None
    async with transaction(doors.pool) as connection:
        made = await connection.fetchval(OPEN, new_id(), key_hash, sent, code.ref, code.last_group, doors.clock.now())
        if made is None:
            row = await connection.fetchrow("select * from fleet_request where key_hash = $1", key_hash)
            if row is None or row["request_hash"] != sent:
                raise KeyReused
            return UUID(str(row["request_id"]))
        await connection.execute(LIST, made, named.device_ids)
        return UUID(str(made))


async def _served(
    doors: Doors, request_id: UUID, code: Code, named: FleetCodeNamed
) -> Mapping[DeviceId, tuple[str, str | None]]:
    """Return the result and the reason of each device, in the order of the request."""
    waiting, answers = iter(named.device_ids), dict[DeviceId, Answer | None]()
    orders = (_serve(doors, request_id, code, named, waiting, answers) for _ in range(AT_ONCE_MAX))
    await asyncio.gather(*orders)
    return {device_id: _result(answers.get(device_id)) for device_id in named.device_ids}


async def _serve(
    doors: Doors,
    request_id: UUID,
    code: Code,
    named: FleetCodeNamed,
    waiting: Iterator[DeviceId],
    answers: dict[DeviceId, Answer | None],
) -> None:
    """Send one device's order after the other through the door, until none waits or the ledger is away."""
    for device_id in waiting:
        asked = order_id(request_id, device_id)
        command = AddCode(
            device_id=device_id,
            code_ref=code.ref,
            last_group=code.last_group,
            replace=named.replace,
            at=doors.clock.now(),
            request_id=asked,
        )
        try:
            answers[device_id] = await doors.send(command, key=f"fleet/{asked}", sent=asked.bytes)
        except LedgerAway:
            return


def order_id(request_id: UUID, device_id: DeviceId) -> UUID:
    """Return the id of one device's order: derived, so that a repeated request finds what it did."""
    return uuid5(request_id, device_id)


def _result(answer: Answer | None) -> tuple[str, str | None]:
    if answer is None:
        return "not_taken", "ledger_unavailable"
    result = RESULTS.get(answer.status, "refused")
    return result, answer.body.get("code")


def _status(results: Mapping[DeviceId, tuple[str, str | None]]) -> int:
    return 200 if all(result == "accepted" for result, _ in results.values()) else 207


def _told(request_id: UUID, code: Code, results: Mapping[DeviceId, tuple[str, str | None]]) -> dict[str, Any]:
    entries = [
        {"device_id": device_id, "result": result, "reason": why} for device_id, (result, why) in results.items()
    ]
    counts = dict.fromkeys(("accepted", "refused", "unknown_device", "not_taken"), 0)
    for result, _ in results.values():
        counts[result] += 1
    return {
        "request_id": str(request_id),
        "code_ref": code.ref,
        "last_group": code.last_group,
        "counts": counts,
        "results": entries,
    }


OPEN = """
insert into fleet_request (request_id, key_hash, request_hash, code_ref, last_group, requested_at)
values ($1, $2, $3, $4, $5, $6) on conflict (key_hash) do nothing returning request_id
"""

LIST = "insert into fleet_device (request_id, device_id) select $1, * from unnest($2::text[])"

CLOSE = """
update fleet_device f set result = served.result, reason = served.reason
from unnest($2::text[], $3::text[], $4::text[]) as served(device_id, result, reason)
where f.request_id = $1 and f.device_id = served.device_id
"""
