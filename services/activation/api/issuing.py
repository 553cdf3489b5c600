"""HTTP in: codes are issued. The only route that ever returns a full code."""

import asyncio
import json
from collections.abc import Mapping
from typing import Annotated, Any

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse
from pydantic import AfterValidator, Field

from services.activation.api.doors import Doors, scope_of, vendor_of
from services.activation.decider import IssueCode
from shared.doors.answers import problem_for, respond, submit_command
from shared.doors.fields import Body, Moment
from shared.doors.idempotency import Answer, IdempotencyKey, request_hash
from shared.doors.problems import Problem
from shared.keys.crypto_shredding import TooLong
from shared.ledger.code_generator import new_code
from shared.ledger.database import Connection
from shared.messages import CodeKind, Edition, Feature, Product, ProductVersion, Region, Sealed, Term, Vendor

CODES_MAX = 1_000
CREATED = 201
DEFAULT_VENDOR = "default"


def _takes_time(term: Term) -> Term:
    if not any(digit in "123456789" for digit in term):
        raise ValueError("a term of zero length")
    return term


LicenseTerm = Annotated[Term, AfterValidator(_takes_time)]
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
    regions: tuple[Region, ...] = Field(default=(), max_length=300)
    activate_by: Moment | None = None
    vendor: Vendor | None = None
    edition: Edition = "standard"
    features: tuple[Feature, ...] = Field(default=(), max_length=100)
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
    async def issue(request: Request, body: Issue, key: IdempotencyKey) -> JSONResponse:
        """Issue codes. The full codes are returned once: a repeated request gets only their references."""
        vendor = _vendor(request, body)
        terms = body.model_dump(exclude={"count", "customer", "vendor"}) | {"vendor": vendor}
        terms["sealed_customer"] = await _sealed(doors, vendor, body.customer)
        numbers = range(body.count)
        issued = await asyncio.gather(*(_issue_one(doors, request, body, terms, key, number) for number in numbers))
        if refused := next((answer for answer in issued if answer.status != CREATED), None):
            return respond(refused)  # the terms are the same for all
        return JSONResponse({"codes": [answer.body for answer in issued]}, CREATED)


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


async def _issue_one(
    doors: Doors, request: Request, body: Issue, terms: Mapping[str, Any], key: str | None, number: int
) -> Answer:
    code, now = new_code(), doors.clock.now()
    command = IssueCode(code_ref=code.ref, last_group=code.last_group, at=now, **terms)

    async def remember_customer(connection: Connection) -> None:
        if body.customer:
            await connection.execute(REMEMBER, command.vendor, body.customer.subject, command.code_ref)

    answer = await submit_command(
        doors.queue,
        command,
        now=now,
        scope=scope_of(request),
        key=f"{key}/{number}" if key else None,
        request_hash=request_hash(request, body),
        to_answer=lambda outcome: (
            problem_for(outcome.refused)
            if outcome.refused
            else Answer(CREATED, {"code_ref": code.ref, "last_group": code.last_group})
        ),
        in_transaction=remember_customer,
    )
    if answer.repeated or answer.status != CREATED:
        return answer
    return Answer(CREATED, {**answer.body, "code": code.reveal()})


REMEMBER = "insert into code_customer (vendor, subject, code_ref) values ($1, $2, $3)"
