"""Comes in: what a person does in the Licensing window. A code is added, removed, activated."""

from typing import Annotated

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse
from pydantic import Field, SecretStr

from services.device.api.doors import Doors
from services.device.decider import Activate, AddCode, RemoveReserve
from shared.codes import MalformedCode, read_code
from shared.http import Bearer, Body, IdempotencyKey, IfVersion
from shared.identity import new_id
from shared.messages import CodeRef, DeviceId
from shared.problems import Problem


class CodeTyped(Body):
    """A code as a person typed it. It is never logged, stored or echoed."""

    code: Annotated[SecretStr, Field(max_length=500)]
    replace: bool = False


class CodeNamed(Body):
    """What tells one Add from another under the same idempotency key."""

    code_ref: CodeRef
    replace: bool


class ActivateRequest(Body):
    """Activate now. `code_ref` is the code that the page showed (R-61)."""

    code_ref: CodeRef | None = None


def add_orders(router: APIRouter, doors: Doors) -> None:
    """Add the routes."""

    @router.post("/{device_id}/codes", status_code=202)
    async def add_code(
        request: Request,
        device_id: DeviceId,
        body: CodeTyped,
        credential: Bearer,
        key: IdempotencyKey,
        version: IfVersion,
    ) -> JSONResponse:
        """Add a code: into reserve, or tried at once when no license is in force. The verdict follows."""
        await doors.authorize(device_id, credential)
        try:
            code = read_code(body.code.get_secret_value())
        except MalformedCode as error:
            raise Problem(400, "malformed", error.message, problem=error.problem, groups=error.groups) from None
        command = AddCode(
            device_id=device_id,
            code_ref=code.ref,
            last_group=code.last_group,
            replace=body.replace,
            at=doors.clock.now(),
            request_id=new_id(),
        )
        said = {"code_ref": code.ref, "last_group": code.last_group}
        # a SecretStr shows as stars: every code would be the same request
        keyed = CodeNamed(code_ref=code.ref, replace=body.replace)
        return await doors.take(request, command, said=said, key=key, version=version, body=keyed)

    @router.delete("/{device_id}/codes/reserve", status_code=202)
    async def remove_reserve(
        request: Request, device_id: DeviceId, credential: Bearer, key: IdempotencyKey, version: IfVersion
    ) -> JSONResponse:
        """Give the reserve back, unspent."""
        await doors.authorize(device_id, credential)
        command = RemoveReserve(device_id=device_id, at=doors.clock.now(), request_id=new_id())
        return await doors.take(request, command, said={}, key=key, version=version)

    @router.post("/{device_id}/activate-now", status_code=202)
    async def activate_now(
        request: Request,
        device_id: DeviceId,
        credential: Bearer,
        key: IdempotencyKey,
        version: IfVersion,
        body: ActivateRequest | None = None,
    ) -> JSONResponse:
        """Activate the reserve by hand, after expiry."""
        await doors.authorize(device_id, credential)
        code_ref = body.code_ref if body else None
        command = Activate(device_id=device_id, at=doors.clock.now(), request_id=new_id(), code_ref=code_ref)
        return await doors.take(request, command, said={}, key=key, version=version, body=body)
