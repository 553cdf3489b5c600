"""Comes in: devices that ask to be known."""

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse

from services.device.api.doors import Doors
from services.device.decider import EnrollDevice
from shared.database import Connection
from shared.door import Answer
from shared.http import Body, request_hash, take_order
from shared.identity import hash_of, new_id, new_secret
from shared.messages import Product, Region


class Enrollment(Body):
    """A device asks to be known."""

    product: Product
    region: Region


def add_enrollment(router: APIRouter, doors: Doors) -> None:
    """Add the route."""

    @router.post("", status_code=201)
    async def enroll(request: Request, body: Enrollment) -> JSONResponse:
        """Enroll a device. The token is told once and stored as a hash."""
        device_id, token = str(new_id()), new_secret()
        now = doors.clock.now()
        command = EnrollDevice(
            device_id=device_id, product=body.product, region=body.region, at=now, request_id=new_id()
        )

        async def keep_token(connection: Connection) -> None:
            await connection.execute(
                "insert into device_token (device_id, token_hash) values ($1, $2)", device_id, hash_of(token)
            )

        answer = await take_order(
            doors.door,
            command,
            now=now,
            scope="enrollment",
            key=device_id,
            request_hash=request_hash(request, body),
            answer=lambda _: Answer(201, {"device_id": device_id}),
            also=keep_token,
        )
        return JSONResponse({**answer.body, "token": token}, answer.status)
