"""HTTP out: the license as a signed document, which a device can present to others offline (R-113)."""

from datetime import timedelta
from typing import Annotated, Any

from fastapi import APIRouter, Query, Response

from services.device.api.contact import Nonce
from services.device.api.doors import Doors
from services.device.api.enrollment import enrollment_of
from services.device.api.representation import Representation, representation_of
from services.device.decider import works_until
from shared.calendar import instant
from shared.doors.credentials import Bearer
from shared.doors.problems import Problem
from shared.keys.crypto_shredding import NotSealed
from shared.messages import DeviceId

LICENSE = "perennial-license"
DOCUMENT_VALID = timedelta(days=30)
"""How long a document is valid at most: it cannot reflect what is decided after it was made."""


def add_documents(router: APIRouter, doors: Doors) -> None:
    """Add the routes."""

    @router.get("/{device_id}/license/document")
    async def document(
        device_id: DeviceId, credential: Bearer, nonce: Annotated[Nonce | None, Query()] = None
    ) -> Response:
        """Return the license as a compact JWS (EdDSA) that names the device and expires; `nonce` binds it to a request.

        Its claims `iss`, `sub`, `iat`, `exp` are those of a JWT; `/.well-known/jwks.json` has the keys.
        """
        await doors.authorize(device_id, credential)
        keys = doors.signing_keys()
        current = await representation_of(doors, device_id)
        claims = _claims(doors, current, await _name(doors, device_id))
        bound = {"nonce": nonce} if nonce else {}
        return Response(keys.sign({**claims, **bound}, kind=LICENSE), media_type="application/jose")


def add_public_keys(router: APIRouter, doors: Doors) -> None:
    """Add the route of the keys that verify everything this service signs."""

    @router.get("/.well-known/jwks.json", tags=["keys"])
    async def jwks() -> dict[str, Any]:
        """Return the public keys (JWKS), including those of older signatures that are still valid."""
        return doors.keys.public.jwks() if doors.keys else {"keys": []}


def _claims(doors: Doors, representation: Representation, name: str | None) -> dict[str, Any]:
    """Return the claims of the document. Raises a 409 `Problem` if no license works on the device."""
    now, device = doors.clock.now(), representation.view.device
    until = works_until(device, doors.policy)
    if device.license is None or until is None or now >= until:
        raise Problem(409, "no_license", "no license works on the device")
    expires_at = min(until, now + DOCUMENT_VALID)
    current = device.license
    return {
        "iss": doors.issuer,
        "sub": device.device_id,
        "iat": int(now.timestamp()),
        "exp": int(expires_at.timestamp()),
        "device_id": device.device_id,
        "device_name": name,
        "product": device.product,
        "kind": current.kind,
        "edition": current.edition,
        "features": list(current.features),
        "code_ref": current.code_ref,
        "status": representation.answer["status"],
        "started_at": instant(current.started_at),
        "ends_at": instant(current.ends_at),
        "works_until": instant(until),
        "issued_at": instant(now),
        "expires_at": instant(expires_at),
        "as_of": representation.answer["as_of"],
    }


async def _name(doors: Doors, device_id: DeviceId) -> str | None:
    """Return the name that people gave the device; None if they gave none or it was erased (R-115)."""
    sealed = (await enrollment_of(doors, device_id)).sealed_name
    try:
        return await doors.sealing.open(sealed) if sealed else None
    except NotSealed:
        return None  # a tool may have enrolled the device with a name that this service did not seal
