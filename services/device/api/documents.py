"""Goes out: the license as a signed document, which a device can show to people who are offline (R-113)."""

from datetime import timedelta
from typing import Annotated, Any

from fastapi import APIRouter, Query, Response

from services.device.api.contact import Nonce
from services.device.api.doors import Doors
from services.device.api.enrollment import enrollment_of
from services.device.api.shown import Shown, shown_of
from services.device.decider import works_until
from shared.doors.credentials import Bearer
from shared.doors.problems import Problem
from shared.keys.sealing import NotSealed
from shared.ledger.events import instant
from shared.messages import DeviceId

LICENSE = "perennial-license"
DOCUMENT_VALID = timedelta(days=30)
"""How long a document counts at most: what is decided after it was made, no document tells."""


def add_documents(router: APIRouter, doors: Doors) -> None:
    """Add the routes."""

    @router.get("/{device_id}/license/document")
    async def document(
        device_id: DeviceId, credential: Bearer, nonce: Annotated[Nonce | None, Query()] = None
    ) -> Response:
        """Return the license as a compact JWS (EdDSA) that names the device and expires; `nonce` binds it to the asker.

        Its claims `iss`, `sub`, `iat`, `exp` are those of a JWT; `/.well-known/jwks.json` has the keys.
        """
        await doors.authorize(device_id, credential)
        keys = doors.signing_keys()
        shown = await shown_of(doors, device_id)
        told = _told(doors, shown, await _name(doors, device_id))
        bound = {"nonce": nonce} if nonce else {}
        return Response(keys.sign({**told, **bound}, kind=LICENSE), media_type="application/jose")


def add_public_keys(router: APIRouter, doors: Doors) -> None:
    """Add the route of the keys by which everything that this service signs is checked."""

    @router.get("/.well-known/jwks.json", tags=["keys"])
    async def jwks() -> dict[str, Any]:
        """Return the public keys (JWKS), those of signatures that still count included."""
        return doors.keys.public.jwks() if doors.keys else {"keys": []}


def _told(doors: Doors, shown: Shown, name: str | None) -> dict[str, Any]:
    """Return what the document says. Raises a 409 `Problem` when no license works on the device."""
    now, device = doors.clock.now(), shown.view.device
    until = works_until(device)
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
        "status": shown.answer["status"],
        "started_at": instant(current.started_at),
        "ends_at": instant(current.ends_at),
        "works_until": instant(until),
        "issued_at": instant(now),
        "expires_at": instant(expires_at),
        "as_of": shown.answer["as_of"],
    }


async def _name(doors: Doors, device_id: DeviceId) -> str | None:
    """Return what people call the device; None if they never said or it was erased (R-115)."""
    sealed = (await enrollment_of(doors, device_id)).sealed_name
    try:
        return await doors.sealing.open(sealed) if sealed else None
    except NotSealed:
        return None  # a tool may have enrolled the device with a name that this service did not seal
