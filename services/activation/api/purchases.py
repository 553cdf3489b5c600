"""HTTP in: shops report that a renewal was sold, cancelled before it was paid, or refunded."""

from typing import Annotated

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse
from pydantic import Field

from services.activation.api.doors import Doors
from services.activation.decider import CancelPurchase, LicenseTerm, RecordPurchase, RecordRefund
from shared.doors.fields import Body
from shared.doors.idempotency import IdempotencyKey
from shared.messages import CodeRef, Note, OrderId, ToldMoment


class Purchase(Body):
    """A renewal was sold. `settled` is false while the payment is only announced."""

    code_ref: CodeRef
    order_id: OrderId
    settled: bool = True
    purchased_at: ToldMoment | None = None
    term: LicenseTerm | None = None


class Refund(Body):
    """A purchase for the code was refunded: all of it, or `term` of what it added."""

    code_ref: CodeRef
    note: Annotated[Note, Field(min_length=1)]
    term: LicenseTerm | None = None


class Cancellation(Body):
    """An announced purchase for the code was cancelled."""

    code_ref: CodeRef
    note: Note = ""


def add_purchases(router: APIRouter, doors: Doors) -> None:
    """Add the routes. An order id may contain any characters, even slashes."""

    @router.post("/purchases", status_code=202, tags=["purchases"])
    async def purchase(request: Request, body: Purchase, key: IdempotencyKey) -> JSONResponse:
        """A renewal was sold: every device on the code gets it automatically. Each order id counts once."""
        now = doors.clock.now()
        command = RecordPurchase(at=now, **{**body.model_dump(), "purchased_at": body.purchased_at or now})
        return await doors.handle(request, command, key=key, body=body)

    @router.post("/purchases/{order_id:path}/refund", status_code=202, tags=["purchases"])
    async def refund(request: Request, order_id: OrderId, body: Refund, key: IdempotencyKey) -> JSONResponse:
        """A purchase was refunded: the license is shortened, but never ends before the notice period is over."""
        command = RecordRefund(at=doors.clock.now(), order_id=order_id, **body.model_dump())
        return await doors.handle(request, command, key=key, body=body)

    @router.post("/purchases/{order_id:path}/cancellation", status_code=202, tags=["purchases"])
    async def cancellation(
        request: Request, order_id: OrderId, body: Cancellation, key: IdempotencyKey
    ) -> JSONResponse:
        """An announced purchase will not be settled: nothing waits for it any longer."""
        command = CancelPurchase(at=doors.clock.now(), order_id=order_id, **body.model_dump())
        return await doors.handle(request, command, key=key, body=body)
