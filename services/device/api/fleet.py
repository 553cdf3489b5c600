"""HTTP in: one code for many devices, with a result for each (R-89)."""

import asyncio
from collections.abc import Iterator, Mapping
from typing import Annotated, Any
from uuid import UUID, uuid5

from fastapi import APIRouter, Depends, Request
from fastapi.responses import JSONResponse
from pydantic import Field

from services.device.api.commands import TypedCode
from services.device.api.doors import Doors, typed_code
from services.device.decider import AddCode
from shared.doors.answers import problem_answer
from shared.doors.command_queue import LedgerUnavailable, TooBusy
from shared.doors.credentials import operator_check
from shared.doors.fields import Body
from shared.doors.idempotency import Answer, IdempotencyKey, KeyReused, request_hash
from shared.ledger.database import transaction
from shared.ledger.identity import hash_of, new_id
from shared.messages import CodeRef, DeviceId
from shared.rules.codes import Code

PATH = "/v1/fleet/codes"
DEVICES_MAX = 10_000
BODY_BYTES_MAX = 1_000_000
"""Room for `DEVICES_MAX` ids of the maximum length."""
AT_ONCE_MAX = 400
"""How many commands are submitted at a time: one batch being committed, the next one gathering."""
RESULTS = {202: "accepted", 404: "unknown_device", 503: "not_taken"}
"""By the status of a device's answer. Every other status is a refusal with its reason."""
AWAY = problem_answer(503, "ledger_unavailable", "the ledger did not confirm the command")
BUSY = problem_answer(503, "too_busy", "too many requests are waiting")


class FleetCode(Body):
    """One code, added to each device as if its user had typed it."""

    code: TypedCode
    device_ids: Annotated[tuple[DeviceId, ...], Field(min_length=1, max_length=DEVICES_MAX, strict=False)]
    replace: bool = False


class FleetCodeByReference(Body):
    """The request as it is hashed and logged: the code is replaced by its reference."""

    code_ref: CodeRef
    device_ids: tuple[DeviceId, ...]
    replace: bool


def add_fleet(router: APIRouter, doors: Doors) -> None:
    """Add the route; it needs the operator key."""
    operator = Depends(operator_check(doors.operator_key_hash))

    @router.post(PATH, tags=["fleet"], dependencies=[operator])
    async def add_codes(request: Request, body: FleetCode, key: IdempotencyKey) -> JSONResponse:
        """Add one code to many devices: 200 if all accepted it, else 207, always with a result for each.

        Each device decides for itself, in a commit of its own. Repeat the request with the same Idempotency-Key to
        finish what was `not_taken`. What was refused is decided again, and nothing happens twice.
        """
        code, device_ids = typed_code(body.code.get_secret_value()), tuple(dict.fromkeys(body.device_ids))
        wanted = FleetCodeByReference(code_ref=code.ref, device_ids=device_ids, replace=body.replace)
        request_id = await _open(doors, code, wanted, key=key, sent_hash=request_hash(request, wanted))
        results = await _submit_all(doors, request_id, code, wanted)
        await doors.pool.execute(CLOSE, request_id, *zip(*((i, r, w) for i, (r, w) in results.items()), strict=True))
        return JSONResponse(_body(request_id, code, results), _status(results))


async def _open(doors: Doors, code: Code, wanted: FleetCodeByReference, *, key: str | None, sent_hash: bytes) -> UUID:
    """Store the request and return its id, or return the id of the earlier request with the same key."""
    key_hash = hash_of(key) if key else None
    values = (new_id(), key_hash, sent_hash, code.ref, code.last_group, doors.clock.now())
    async with transaction(doors.pool) as connection:
        created = await connection.fetchval(OPEN, *values)
        if created is None:
            row = await connection.fetchrow("select * from fleet_request where key_hash = $1", key_hash)
            if row is None or row["request_hash"] != sent_hash:
                raise KeyReused
            return UUID(str(row["request_id"]))
        await connection.execute(LIST, created, wanted.device_ids)
        return UUID(str(created))


async def _submit_all(
    doors: Doors, request_id: UUID, code: Code, wanted: FleetCodeByReference
) -> Mapping[DeviceId, tuple[str, str | None]]:
    """Return the result and the reason of each device, in the order of the request."""
    waiting, answers = iter(wanted.device_ids), dict[DeviceId, Answer]()
    workers = (_submit_next(doors, request_id, code, wanted, waiting, answers) for _ in range(AT_ONCE_MAX))
    await asyncio.gather(*workers)
    untried = BUSY if BUSY in answers.values() else AWAY
    return {device_id: _result(answers.get(device_id, untried)) for device_id in wanted.device_ids}


async def _submit_next(
    doors: Doors,
    request_id: UUID,
    code: Code,
    wanted: FleetCodeByReference,
    waiting: Iterator[DeviceId],
    answers: dict[DeviceId, Answer],
) -> None:
    """Submit one device's command after the other, until none is left or the service takes no more."""
    for device_id in waiting:
        command_id = command_id_of(request_id, device_id)
        command = AddCode(
            device_id=device_id,
            code_ref=code.ref,
            last_group=code.last_group,
            replace=wanted.replace,
            at=doors.clock.now(),
            request_id=command_id,
        )
        try:
            answers[device_id] = await doors.submit(command, key=f"fleet/{command_id}", request_hash=command_id.bytes)
        except (LedgerUnavailable, TooBusy) as error:
            answers[device_id] = BUSY if isinstance(error, TooBusy) else AWAY
            return


def command_id_of(request_id: UUID, device_id: DeviceId) -> UUID:
    """Return the id of one device's command. It is derived, so that a repeated request finds what it did before."""
    return uuid5(request_id, device_id)


def _result(answer: Answer) -> tuple[str, str | None]:
    result = RESULTS.get(answer.status, "refused")
    return result, answer.body.get("code")


def _status(results: Mapping[DeviceId, tuple[str, str | None]]) -> int:
    return 200 if all(result == "accepted" for result, _ in results.values()) else 207


def _body(request_id: UUID, code: Code, results: Mapping[DeviceId, tuple[str, str | None]]) -> dict[str, Any]:
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
