"""HTTP in: devices and their add-on products enroll, and reinstalled devices get new tokens."""

from collections.abc import Awaitable, Callable, Mapping
from math import ceil
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Header, Request, Response
from fastapi.responses import JSONResponse
from pydantic import Field

from services.device.api.doors import Doors
from services.device.decider import EnrollDevice, RecordNewToken
from shared.doors.answers import problem_for, respond, submit_command
from shared.doors.credentials import Bearer, is_operator, operator_check
from shared.doors.fields import Body
from shared.doors.idempotency import Answer, IdempotencyKey, request_hash
from shared.doors.problems import Problem, problem_response
from shared.doors.sealed_answers import SEALED, answer_key, seal, with_secret
from shared.keys.signing import PublicKeys
from shared.ledger.database import Connection
from shared.ledger.events import stream_page
from shared.ledger.identity import hash_of, new_id, new_secret
from shared.messages import DeviceEnrolled, DeviceId, Product, ProductVersion, PublicKey, ToldRegion, Vendor, decode

OK = 200
Name = Annotated[str, Field(min_length=1, max_length=200, pattern=r"^[^\x00-\x1f]+$")]
"""The name that a person gives a device."""
CREATED = 201
UNGUESSABLE_CHARACTERS = 22
"""So many random letters and digits have 128 bits. The key of an enrollment opens the token of its device."""
GUESSABLE = (
    f"without the operator key, an Idempotency-Key of an enrollment has at least {UNGUESSABLE_CHARACTERS} characters"
)


class AddOn(Body):
    """An add-on product on a device, with a license and a reserve of its own (R-42)."""

    product: Product
    product_version: ProductVersion | None = None
    vendor: Vendor = "default"


class Enrollment(AddOn):
    """A new device. The `public_key` (Ed25519, base64url) verifies what the device signs (R-114)."""

    region: ToldRegion
    name: Name | None = None
    public_key: PublicKey | None = None


def add_enrollment(router: APIRouter, doors: Doors) -> None:
    """Add the routes."""
    operator = Depends(operator_check(doors.operator_key_hash))

    @router.post("", status_code=201)
    async def enroll(
        request: Request, body: Enrollment, key: IdempotencyKey, authorization: Annotated[str | None, Header()] = None
    ) -> Response:
        """Enroll a device. The token is shown once and stored as a hash.

        Whoever repeats the request with its Idempotency-Key gets the same device and token. So without the operator key
        the Idempotency-Key must be long enough that nobody guesses it, as a random UUID is.
        """
        if wait := _wait_seconds(doors, request, authorization):
            headers = {"Retry-After": str(ceil(wait))}
            return problem_response(429, "too_many_enrollments", "too many devices from this address", headers)
        credential = _operators(doors, authorization)
        if key and not credential and len(key) < UNGUESSABLE_CHARACTERS:
            raise Problem(
                422, "invalid_fields", GUESSABLE, fields=[{"field": "idempotency-key", "problem": "guessable"}]
            )
        device_id, token, sealing_key = str(new_id()), new_secret(), answer_key(credential, key)
        sealed = await doors.sealing.seal(device_id, body.name) if body.name else None
        command = _enrollment(doors, device_id, body, region=body.region, sealed_name=sealed)

        async def keep_token(connection: Connection) -> None:
            await connection.execute(
                "insert into device_token (device_id, token_hash) values ($1, $2)", device_id, hash_of(token)
            )

        key_id = {"key_id": _key_id(body.public_key)} if body.public_key else {}
        answer = await _enroll(
            doors,
            request,
            body,
            command,
            scope="enrollment:operator" if credential else "enrollment:anybody",
            key=key,
            fields={**key_id, SEALED: seal(token, sealing_key)},
            in_transaction=keep_token,
        )
        return respond(answer if answer.status != CREATED else with_secret(answer, "token", sealing_key))

    @router.post("/{device_id}/products", status_code=201)
    async def add_product(
        request: Request, device_id: DeviceId, body: AddOn, credential: Bearer, key: IdempotencyKey
    ) -> JSONResponse:
        """Enroll an add-on product on the device. It gets an id of its own and shares the device's token."""
        await doors.authorize(device_id, credential)
        main = await enrollment_of(doors, device_id)
        # as it is now: it may have been corrected since
        region = await doors.pool.fetchval("select state ->> 'region' from device where device_id = $1", device_id)
        command = _enrollment(doors, str(new_id()), body, region=region, part_of=device_id, public_key=main.public_key)

        async def share_token(connection: Connection) -> None:
            await connection.execute(
                "insert into device_token (device_id, token_hash)"
                " select $1, token_hash from device_token where device_id = $2",
                command.device_id,
                device_id,
            )

        scope = f"device:{device_id}"
        return respond(
            await _enroll(doors, request, body, command, scope=scope, key=key, fields={}, in_transaction=share_token)
        )

    @router.post("/{device_id}/token", dependencies=[operator])
    async def rotate_token(
        request: Request, device_id: DeviceId, credential: Bearer, key: IdempotencyKey
    ) -> JSONResponse:
        """Give a reinstalled device a new token: the same identity, so the same seat. The old token is revoked.

        It also ends the suspicion of a clone (R-138).
        """
        token, sealing_key = new_secret(), answer_key(credential, key)
        answer = await _rotate(doors, request, device_id, token, key=key, sealed=seal(token, sealing_key))
        return respond(answer if answer.status != OK else with_secret(answer, "token", sealing_key))

    @router.delete("/{device_id}/name")
    async def erase_name(device_id: DeviceId, credential: Bearer) -> dict[str, Any]:
        """Erase the device's name: the key that encrypts it is destroyed, the ledger stays unchanged (R-115).

        Takes no Idempotency-Key: what is destroyed cannot be destroyed twice.
        """
        await doors.authorize(device_id, credential)
        destroyed = await doors.sealing.destroy(device_id, at=doors.clock.now())
        return {"device_id": device_id, "keys_destroyed": len(destroyed)}


async def _rotate(
    doors: Doors, request: Request, device_id: DeviceId, token: str, *, key: str | None, sealed: str
) -> Answer:
    """Replace the token of the device and its add-on products, which end the suspicion of a clone together (R-138)."""
    now, sharing = doors.clock.now(), await doors.pool.fetch(SHARING, device_id)

    async def replace(connection: Connection) -> None:
        rows = await connection.fetch(ROTATE, device_id, hash_of(token))
        # their contact counts start again, which must not look like a clone
        await connection.execute(FORGET_CONTACTS, [row["device_id"] for row in rows])

    rotated = Answer(OK, {"device_id": device_id, SEALED: sealed})
    return await submit_command(
        doors.queue,
        *(
            RecordNewToken(device_id=each, at=now, request_id=new_id())
            for each in (device_id, *(row["device_id"] for row in sharing))
        ),
        now=now,
        scope="operator",
        key=key,
        request_hash=request_hash(request, None),
        to_answer=lambda outcome: problem_for(outcome.refused) if outcome.refused else rotated,
        in_transaction=replace,
    )


def _operators(doors: Doors, authorization: str | None) -> str:
    """Return the credential if it is the operator's, else nothing."""
    credential = (authorization or "").partition(" ")[2].strip()
    return credential if is_operator(credential, doors.operator_key_hash) else ""


def _wait_seconds(doors: Doors, request: Request, authorization: str | None) -> float:
    if _operators(doors, authorization):
        return 0.0
    return doors.enrollments.wait_seconds(request.client.host if request.client else "")


def _enrollment(doors: Doors, device_id: DeviceId, body: AddOn, **more: Any) -> EnrollDevice:
    fields = {**body.model_dump(exclude={"name", "region"}), **more}
    # all was checked when it came in; the region of a device of an earlier release may be no country
    return EnrollDevice.model_construct(device_id=device_id, at=doors.clock.now(), request_id=new_id(), **fields)


async def _enroll(
    doors: Doors,
    request: Request,
    body: Body,
    command: EnrollDevice,
    *,
    scope: str,
    key: str | None,
    fields: Mapping[str, Any],
    in_transaction: Callable[[Connection], Awaitable[None]],
) -> Answer:
    """Enroll and return the answer, with `fields` unless it is refused."""
    enrolled = Answer(CREATED, {"device_id": command.device_id, **fields})
    return await submit_command(
        doors.queue,
        command,
        now=command.at,
        scope=scope,
        key=key,
        request_hash=request_hash(request, body),
        to_answer=lambda outcome: problem_for(outcome.refused) if outcome.refused else enrolled,
        in_transaction=in_transaction,
    )


async def enrollment_of(doors: Doors, device_id: DeviceId) -> DeviceEnrolled:
    """Return the first event of a device. Raises a 404 `Problem` if it is not enrolled."""
    async with doors.pool.acquire() as connection:
        entries = await stream_page(connection, device_id, after_version=0, limit=1)
    for entry in entries:
        event = decode(entry.event.type_name, entry.event.schema_version, entry.event.data)
        if isinstance(event, DeviceEnrolled):
            return event
    raise Problem(404, "unknown_device", "no such device is enrolled")


async def public_key_of(doors: Doors, device_id: DeviceId) -> PublicKeys:
    """Return the key that the device enrolled with. Raises a 409 `Problem` if it has none."""
    enrolled = await enrollment_of(doors, device_id)
    if enrolled.public_key is None:
        raise Problem(
            409, "no_device_key", "the device enrolled without a public key: its signatures cannot be checked"
        )
    return _keys(enrolled.public_key)


def _keys(public_key: PublicKey) -> PublicKeys:
    return PublicKeys.from_jwks({"keys": [{"kty": "OKP", "crv": "Ed25519", "x": public_key}]})


def _key_id(public_key: PublicKey) -> str:
    """Return the key id that the device must put into what it signs."""
    return next(iter(_keys(public_key).by_id))


SHARING = """
select other.device_id from device_token own join device_token other using (token_hash)
where own.device_id = $1 and other.device_id <> $1
"""

ROTATE = """
with old as (select token_hash from device_token where device_id = $1)
insert into device_token (device_id, token_hash)
select $1, $2::bytea union select device_id, $2 from device_token where token_hash in (select token_hash from old)
on conflict (device_id) do update set token_hash = excluded.token_hash
returning device_id
"""

FORGET_CONTACTS = "delete from device_contact where device_id = any($1::text[])"
