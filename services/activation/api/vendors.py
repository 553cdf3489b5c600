"""HTTP in: the operator gives and revokes vendors' keys. A key is shown once and stored as a hash (R-108)."""

from uuid import UUID

from fastapi import APIRouter, Depends, Request
from fastapi.responses import JSONResponse

from services.activation.api.doors import Doors
from shared.calendar import instant
from shared.doors.answers import respond
from shared.doors.credentials import Bearer, operator_check
from shared.doors.idempotency import Answer, IdempotencyKey, answered_once, request_hash
from shared.doors.problems import Problem
from shared.doors.sealed_answers import SEALED, answer_key, seal, with_secret
from shared.ledger.database import Connection
from shared.ledger.identity import hash_of, new_id, new_secret
from shared.messages import Vendor

OPERATOR = "operator"
"""The scope of the operator's idempotency keys."""


def add_vendors(router: APIRouter, doors: Doors) -> None:
    """Add the routes; they need the operator key."""
    operator = Depends(operator_check(doors.operator_key_hash))

    @router.post("/v1/vendors/{vendor}/keys", status_code=201, tags=["vendors"], dependencies=[operator])
    async def new_key(request: Request, vendor: Vendor, key: IdempotencyKey, credential: Bearer) -> JSONResponse:
        """Create a key with which the vendor can issue and see its own codes."""
        secret, key_id, now, sealing_key = new_secret(), new_id(), doors.clock.now(), answer_key(credential, key)

        async def keep(connection: Connection) -> Answer:
            await connection.execute(KEEP, hash_of(secret), key_id, vendor, now)
            shown = {"vendor": vendor, "key_id": str(key_id), "made_at": instant(now)}
            return Answer(201, {**shown, SEALED: seal(secret, sealing_key)})

        sent = request_hash(request, None)
        answer = await answered_once(doors.pool, scope=OPERATOR, key=key, request_hash=sent, at=now, act=keep)
        return respond(with_secret(answer, "key", sealing_key))

    @router.delete("/v1/vendors/{vendor}/keys/{key_id}", tags=["vendors"], dependencies=[operator])
    async def revoke(request: Request, vendor: Vendor, key_id: UUID, key: IdempotencyKey) -> JSONResponse:
        """Revoke a key."""

        async def forget(connection: Connection) -> Answer:
            if not await connection.fetchval(REVOKE, vendor, key_id):
                raise Problem(404, "unknown_vendor_key", "this vendor has no such key")
            return Answer(200, {"vendor": vendor, "key_id": str(key_id)})

        sent, now = request_hash(request, None), doors.clock.now()
        return respond(await answered_once(doors.pool, scope=OPERATOR, key=key, request_hash=sent, at=now, act=forget))


KEEP = "insert into vendor_key (key_hash, key_id, vendor, made_at) values ($1, $2, $3, $4)"

REVOKE = "delete from vendor_key where vendor = $1 and key_id = $2 returning true"
