"""HTTP in: operators and vendors block or unblock a code, release a seat, or set auto-renewal."""

from typing import Annotated

from fastapi import APIRouter, Query, Request
from fastapi.responses import JSONResponse
from pydantic import Field

from services.activation.api.doors import Doors
from services.activation.decider import BlockCode, ReleaseSeat, SetAutoRenewal, UnblockCode
from shared.doors.fields import Body
from shared.doors.idempotency import IdempotencyKey
from shared.messages import CodeRef, DeviceId, Note

NEXT = "add the code on the other device: POST /v1/devices/{device_id}/codes of the device service"
"""To move a seat, release it here and add the code on the other device, where it is checked again (R-80, R-84)."""


class Explanation(Body):
    """Why the operator does it."""

    note: Annotated[Note, Field(min_length=1)]


class AutoRenewal(Body):
    """Whether the subscription renews itself."""

    auto_renews: bool


def add_operations(router: APIRouter, doors: Doors) -> None:
    """Add the routes."""

    @router.post("/codes/{code_ref}/block", status_code=202, tags=["codes"])
    async def block(request: Request, code_ref: CodeRef, body: Explanation, key: IdempotencyKey) -> JSONResponse:
        """Block a code: no new activations, and active licenses stop after the notice period."""
        command = BlockCode(code_ref=code_ref, note=body.note, at=doors.clock.now())
        return await doors.handle(request, command, key=key, body=body)

    @router.post("/codes/{code_ref}/unblock", status_code=202, tags=["codes"])
    async def unblock(request: Request, code_ref: CodeRef, body: Explanation, key: IdempotencyKey) -> JSONResponse:
        """Unblock a code: activations are allowed again, and licenses that the block stopped resume."""
        command = UnblockCode(code_ref=code_ref, note=body.note, at=doors.clock.now())
        return await doors.handle(request, command, key=key, body=body)

    @router.put("/codes/{code_ref}/auto-renewal", status_code=202, tags=["codes"])
    async def auto_renewal(request: Request, code_ref: CodeRef, body: AutoRenewal, key: IdempotencyKey) -> JSONResponse:
        """Set whether a subscription renews itself from now on."""
        command = SetAutoRenewal(code_ref=code_ref, auto_renews=body.auto_renews, at=doors.clock.now())
        return await doors.handle(request, command, key=key, body=body)

    @router.delete("/codes/{code_ref}/devices/{device_id}", status_code=202, tags=["codes"])
    async def release(
        request: Request,
        code_ref: CodeRef,
        device_id: DeviceId,
        key: IdempotencyKey,
        note: Annotated[Note, Query()] = "",
        keep_reserve: Annotated[bool, Query()] = False,
    ) -> JSONResponse:
        """Release a device's seat, even if the device is lost; with `keep_reserve` its reserve is not activated.

        To move the seat, add the code on the other device afterwards.
        """
        command = ReleaseSeat(
            code_ref=code_ref, device_id=device_id, note=note, keep_reserve=keep_reserve, at=doors.clock.now()
        )
        return await doors.handle(request, command, key=key, fields={"next": NEXT})
