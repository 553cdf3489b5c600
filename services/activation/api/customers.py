"""HTTP in: a customer asks to be forgotten. The key that encrypts the customer's data is destroyed (R-115)."""

import asyncio
from collections.abc import Sequence
from itertools import batched
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request

from services.activation.api.doors import Doors, scope_of, vendor_of
from services.activation.api.issuing import DEFAULT_VENDOR, Subject, subject_of
from services.activation.decider import EraseCustomer
from shared.doors.answers import submit_command
from shared.doors.idempotency import Answer, request_hash
from shared.messages import CodeRef, Vendor

AT_ONCE_MAX = 200


def add_customers(router: APIRouter, doors: Doors) -> None:
    """Add the route."""

    @router.post("/customers/{subject}/erase", tags=["customers"])
    async def erase(
        request: Request, subject: Subject, vendor: Annotated[Vendor, Query()] = DEFAULT_VENDOR
    ) -> dict[str, Any]:
        """Erase a customer: the sealed data can never be read again, and the ledger stays unchanged.

        Takes no Idempotency-Key: a repeated request, or one for an unknown customer, finds less to do. Only the
        operator may set `vendor`.
        """
        owner = vendor_of(request) or vendor
        # the key first: the rest only reports it, and is done again if the request is repeated
        destroyed = await doors.sealing.destroy(subject_of(owner, subject), at=doors.clock.now())
        code_refs = await _codes_of(doors, owner, subject)
        for batch in batched(code_refs, AT_ONCE_MAX, strict=False):
            await asyncio.gather(*(_record_erasure(doors, request, code_ref) for code_ref in batch))
        await doors.pool.execute(FORGET, owner, subject, code_refs)
        return {"subject": subject, "keys_destroyed": len(destroyed), "codes": code_refs}


async def _codes_of(doors: Doors, vendor: Vendor, subject: str) -> Sequence[CodeRef]:
    rows = await doors.pool.fetch(
        "select code_ref from code_customer where vendor = $1 and subject = $2 order by code_ref", vendor, subject
    )
    return [row["code_ref"] for row in rows]


async def _record_erasure(doors: Doors, request: Request, code_ref: CodeRef) -> None:
    now = doors.clock.now()
    await submit_command(
        doors.queue,
        EraseCustomer(code_ref=code_ref, at=now),
        now=now,
        scope=scope_of(request),
        key=None,
        request_hash=request_hash(request, None),
        to_answer=lambda _: Answer(202, {}),
    )


FORGET = "delete from code_customer where vendor = $1 and subject = $2 and code_ref = any($3::text[])"
