"""Comes in: a customer asks to be forgotten. The key that sealed what was told of the customer is destroyed (R-115)."""

import asyncio
from collections.abc import Sequence
from itertools import batched
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request

from services.activation.api.doors import Doors, scope_of, vendor_of
from services.activation.api.issuing import DEFAULT_VENDOR, Subject, subject_of
from services.activation.decider import EraseCustomer
from shared.doors.answers import take_order
from shared.doors.door import Answer
from shared.doors.preconditions import request_hash
from shared.messages import CodeRef, Vendor

AT_ONCE_MAX = 200


def add_customers(router: APIRouter, doors: Doors) -> None:
    """Add the route."""

    @router.post("/customers/{subject}/erase", tags=["customers"])
    async def erase(
        request: Request, subject: Subject, vendor: Annotated[Vendor, Query()] = DEFAULT_VENDOR
    ) -> dict[str, Any]:
        """Erase a customer: no key, no backup of ours, can read the sealed data again; the ledger stays whole.

        Whoever asks twice, or for nobody, gets the same answer with less in it. `vendor` is the operator's to say.
        """
        owner = vendor_of(request) or vendor
        # the key first: what follows only tells of it, and is told again if this is repeated
        destroyed = await doors.sealing.destroy(subject_of(owner, subject), at=doors.clock.now())
        code_refs = await _codes_of(doors, owner, subject)
        for some in batched(code_refs, AT_ONCE_MAX, strict=False):
            await asyncio.gather(*(_tell(doors, request, code_ref) for code_ref in some))
        await doors.pool.execute(FORGET, owner, subject, code_refs)
        return {"subject": subject, "keys_destroyed": len(destroyed), "codes": code_refs}


async def _codes_of(doors: Doors, vendor: Vendor, subject: str) -> Sequence[CodeRef]:
    rows = await doors.pool.fetch(
        "select code_ref from code_customer where vendor = $1 and subject = $2 order by code_ref", vendor, subject
    )
    return [row["code_ref"] for row in rows]


async def _tell(doors: Doors, request: Request, code_ref: CodeRef) -> None:
    now = doors.clock.now()
    await take_order(
        doors.door,
        EraseCustomer(code_ref=code_ref, at=now),
        now=now,
        scope=scope_of(request),
        key=None,
        request_hash=request_hash(request, None),
        answer=lambda _: Answer(202, {}),
    )


FORGET = "delete from code_customer where vendor = $1 and subject = $2 and code_ref = any($3::text[])"
