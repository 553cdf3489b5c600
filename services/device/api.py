"""Comes in: HTTP. Translates requests into commands and outcomes into answers; decides nothing."""

import asyncio
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any

from fastapi import APIRouter, Header, Query, Request, Response
from fastapi.responses import JSONResponse
from pydantic import Field, SecretStr

from services.device.decider import (
    Activate,
    AddCode,
    Command,
    Device,
    EnrollDevice,
    RemoveReserve,
    days_remaining,
    may_activate_now,
    status,
)
from services.device.projection import LicenseView
from shared.clock import Clock
from shared.codes import MalformedCode, read_code
from shared.command_handler import Outcome
from shared.database import Connection, Pool
from shared.door import Answer, Door
from shared.http import (
    Bearer,
    Body,
    IdempotencyKey,
    IfVersion,
    PageLimit,
    as_json,
    hash_of,
    history_entry,
    is_operator,
    recorded,
    refusal,
    refused_order,
    request_hash,
    respond,
    take_order,
)
from shared.identity import new_id, new_secret
from shared.ledger import instant, stream_page
from shared.messages import ActivationRefused, CodeRef, CodeRejected, DeviceId, Product, Region, RemovalRefused
from shared.problems import Problem

WAIT_SECONDS_MAX = 30.0
WAIT_POLL_SECONDS = 0.05


class Enrollment(Body):
    """A device asks to be known."""

    product: Product
    region: Region


class CodeTyped(Body):
    """A code as a person typed it. It is never logged, stored or echoed."""

    code: Annotated[SecretStr, Field(max_length=500)]
    replace: bool = False


class ActivateRequest(Body):
    """Activate now. `code_ref` is the code that the page showed (R-61)."""

    code_ref: CodeRef | None = None


@dataclass(frozen=True, slots=True)
class Doors:
    """What the routes need: handed in by the composition root."""

    door: Door[Command, Device]
    pool: Pool
    clock: Clock
    operator_key_hash: str

    async def authorize(self, device_id: DeviceId, credential: str) -> None:
        """Let the device itself in, and the operator (R-109). Raises `Problem`."""
        if is_operator(credential, self.operator_key_hash):
            return
        owner = await self.pool.fetchval(
            "select device_id from device_token where token_hash = $1", hash_of(credential)
        )
        if owner is None:
            raise Problem(401, "credential_unknown", "this token is not known")
        if owner != device_id:
            # the same answer whether or not the other device exists
            raise Problem(403, "not_your_device", "this token belongs to another device")

    async def take(
        self,
        request: Request,
        command: Command,
        *,
        said: Mapping[str, Any],
        key: str | None,
        version: int | None,
        body: Body | None = None,
    ) -> JSONResponse:
        """Take a device's order and respond: 202 when something may follow, or the refusal."""
        answer = await take_order(
            self.door,
            command,
            now=self.clock.now(),
            scope=f"device:{command.device_id}",
            key=key,
            request_hash=request_hash(request, body),
            version=version,
            answer=lambda outcome: _answer(outcome, said),
        )
        return respond(answer)


def routes(doors: Doors) -> APIRouter:
    """Return the routes of the device service."""
    router = APIRouter(prefix="/v1/devices", tags=["devices"])
    _add_enrollment(router, doors)
    _add_orders(router, doors)
    _add_reads(router, doors)
    return router


def _add_enrollment(router: APIRouter, doors: Doors) -> None:
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


def _add_orders(router: APIRouter, doors: Doors) -> None:
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
        keyed = CodeTyped(code=SecretStr(code.ref), replace=body.replace)
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


def _answer(outcome: Outcome, said: Mapping[str, Any]) -> Answer:
    """Return the outcome in words: what was recorded, or the refusal as a problem."""
    if outcome.refused:
        return refused_order(outcome.refused)
    for event in outcome.events:
        if isinstance(event, ActivationRefused | CodeRejected | RemovalRefused):
            available_at = getattr(event, "available_at", None)
            more = {"available_at": instant(available_at)} if available_at else {}
            return refusal(409, event.reason, f"refused: {event.reason.replace('_', ' ')}", **more)
    return Answer(202, {**said, "recorded": recorded(outcome)})


def _add_reads(router: APIRouter, doors: Doors) -> None:
    @router.get("/{device_id}/license")
    async def license_of(
        device_id: DeviceId,
        credential: Bearer,
        if_none_match: Annotated[str | None, Header()] = None,
        prefer: Annotated[str | None, Header()] = None,
    ) -> Response:
        """Return the license as people see it. With If-None-Match and `Prefer: wait=N`, wait for a change."""
        await doors.authorize(device_id, credential)
        deadline = asyncio.get_running_loop().time() + _wait_seconds(prefer)
        while True:
            answer, etag = await _shown(doors, device_id)
            if etag != if_none_match:
                return JSONResponse(answer, headers={"ETag": etag})
            if asyncio.get_running_loop().time() >= deadline:
                return Response(status_code=304, headers={"ETag": etag})
            await asyncio.sleep(WAIT_POLL_SECONDS)

    @router.get("/{device_id}/history")
    async def history(
        device_id: DeviceId,
        credential: Bearer,
        limit: PageLimit,
        after: Annotated[int, Query(ge=0)] = 0,
    ) -> dict[str, Any]:
        """Return the device's events, oldest first; `next` continues."""
        await doors.authorize(device_id, credential)
        async with doors.pool.acquire() as connection:
            entries = await stream_page(connection, device_id, after_version=after, limit=limit)
        return {
            "as_of": instant(doors.clock.now()),
            "events": [history_entry(entry) for entry in entries],
            "next": entries[-1].event.version if len(entries) == limit else None,
        }


def _wait_seconds(prefer: str | None) -> float:
    found = re.search(r"\bwait=(\d{1,3})\b", prefer or "")
    return min(float(found[1]), WAIT_SECONDS_MAX) if found else 0.0


async def _shown(doors: Doors, device_id: DeviceId) -> tuple[dict[str, Any], str]:
    """Return the license view with its age: it is of now when it has every event of the device."""
    row = await doors.pool.fetchrow(
        "select d.version as decided, v.version as shown, v.view from device d"
        " left join license_view v using (device_id) where device_id = $1",
        device_id,
    )
    if row is None:
        raise Problem(404, "unknown_device", "no such device is enrolled")
    now = doors.clock.now()
    view = LicenseView.model_validate_json(row["view"]) if row["view"] else LicenseView()
    as_of = now if row["shown"] == row["decided"] or view.changed_at is None else view.changed_at
    answer = shown_license(view, device_id=device_id, now=now, as_of=as_of)
    return answer, f'"{row["shown"] or 0}-{answer["status"]}-{answer.get("days_remaining", 0)}"'


def shown_license(view: LicenseView, *, device_id: DeviceId, now: datetime, as_of: datetime) -> dict[str, Any]:
    """Return what the API says of a device at `now`."""
    device = view.device
    activate = may_activate_now(device, now)
    shown: dict[str, Any] = {
        "device_id": device_id,
        "status": status(device, now),
        "as_of": instant(as_of),
        "may_activate_now": activate.allowed,
        "activate_now_reason": activate.reason,
        "activate_now_available_at": instant(activate.available_at) if activate.available_at else None,
    }
    if device.license:
        shown["license"] = as_json(device.license)
        shown["days_remaining"] = days_remaining(device.license, now)
    if device.reserve:
        shown["reserve"] = as_json(device.reserve)
        shown["reserve"]["takes_over_at"] = instant(device.license.ends_at) if device.license else None
    if device.incoming:
        shown["incoming"] = as_json(device.incoming)
    if view.last_refusal:
        shown["last_refusal"] = as_json(view.last_refusal)
    return shown
