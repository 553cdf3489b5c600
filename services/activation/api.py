"""Comes in: HTTP for vendors, shops and operators. Translates, decides nothing."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query, Request
from fastapi.responses import JSONResponse
from pydantic import AfterValidator, AwareDatetime, Field

from services.activation.decider import (
    BlockCode,
    Code,
    Command,
    IssueCode,
    RecordPurchase,
    ReleaseSeat,
    UnblockCode,
)
from shared.clock import Clock
from shared.codes import new_code
from shared.command_handler import Outcome
from shared.database import Pool
from shared.door import Answer, Door
from shared.http import (
    Body,
    EventNumber,
    IdempotencyKey,
    PageLimit,
    as_json,
    history_entry,
    operator_check,
    recorded,
    refusal,
    refused_order,
    request_hash,
    respond,
    take_order,
)
from shared.ledger import instant, stream_page
from shared.messages import CodeKind, CodeRef, DeviceId, Note, OrderId, Product, PurchaseRefused, Region, Term
from shared.problems import Problem

CODES_MAX = 1_000


def _takes_time(term: Term) -> Term:
    if not any(digit in "123456789" for digit in term):
        raise ValueError("a term of no time")
    return term


class Issue(Body):
    """How many codes of which kind."""

    product: Product
    term: Annotated[Term, AfterValidator(_takes_time)]
    kind: CodeKind = "paid"
    seats: int = Field(default=1, ge=1, le=1_000_000)
    regions: tuple[Region, ...] = Field(default=(), max_length=300)
    activate_by: AwareDatetime | None = None
    count: int = Field(default=1, ge=1, le=CODES_MAX)


class Explanation(Body):
    """Why an operator does something."""

    note: Annotated[Note, Field(min_length=1)]


class Purchase(Body):
    """A renewal was sold. `settled` is false while the payment is only announced."""

    code_ref: CodeRef
    order_id: OrderId
    settled: bool = True
    purchased_at: AwareDatetime | None = None
    term: Term | None = None


@dataclass(frozen=True, slots=True)
class Doors:
    """What the routes need: handed in by the composition root."""

    door: Door[Command, Code]
    pool: Pool
    clock: Clock
    operator_key_hash: str

    async def take(
        self, request: Request, command: Command, *, key: str | None, body: Body | None = None
    ) -> JSONResponse:
        """Take an operator's or shop's order and respond."""
        answer = await take_order(
            self.door,
            command,
            now=self.clock.now(),
            scope="operator",
            key=key,
            request_hash=request_hash(request, body),
            answer=lambda outcome: _answer(outcome, {"code_ref": command.code_ref}),
        )
        return respond(answer)


def _answer(outcome: Outcome, said: Mapping[str, Any]) -> Answer:
    if outcome.refused:
        return refused_order(outcome.refused)
    for event in outcome.events:
        if isinstance(event, PurchaseRefused):
            return refusal(409, event.reason, f"refused: {event.reason.replace('_', ' ')}")
    return Answer(202, {**said, "recorded": recorded(outcome)})


def routes(doors: Doors) -> APIRouter:
    """Return the routes of the activation service: all of them need the operator key."""
    operator = Depends(operator_check(doors.operator_key_hash))
    router = APIRouter(prefix="/v1", dependencies=[operator])
    _add_issue(router, doors)
    _add_orders(router, doors)
    _add_reads(router, doors)
    return router


def _add_issue(router: APIRouter, doors: Doors) -> None:
    @router.post("/codes", status_code=201, tags=["codes"])
    async def issue(request: Request, body: Issue, key: IdempotencyKey) -> JSONResponse:
        """Issue codes. A full code leaves here, once: a repeated request gets the references alone."""
        issued = await asyncio.gather(*(_issue_one(doors, request, body, key, number) for number in range(body.count)))
        return JSONResponse({"codes": issued}, 201)


async def _issue_one(doors: Doors, request: Request, body: Issue, key: str | None, number: int) -> Mapping[str, Any]:
    code, now = new_code(), doors.clock.now()
    command = IssueCode(code_ref=code.ref, last_group=code.last_group, at=now, **body.model_dump(exclude={"count"}))
    answer = await take_order(
        doors.door,
        command,
        now=now,
        scope="operator",
        key=f"{key}/{number}" if key else None,
        request_hash=request_hash(request, body),
        answer=lambda _: Answer(201, {"code_ref": code.ref, "last_group": code.last_group}),
    )
    return answer.body if answer.repeated else {**answer.body, "code": code.reveal()}


def _add_orders(router: APIRouter, doors: Doors) -> None:
    @router.post("/codes/{code_ref}/block", status_code=202, tags=["codes"])
    async def block(request: Request, code_ref: CodeRef, body: Explanation, key: IdempotencyKey) -> JSONResponse:
        """Allow no new activation of a code."""
        command = BlockCode(code_ref=code_ref, note=body.note, at=doors.clock.now())
        return await doors.take(request, command, key=key, body=body)

    @router.post("/codes/{code_ref}/unblock", status_code=202, tags=["codes"])
    async def unblock(request: Request, code_ref: CodeRef, body: Explanation, key: IdempotencyKey) -> JSONResponse:
        """Allow activations of a code again."""
        command = UnblockCode(code_ref=code_ref, note=body.note, at=doors.clock.now())
        return await doors.take(request, command, key=key, body=body)

    @router.delete("/codes/{code_ref}/devices/{device_id}", status_code=202, tags=["codes"])
    async def release(
        request: Request,
        code_ref: CodeRef,
        device_id: DeviceId,
        key: IdempotencyKey,
        note: Annotated[Note, Query()] = "",
    ) -> JSONResponse:
        """Take a device's seat away, even if the device is lost."""
        command = ReleaseSeat(code_ref=code_ref, device_id=device_id, note=note, at=doors.clock.now())
        return await doors.take(request, command, key=key)

    @router.post("/purchases", status_code=202, tags=["purchases"])
    async def purchase(request: Request, body: Purchase, key: IdempotencyKey) -> JSONResponse:
        """A renewal was sold: every device on the code gets it, nothing is entered. The order id counts once."""
        now = doors.clock.now()
        purchased_at = body.purchased_at or now
        if purchased_at > now:
            raise Problem(422, "date_out_of_range", "purchased_at lies in the future")
        command = RecordPurchase(at=now, **{**body.model_dump(), "purchased_at": purchased_at})
        return await doors.take(request, command, key=key, body=body)


def _add_reads(router: APIRouter, doors: Doors) -> None:
    @router.get("/codes/{code_ref}", tags=["codes"])
    async def code(code_ref: CodeRef) -> dict[str, Any]:
        """Return a code: its terms, its first activation, its seats."""
        row = await doors.pool.fetchrow("select version, state from code where code_ref = $1", code_ref)
        known = Code.model_validate_json(row["state"]) if row else Code()
        if row is None or known.code_ref is None:
            raise Problem(404, "unknown_code", "no such code was issued")
        return {"as_of": instant(doors.clock.now()), "version": row["version"], **as_json(known)}

    @router.get("/codes/{code_ref}/devices", tags=["codes"])
    async def devices(
        code_ref: CodeRef,
        limit: PageLimit,
        after: Annotated[str, Query(max_length=64, pattern=r"^[A-Za-z0-9._:-]*$")] = "",
    ) -> dict[str, Any]:
        """Return the devices that hold a seat on a code; `next` continues."""
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
        code_ref: CodeRef,
        limit: PageLimit,
        after: EventNumber = 0,
    ) -> dict[str, Any]:
        """Return a code's events, oldest first; `next` continues."""
        async with doors.pool.acquire() as connection:
            entries = await stream_page(connection, code_ref, after_version=after, limit=limit)
        return {
            "as_of": instant(doors.clock.now()),
            "events": [history_entry(entry) for entry in entries],
            "next": entries[-1].event.version if len(entries) == limit else None,
        }
