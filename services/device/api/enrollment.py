"""Comes in: devices that ask to be known, their add-on products, and new tokens for those that were reinstalled."""

from math import ceil
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Header, Request, Response
from fastapi.responses import JSONResponse
from pydantic import Field

from services.device.api.doors import Doors
from services.device.decider import EnrollDevice
from shared.doors.answers import refused_order, take_order
from shared.doors.credentials import Bearer, is_operator, operator_check
from shared.doors.door import Answer
from shared.doors.fields import Body
from shared.doors.preconditions import request_hash
from shared.doors.problems import Problem, problem_response
from shared.keys.signing import PublicKeys
from shared.ledger.database import Connection, transaction
from shared.ledger.events import stream_page
from shared.ledger.identity import hash_of, new_id, new_secret
from shared.messages import DeviceEnrolled, DeviceId, Product, ProductVersion, PublicKey, Region, Vendor, decode

Name = Annotated[str, Field(min_length=1, max_length=200, pattern=r"^[^\x00-\x1f]+$")]
"""What a person calls a device."""


class AddOn(Body):
    """A further product on a device: it has a license and a reserve of its own (R-42)."""

    product: Product
    product_version: ProductVersion | None = None
    vendor: Vendor = "default"


class Enrollment(AddOn):
    """A device asks to be known. With the `public_key` (Ed25519, base64url) its own statements are checked (R-114)."""

    region: Region
    name: Name | None = None
    public_key: PublicKey | None = None


def add_enrollment(router: APIRouter, doors: Doors) -> None:
    """Add the routes."""
    operator = Depends(operator_check(doors.operator_key_hash))

    @router.post("", status_code=201)
    async def enroll(
        request: Request, body: Enrollment, authorization: Annotated[str | None, Header()] = None
    ) -> Response:
        """Enroll a device. The token is told once and stored as a hash."""
        if wait := _wait_seconds(doors, request, authorization):
            headers = {"Retry-After": str(ceil(wait))}
            return problem_response(429, "too_many_enrollments", "too many devices from this address", headers)
        device_id, token = str(new_id()), new_secret()
        sealed = await doors.sealing.seal(device_id, body.name) if body.name else None
        command = _enrollment(doors, device_id, body, region=body.region, sealed_name=sealed)

        async def keep_token(connection: Connection) -> None:
            await connection.execute(
                "insert into device_token (device_id, token_hash) values ($1, $2)", device_id, hash_of(token)
            )

        answer = await _enrolled(doors, request, body, command, keep_token)
        key_id = {"key_id": _key_id(body.public_key)} if body.public_key else {}
        return JSONResponse({**answer.body, "token": token, **key_id}, answer.status)

    @router.post("/{device_id}/products", status_code=201)
    async def add_product(request: Request, device_id: DeviceId, body: AddOn, credential: Bearer) -> JSONResponse:
        """Enroll a further product on the device. It answers to the device's token under an id of its own."""
        await doors.authorize(device_id, credential)
        main = await enrollment_of(doors, device_id)
        command = _enrollment(
            doors, str(new_id()), body, region=main.region, part_of=device_id, public_key=main.public_key
        )

        async def share_token(connection: Connection) -> None:
            await connection.execute(
                "insert into device_token (device_id, token_hash)"
                " select $1, token_hash from device_token where device_id = $2",
                command.device_id,
                device_id,
            )

        answer = await _enrolled(doors, request, body, command, share_token)
        return JSONResponse(answer.body, answer.status)

    @router.post("/{device_id}/token", dependencies=[operator])
    async def rotate_token(device_id: DeviceId) -> dict[str, str]:
        """Give a reinstalled device a new token: the same identity, so the same seat. The old one opens nothing."""
        token = new_secret()
        async with transaction(doors.pool) as connection:
            if not await connection.fetchval("select 1 from device where device_id = $1", device_id):
                raise Problem(404, "unknown_device", "no such device is enrolled")
            await connection.execute(ROTATE, device_id, hash_of(token))
            # its count of contacts begins again, and that is no clone
            await connection.execute("delete from device_contact where device_id = $1", device_id)
        return {"device_id": device_id, "token": token}

    @router.delete("/{device_id}/name")
    async def erase_name(device_id: DeviceId, credential: Bearer) -> dict[str, Any]:
        """Erase what people called the device: the key that sealed it is destroyed, the ledger stays whole (R-115)."""
        await doors.authorize(device_id, credential)
        destroyed = await doors.sealing.destroy(device_id, at=doors.clock.now())
        return {"device_id": device_id, "keys_destroyed": len(destroyed)}


def _wait_seconds(doors: Doors, request: Request, authorization: str | None) -> float:
    credential = (authorization or "").partition(" ")[2].strip()
    if is_operator(credential, doors.operator_key_hash):
        return 0.0
    return doors.enrollments.wait_seconds(request.client.host if request.client else "")


def _enrollment(doors: Doors, device_id: DeviceId, body: AddOn, **more: Any) -> EnrollDevice:
    told = body.model_dump(exclude={"name", "region"})
    return EnrollDevice(device_id=device_id, at=doors.clock.now(), request_id=new_id(), **{**told, **more})


async def _enrolled(doors: Doors, request: Request, body: Body, command: EnrollDevice, also: Any) -> Answer:
    return await take_order(
        doors.door,
        command,
        now=command.at,
        scope="enrollment",
        key=command.device_id,
        request_hash=request_hash(request, body),
        answer=lambda outcome: (
            refused_order(outcome.refused) if outcome.refused else Answer(201, {"device_id": command.device_id})
        ),
        also=also,
    )


async def enrollment_of(doors: Doors, device_id: DeviceId) -> DeviceEnrolled:
    """Return the first fact of a device. Raises a 404 `Problem` if nobody enrolled it."""
    async with doors.pool.acquire() as connection:
        entries = await stream_page(connection, device_id, after_version=0, limit=1)
    for entry in entries:
        event = decode(entry.event.type_name, entry.event.schema_version, entry.event.data)
        if isinstance(event, DeviceEnrolled):
            return event
    raise Problem(404, "unknown_device", "no such device is enrolled")


async def public_key_of(doors: Doors, device_id: DeviceId) -> PublicKeys:
    """Return the key that the device enrolled with. Raises a 409 `Problem` if it gave none."""
    enrolled = await enrollment_of(doors, device_id)
    if enrolled.public_key is None:
        raise Problem(409, "no_device_key", "the device enrolled without a public key: nothing it signs can be checked")
    return _keys(enrolled.public_key)


def _keys(public_key: PublicKey) -> PublicKeys:
    return PublicKeys.from_jwks({"keys": [{"kty": "OKP", "crv": "Ed25519", "x": public_key}]})


def _key_id(public_key: PublicKey) -> str:
    """Return the id by which the device must name its key in what it signs."""
    return next(iter(_keys(public_key).by_id))


ROTATE = """
with old as (select token_hash from device_token where device_id = $1)
insert into device_token (device_id, token_hash)
select $1, $2::bytea union select device_id, $2 from device_token where token_hash in (select token_hash from old)
on conflict (device_id) do update set token_hash = excluded.token_hash
"""
