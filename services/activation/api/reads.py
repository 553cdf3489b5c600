"""HTTP out: a code, its history, and the devices that hold its seats."""

import json
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request

from services.activation.api.as_of import code_as_of
from services.activation.api.doors import Doors
from services.activation.decider import Code
from shared.calendar import instant
from shared.doors.fields import EventNumber, PageLimit
from shared.doors.history import AskedAsOf, history_page
from shared.doors.problems import Problem
from shared.keys.crypto_shredding import NotSealed
from shared.messages import CodeIssued, CodeRef, decode


def add_reads(router: APIRouter, doors: Doors) -> None:
    """Add the routes."""

    @router.get("/codes/{code_ref}", tags=["codes"])
    async def code(request: Request, code_ref: CodeRef, as_of: AskedAsOf) -> dict[str, Any]:
        """Return a code: its terms, its first activation, its seats, and its customer unless erased.

        With `at`, return what was true, or what was known, at that time (R-125).
        """
        await doors.require(request, code_ref)
        if as_of is not None:
            return await code_as_of(doors, code_ref, as_of)
        row = await doors.pool.fetchrow("select version, state from code where code_ref = $1", code_ref)
        known = Code.from_json(row["state"]) if row else Code()
        if row is None or known.code_ref is None:
            raise Problem(404, "unknown_code", "no such code was issued")
        customer = await _customer(doors, code_ref) if known.has_customer else None
        return {
            "as_of": instant(doors.clock.now()),
            "version": row["version"],
            **known.to_dict(),
            **({"customer": customer} if customer else {}),
        }

    @router.get("/codes/{code_ref}/devices", tags=["codes"])
    async def devices(
        request: Request,
        code_ref: CodeRef,
        limit: PageLimit,
        after: Annotated[str, Query(max_length=64, pattern=r"^[A-Za-z0-9._:-]*$")] = "",
    ) -> dict[str, Any]:
        """Return the devices that hold a seat on a code; `next` continues."""
        await doors.require(request, code_ref)
        rows = await doors.pool.fetch(
            "select device_id from seat where code_ref = $1 and device_id > $2 order by device_id limit $3",
            code_ref,
            after,
            limit,
        )
        device_ids = [row["device_id"] for row in rows]
        more = device_ids[-1] if len(rows) == limit else None
        return {"as_of": instant(doors.clock.now()), "devices": device_ids, "next": more}

    @router.get("/codes/{code_ref}/history", tags=["codes"])
    async def history(
        request: Request,
        code_ref: CodeRef,
        limit: PageLimit,
        as_of: AskedAsOf,
        after: EventNumber = 0,
    ) -> dict[str, Any]:
        """Return a code's events, oldest first, up to `at`; `next` continues."""
        await doors.require(request, code_ref)
        async with doors.pool.acquire() as connection:
            return await history_page(connection, code_ref, as_of, now=doors.clock.now(), after=after, limit=limit)


async def _customer(doors: Doors, code_ref: CodeRef) -> dict[str, Any] | None:
    """Return who bought the code, as the vendor stated; None if it can no longer be decrypted (R-115)."""
    data = await doors.pool.fetchval(ISSUED, code_ref)
    issued = decode(CodeIssued.__name__, CodeIssued.schema_version, data) if data else None
    if not isinstance(issued, CodeIssued) or issued.sealed_customer is None:
        return None
    try:
        text = await doors.sealing.open(issued.sealed_customer)
    except NotSealed:
        return None
    customer: dict[str, Any] | None = json.loads(text) if text else None
    return customer


ISSUED = "select data from event where stream_id = $1 and type = 'CodeIssued'"
