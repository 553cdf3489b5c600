"""HTTP in: the operator gives and revokes vendors' keys. A key is shown once and stored as a hash (R-108)."""

from typing import Any
from uuid import UUID

from fastapi import APIRouter, Depends

from services.activation.api.doors import Doors
from shared.doors.credentials import operator_check
from shared.doors.problems import Problem
from shared.ledger.identity import hash_of, new_id, new_secret
from shared.ledger.instants import instant
from shared.messages import Vendor


def add_vendors(router: APIRouter, doors: Doors) -> None:
    """Add the routes; they need the operator key."""
    operator = Depends(operator_check(doors.operator_key_hash))

    @router.post("/v1/vendors/{vendor}/keys", status_code=201, tags=["vendors"], dependencies=[operator])
    async def new_key(vendor: Vendor) -> dict[str, Any]:
        """Create a key with which the vendor can issue and see its own codes."""
        key, key_id, now = new_secret(), new_id(), doors.clock.now()
        await doors.pool.execute(KEEP, hash_of(key), key_id, vendor, now)
        return {"vendor": vendor, "key_id": str(key_id), "key": key, "made_at": instant(now)}

    @router.delete("/v1/vendors/{vendor}/keys/{key_id}", tags=["vendors"], dependencies=[operator])
    async def revoke(vendor: Vendor, key_id: UUID) -> dict[str, Any]:
        """Revoke a key."""
        if not await doors.pool.fetchval(REVOKE, vendor, key_id):
            raise Problem(404, "unknown_vendor_key", "this vendor has no such key")
        return {"vendor": vendor, "key_id": str(key_id)}


KEEP = "insert into vendor_key (key_hash, key_id, vendor, made_at) values ($1, $2, $3, $4)"

REVOKE = "delete from vendor_key where vendor = $1 and key_id = $2 returning true"
