"""HTTP in: what a person does in the Licensing window: add, remove or activate a code, or give the license back."""

from typing import Annotated, Literal

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse
from pydantic import Field, SecretStr

from services.device.api.doors import Doors, typed_code
from services.device.decider import Activate, AddCode, RemoveLicense, RemoveReserve
from shared.doors.credentials import Bearer
from shared.doors.fields import Body
from shared.doors.idempotency import IdempotencyKey
from shared.doors.preconditions import ExpectedVersion
from shared.ledger.identity import new_id
from shared.messages import CodeRef, DeviceId

TypedCode = Annotated[SecretStr, Field(max_length=500)]
"""A code as a person typed it. It is never logged, stored or echoed."""


class AddRequest(Body):
    """A code, and the user's choices.

    `when`: if a trial is running, whether the code takes over now or at its end (R-26). `prior_code`: the license that
    a discounted renewal code follows. `accepts_short_term`: take a shorter term if there was none (R-30).
    """

    code: TypedCode
    replace: bool = False
    when: Literal["at_end", "now"] = "at_end"
    prior_code: TypedCode | None = None
    accepts_short_term: bool = False


class AddByReference(Body):
    """The request as it is hashed and logged: codes are replaced by their references."""

    code_ref: CodeRef
    replace: bool
    when: str
    prior_ref: CodeRef | None
    accepts_short_term: bool


class ActivateRequest(Body):
    """Activate now. `code_ref` is the code that the page displayed (R-61)."""

    code_ref: CodeRef | None = None


def add_commands(router: APIRouter, doors: Doors) -> None:
    """Add the routes."""

    @router.post("/{device_id}/codes", status_code=202)
    async def add_code(
        request: Request,
        device_id: DeviceId,
        body: AddRequest,
        credential: Bearer,
        key: IdempotencyKey,
        expected_version: ExpectedVersion,
    ) -> JSONResponse:
        """Add a code: it goes into reserve, or is tried at once if no license is in force. The verdict follows."""
        await doors.authorize(device_id, credential)
        code = typed_code(body.code.get_secret_value())
        prior = typed_code(body.prior_code.get_secret_value(), "prior_code") if body.prior_code else None
        # a SecretStr serializes as stars: requests with different codes would look the same
        wanted = AddByReference(
            code_ref=code.ref,
            replace=body.replace,
            when=body.when,
            prior_ref=prior.ref if prior else None,
            accepts_short_term=body.accepts_short_term,
        )
        command = AddCode(
            device_id=device_id,
            last_group=code.last_group,
            at=doors.clock.now(),
            request_id=new_id(),
            **wanted.model_dump(),
        )
        fields = {"code_ref": code.ref, "last_group": code.last_group}
        return await doors.handle(
            request, command, key=key, fields=fields, expected_version=expected_version, body=wanted
        )

    @router.delete("/{device_id}/codes/reserve", status_code=202)
    async def remove_reserve(
        request: Request,
        device_id: DeviceId,
        credential: Bearer,
        key: IdempotencyKey,
        expected_version: ExpectedVersion,
    ) -> JSONResponse:
        """Give the reserve back, unused."""
        await doors.authorize(device_id, credential)
        command = RemoveReserve(device_id=device_id, at=doors.clock.now(), request_id=new_id())
        return await doors.handle(request, command, key=key, expected_version=expected_version)

    @router.delete("/{device_id}/license", status_code=202)
    async def remove_license(
        request: Request,
        device_id: DeviceId,
        credential: Bearer,
        key: IdempotencyKey,
        expected_version: ExpectedVersion,
    ) -> JSONResponse:
        """Give the license and its seat back; a code in reserve is tried at once."""
        await doors.authorize(device_id, credential)
        command = RemoveLicense(device_id=device_id, at=doors.clock.now(), request_id=new_id())
        return await doors.handle(request, command, key=key, expected_version=expected_version)

    @router.post("/{device_id}/activate-now", status_code=202)
    async def activate_now(
        request: Request,
        device_id: DeviceId,
        credential: Bearer,
        key: IdempotencyKey,
        expected_version: ExpectedVersion,
        body: ActivateRequest | None = None,
    ) -> JSONResponse:
        """Activate the reserve by hand, after expiry."""
        await doors.authorize(device_id, credential)
        code_ref = body.code_ref if body else None
        command = Activate(device_id=device_id, at=doors.clock.now(), request_id=new_id(), code_ref=code_ref)
        return await doors.handle(request, command, key=key, expected_version=expected_version, body=body)
