"""HTTP in: what a device reports about itself: what is installed, and what it did offline."""

from hashlib import sha256

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from services.device.api.commands import TypedCode
from services.device.api.doors import Doors, typed_code
from services.device.api.enrollment import public_key_of
from services.device.decider import RemoveLicense, ReportInstallation, ReportOfflineActivation
from shared.calendar import instant
from shared.doors.answers import respond
from shared.doors.credentials import Bearer
from shared.doors.fields import Body
from shared.doors.idempotency import IdempotencyKey
from shared.doors.preconditions import ExpectedVersion
from shared.doors.problems import Problem
from shared.keys.signing import NotSigned
from shared.ledger.identity import new_id
from shared.messages import CodeRef, DeviceId, Product, ProductVersion, ToldMoment
from shared.rules.dates import counted

DEACTIVATION = "perennial-deactivation"
RECEIPT = "perennial-receipt"
PROOF_CHARACTERS_MAX = 4_000


class InstallationReport(Body):
    """What is installed now."""

    product: Product
    product_version: ProductVersion | None = None


class OfflineActivation(Body):
    """The device activated the code offline."""

    code: TypedCode
    activated_at: ToldMoment


class OfflineActivationByReference(Body):
    """The report as it is hashed and logged: the code is replaced by its reference."""

    code_ref: CodeRef
    activated_at: ToldMoment


class Proof(Body):
    """A compact JWS that the device signed offline with its enrolled key (EdDSA)."""

    proof: str = Field(max_length=PROOF_CHARACTERS_MAX)


class Deactivation(BaseModel):
    """The claims of the proof: device `device_id` gave back the license of `code_ref` at `removed_at`."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    device_id: DeviceId
    code_ref: CodeRef
    removed_at: ToldMoment


def add_reports(router: APIRouter, doors: Doors) -> None:
    """Add the routes."""

    @router.put("/{device_id}/installation", status_code=202)
    async def installation(
        request: Request,
        device_id: DeviceId,
        body: InstallationReport,
        credential: Bearer,
        key: IdempotencyKey,
        expected_version: ExpectedVersion,
    ) -> JSONResponse:
        """Report that another product or version is installed: the next check of a code takes it into account."""
        await doors.authorize(device_id, credential)
        command = ReportInstallation(
            device_id=device_id, at=doors.clock.now(), request_id=new_id(), **body.model_dump()
        )
        return await doors.handle(request, command, key=key, expected_version=expected_version, body=body)

    @router.post("/{device_id}/offline-activations", status_code=202)
    async def offline_activation(
        request: Request,
        device_id: DeviceId,
        body: OfflineActivation,
        credential: Bearer,
        key: IdempotencyKey,
        expected_version: ExpectedVersion,
    ) -> JSONResponse:
        """Report that the device activated a code offline. The verdict follows."""
        await doors.authorize(device_id, credential)
        code = typed_code(body.code.get_secret_value())
        wanted = OfflineActivationByReference(code_ref=code.ref, activated_at=body.activated_at)
        command = ReportOfflineActivation(
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

    @router.post("/{device_id}/deactivations", status_code=202)
    async def deactivation(request: Request, device_id: DeviceId, body: Proof, credential: Bearer) -> JSONResponse:
        """Take the proof that the device gave its license back offline, and return a signed receipt.

        Takes no Idempotency-Key: what the proof says counts once.
        """
        await doors.authorize(device_id, credential)
        keys, now = doors.signing_keys(), doors.clock.now()
        proven = await _proven(doors, device_id, body.proof)
        command = RemoveLicense(
            device_id=device_id, code_ref=proven.code_ref, removed_at=proven.removed_at, at=now, request_id=new_id()
        )
        answer = await doors.submit_request(
            request,
            command,
            fields={
                "device_id": device_id,
                "code_ref": proven.code_ref,
                "removed_at": instant(counted(proven.removed_at, at=now)),
                "received_at": instant(now),
            },
            # from the claims: the same signature can be encoded in several ways, and must count once
            key=f"deactivation/{proven.code_ref}/{instant(proven.removed_at)}",
            body=proven,
        )
        response = respond(answer)
        if response.status_code == 202:  # noqa: PLR2004 - HTTP's own number
            receipt = {"iss": doors.issuer, **answer.body, "proof_sha256": sha256(body.proof.encode()).hexdigest()}
            return JSONResponse({**answer.body, "receipt": keys.sign(receipt, kind=RECEIPT)}, 202)
        return response


async def _proven(doors: Doors, device_id: DeviceId, proof: str) -> Deactivation:
    """Return the claims of a proof. Raises `Problem` unless the device's own key signed it for this device."""
    try:
        keys = await public_key_of(doors, device_id)
        proven = Deactivation.model_validate(keys.verify(proof, kind=DEACTIVATION))
    except NotSigned as error:
        raise Problem(403, error.code, error.detail) from None
    except ValidationError:
        raise Problem(422, "invalid_fields", "the proof must name device_id, code_ref and removed_at") from None
    if proven.device_id != device_id:
        raise Problem(403, "not_your_device", "the proof is about another device")
    return proven
