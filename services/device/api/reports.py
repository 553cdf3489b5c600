"""Comes in: what a device tells of itself. What is installed on it, and what it did while it was away."""

from hashlib import sha256

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from services.device.api.doors import Doors, typed_code
from services.device.api.enrollment import public_key_of
from services.device.api.orders import TypedCode
from services.device.decider import RemoveLicense, ReportInstallation, ReportOfflineActivation
from shared.doors.answers import respond
from shared.doors.credentials import Bearer
from shared.doors.fields import Body, Moment
from shared.doors.preconditions import IdempotencyKey, IfVersion
from shared.doors.problems import Problem
from shared.keys.signing import NotSigned
from shared.ledger.events import instant
from shared.ledger.identity import new_id
from shared.messages import CodeRef, DeviceId, Product, ProductVersion

DEACTIVATION = "perennial-deactivation"
RECEIPT = "perennial-receipt"
PROOF_CHARACTERS_MAX = 4_000


class InstallationReport(Body):
    """What is installed now."""

    product: Product
    product_version: ProductVersion | None = None


class OfflineActivation(Body):
    """The device activated the code by itself."""

    code: TypedCode
    activated_at: Moment


class OfflineActivationNamed(Body):
    """What tells one report from another under the same idempotency key."""

    code_ref: CodeRef
    activated_at: Moment


class Proof(Body):
    """A compact JWS that the device made with its enrolled key (EdDSA) while it was away."""

    proof: str = Field(max_length=PROOF_CHARACTERS_MAX)


class Deactivation(BaseModel):
    """What the proof says: the device `device_id` gave the license of `code_ref` back at `removed_at`."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    device_id: DeviceId
    code_ref: CodeRef
    removed_at: Moment


def add_reports(router: APIRouter, doors: Doors) -> None:
    """Add the routes."""

    @router.put("/{device_id}/installation", status_code=202)
    async def installation(
        request: Request,
        device_id: DeviceId,
        body: InstallationReport,
        credential: Bearer,
        key: IdempotencyKey,
        version: IfVersion,
    ) -> JSONResponse:
        """Tell that another product or version is installed: the next check of a code looks at it."""
        await doors.authorize(device_id, credential)
        command = ReportInstallation(
            device_id=device_id, at=doors.clock.now(), request_id=new_id(), **body.model_dump()
        )
        return await doors.take(request, command, said={}, key=key, version=version, body=body)

    @router.post("/{device_id}/offline-activations", status_code=202)
    async def offline_activation(
        request: Request,
        device_id: DeviceId,
        body: OfflineActivation,
        credential: Bearer,
        key: IdempotencyKey,
        version: IfVersion,
    ) -> JSONResponse:
        """Tell that the device activated a code by itself while it was away. The verdict follows."""
        await doors.authorize(device_id, credential)
        code = typed_code(body.code.get_secret_value())
        named = OfflineActivationNamed(code_ref=code.ref, activated_at=body.activated_at)
        command = ReportOfflineActivation(
            device_id=device_id,
            last_group=code.last_group,
            at=doors.clock.now(),
            request_id=new_id(),
            **named.model_dump(),
        )
        said = {"code_ref": code.ref, "last_group": code.last_group}
        return await doors.take(request, command, said=said, key=key, version=version, body=named)

    @router.post("/{device_id}/deactivations", status_code=202)
    async def deactivation(request: Request, device_id: DeviceId, body: Proof, credential: Bearer) -> JSONResponse:
        """Take the proof that the device gave its license back while it was away; answers a signed receipt."""
        await doors.authorize(device_id, credential)
        keys, now = doors.signing_keys(), doors.clock.now()
        told = await _proven(doors, device_id, body.proof)
        command = RemoveLicense(
            device_id=device_id, code_ref=told.code_ref, removed_at=told.removed_at, at=now, request_id=new_id()
        )
        answer = await doors.order(
            request,
            command,
            said={
                "device_id": device_id,
                "code_ref": told.code_ref,
                "removed_at": instant(told.removed_at),
                "received_at": instant(now),
            },
            # by what it says: the same signature can be written in several ways, and must count once
            key=f"deactivation/{told.code_ref}/{instant(told.removed_at)}",
            body=told,
        )
        response = respond(answer)
        if response.status_code == 202:  # noqa: PLR2004 - HTTP's own number
            receipt = {"iss": doors.issuer, **answer.body, "proof_sha256": sha256(body.proof.encode()).hexdigest()}
            return JSONResponse({**answer.body, "receipt": keys.sign(receipt, kind=RECEIPT)}, 202)
        return response


async def _proven(doors: Doors, device_id: DeviceId, proof: str) -> Deactivation:
    """Return what the device's proof says. Raises `Problem` unless the device's own key signed it for this device."""
    try:
        keys = await public_key_of(doors, device_id)
        told = Deactivation.model_validate(keys.verify(proof, kind=DEACTIVATION))
    except NotSigned as error:
        raise Problem(403, error.code, error.detail) from None
    except ValidationError:
        raise Problem(422, "invalid_fields", "the proof must name device_id, code_ref and removed_at") from None
    if told.device_id != device_id:
        raise Problem(403, "not_your_device", "the proof speaks of another device")
    return told
