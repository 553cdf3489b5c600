"""HTTP in: codes are issued. The only route that ever returns a full code."""

import json
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from typing import Annotated, Any

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse
from pydantic import Field

from services.activation.api.doors import Doors, scope_of, vendor_of
from services.activation.api.sealed_codes import answer_key, open_codes, seal_codes
from services.activation.decider import IssueCode, LicenseTerm
from shared.doors.answers import problem_for, respond, submit_command
from shared.doors.credentials import Bearer
from shared.doors.fields import Body
from shared.doors.idempotency import Answer, IdempotencyKey, answered_before, request_hash
from shared.doors.problems import Problem
from shared.doors.sealed_answers import SealedForAnother
from shared.keys.crypto_shredding import TooLong
from shared.ledger.code_generator import new_code
from shared.ledger.database import Connection
from shared.messages import (
    CodeKind,
    Edition,
    Feature,
    Product,
    ProductVersion,
    Sealed,
    ToldMoment,
    ToldRegion,
    Vendor,
)
from shared.rules.codes import Code

CODES_MAX = 1_000
CREATED = 201
DEFAULT_VENDOR = "default"


Subject = Annotated[str, Field(pattern=r"^[A-Za-z0-9._:@-]{1,128}$")]
"""The vendor's own id of a customer."""
CustomerText = Annotated[str, Field(min_length=1, max_length=300)]


class Customer(Body):
    """Who bought the codes. Stored encrypted with a key of the customer's own, which can be destroyed (R-115)."""

    subject: Subject
    name: CustomerText | None = None
    contact: CustomerText | None = None


class Issue(Body):
    """The terms of the codes and their number. Only the operator may set `vendor`: a vendor issues its own codes."""

    product: Product
    term: LicenseTerm
    kind: CodeKind = "paid"
    seats: int = Field(default=1, ge=1, le=1_000_000)
    regions: tuple[ToldRegion, ...] = Field(default=(), max_length=300, strict=False)
    activate_by: ToldMoment | None = None
    vendor: Vendor | None = None
    edition: Edition = "standard"
    features: tuple[Feature, ...] = Field(default=(), max_length=100, strict=False)
    version_min: ProductVersion | None = None
    version_max: ProductVersion | None = None
    grace_days: int = Field(default=0, ge=0, le=365)
    auto_renews: bool = False
    short_term: LicenseTerm | None = None
    customer: Customer | None = None
    count: int = Field(default=1, ge=1, le=CODES_MAX)


def add_issuing(router: APIRouter, doors: Doors) -> None:
    """Add the route."""

    @router.post("/codes", status_code=201, tags=["codes"])
    async def issue(request: Request, body: Issue, key: IdempotencyKey, credential: Bearer) -> JSONResponse:
        """Issue codes: all of them or none. Only their issuer reads them again, with the same Idempotency-Key.

        Without an Idempotency-Key, the codes of an answer that is lost on its way can never be read.
        """
        vendor, secret = _vendor(request, body), answer_key(credential, key)
        scope, sent = scope_of(request), request_hash(request, body)
        if key and (again := await answered_before(doors.pool, scope=scope, key=key, request_hash=sent)):
            return respond(_readable(again, secret))
        codes = [new_code() for _ in range(body.count)]
        commands = _commands(body, codes, vendor, await _sealed(doors, vendor, body.customer), doors.clock.now())

        async def remember_customer(connection: Connection) -> None:
            if body.customer:
                await connection.execute(REMEMBER, vendor, body.customer.subject, [code.ref for code in codes])

        answer = await submit_command(
            doors.queue,
            *commands,
            now=commands[0].at,
            scope=scope,
            key=key,
            request_hash=sent,
            to_answer=lambda outcome: (
                problem_for(outcome.refused) if outcome.refused else Answer(CREATED, _stored(codes, secret))
            ),
            in_transaction=remember_customer,
        )
        return respond(answer if answer.status != CREATED else _readable(answer, secret))


def subject_of(vendor: Vendor, subject: str) -> str:
    """Return the name under which a customer's key is kept: two vendors may use one id for different people."""
    return f"{vendor}/{subject}"


def _vendor(request: Request, body: Issue) -> Vendor:
    asking = vendor_of(request)
    if asking and body.vendor not in (None, asking):
        raise Problem(403, "not_your_vendor", "this key can only issue codes of its own vendor")
    return asking or body.vendor or DEFAULT_VENDOR


async def _sealed(doors: Doors, vendor: Vendor, customer: Customer | None) -> Sealed | None:
    if customer is None:
        return None
    text = json.dumps(customer.model_dump(exclude_none=True), ensure_ascii=False)
    try:
        return await doors.sealing.seal(subject_of(vendor, customer.subject), text)
    except TooLong as error:
        raise Problem(422, "invalid_fields", f"customer: {error}") from None


def _commands(
    body: Issue, codes: Sequence[Code], vendor: Vendor, sealed_customer: Sealed | None, now: datetime
) -> list[IssueCode]:
    terms = body.model_dump(exclude={"count", "customer", "vendor"})
    terms |= {"vendor": vendor, "sealed_customer": sealed_customer, "at": now}
    return [IssueCode(code_ref=code.ref, last_group=code.last_group, **terms) for code in codes]


def _stored(codes: Sequence[Code], secret: bytes) -> dict[str, Any]:
    """Return the answer in the form that is stored: no whole code in clear."""
    shown = [{"code_ref": code.ref, "last_group": code.last_group} for code in codes]
    return {"codes": shown, "sealed": seal_codes(codes, secret)}


def _readable(answer: Answer, secret: bytes) -> Answer:
    """Return the answer with the whole codes. A request may get the answer of another one with the same key."""
    shown = answer.body["codes"]
    try:
        codes = open_codes(answer.body["sealed"], secret)
    except SealedForAnother:
        raise Problem(409, "sealed_for_another_key", "another credential issued these codes", codes=shown) from None
    readable = [{**each, "code": code} for each, code in zip(shown, codes, strict=True)]
    return replace(answer, body={"codes": readable})


REMEMBER = "insert into code_customer (vendor, subject, code_ref) select $1, $2, unnest($3::text[])"
