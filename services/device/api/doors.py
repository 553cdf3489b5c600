"""What the routes of the device service share: who may come in, and how an order is taken."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from math import ceil
from types import MappingProxyType
from typing import Any

from fastapi import Request
from fastapi.responses import JSONResponse
from pydantic import BaseModel

from services.device.api.watch import Watch
from services.device.decider import Command, Device
from shared.doors.answers import recorded, refused_for, refused_order, respond, take_order
from shared.doors.credentials import is_operator
from shared.doors.door import Answer, Door
from shared.doors.fields import Body
from shared.doors.preconditions import request_hash
from shared.doors.problems import Problem
from shared.doors.throttle import Throttle
from shared.keys.operators import OperatorTokens
from shared.keys.sealing import Sealing
from shared.keys.signing import KeyRing
from shared.ledger.clock import Clock
from shared.ledger.command_handler import Outcome
from shared.ledger.database import Connection, Pool
from shared.ledger.events import instant
from shared.ledger.identity import hash_of
from shared.messages import ActivationRefused, CodeRejected, DeviceId, RemovalRefused
from shared.rules.codes import Code, MalformedCode, read_code

TOO_MANY = 429
EMPTY: Mapping[str, Any] = MappingProxyType({})


@dataclass(frozen=True, slots=True, kw_only=True)
class Doors:
    """What the routes need: handed in by the composition root. `issuer` names this service in what it signs."""

    door: Door[Command, Device]
    pool: Pool
    clock: Clock
    watch: Watch
    sealing: Sealing
    enrollments: Throttle
    keys: KeyRing | None
    issuer: str
    operator_key_hash: str
    operator_tokens: OperatorTokens | None = None

    async def authorize(self, device_id: DeviceId, credential: str) -> None:
        """Let the device itself in, and the operator (R-109). Raises `Problem`.

        The token of a device is also that of its add-on products: each has a row of its own (R-42).
        """
        if is_operator(credential, self.operator_key_hash, self.operator_tokens):
            return
        own = await self.pool.fetchval(
            "select bool_or(device_id = $2) from device_token where token_hash = $1", hash_of(credential), device_id
        )
        if own is None:
            raise Problem(401, "credential_unknown", "this token is not known")
        if not own:
            # the same answer whether or not the other device exists
            raise Problem(403, "not_your_device", "this token belongs to another device")

    def signing_keys(self) -> KeyRing:
        """Return the keys that sign. Raises a 503 `Problem` if this service has none: unsigned is no answer (R-110)."""
        if self.keys is None:
            raise Problem(503, "no_signing_key", "this service was started without PERENNIAL_SIGNING_KEY_FILE")
        return self.keys

    async def order(
        self,
        request: Request,
        command: Command,
        *,
        said: Mapping[str, Any],
        key: str | None,
        version: int | None = None,
        body: BaseModel | None = None,
        also: Callable[[Connection], Awaitable[None]] | None = None,
    ) -> Answer:
        """Take a device's order and return the answer: 202 when something may follow, or the refusal."""
        return await self.send(
            command, said=said, key=key, sent=request_hash(request, body), version=version, also=also
        )

    async def send(
        self,
        command: Command,
        *,
        said: Mapping[str, Any] = EMPTY,
        key: str | None,
        sent: bytes,
        version: int | None = None,
        also: Callable[[Connection], Awaitable[None]] | None = None,
    ) -> Answer:
        """Send an order through the door; `sent` tells it from another one under the same key."""
        return await take_order(
            self.door,
            command,
            now=self.clock.now(),
            scope=f"device:{command.device_id}",
            key=key,
            request_hash=sent,
            version=version,
            answer=lambda outcome: answer_to(outcome, said),
            also=also,
        )

    async def take(
        self,
        request: Request,
        command: Command,
        *,
        said: Mapping[str, Any],
        key: str | None,
        version: int | None = None,
        body: Body | None = None,
    ) -> JSONResponse:
        """Take a device's order and respond."""
        answer = await self.order(request, command, said=said, key=key, version=version, body=body)
        response = respond(answer)
        if answer.status == TOO_MANY:
            # what guesses hold back has no time of its own in its refusal: the device has it
            available_at = answer.body.get("available_at") or await self.pool.fetchval(THROTTLED, command.device_id)
            seconds = (datetime.fromisoformat(available_at) - self.clock.now()).total_seconds() if available_at else 1
            response.headers["Retry-After"] = str(max(ceil(seconds), 1))
        return response


def answer_to(outcome: Outcome, said: Mapping[str, Any]) -> Answer:
    """Return the outcome in words: what was recorded, or the refusal as a problem."""
    if outcome.refused:
        return refused_order(outcome.refused)
    for event in outcome.events:
        if isinstance(event, ActivationRefused | CodeRejected | RemovalRefused):
            available_at = getattr(event, "available_at", None)
            more = {"available_at": instant(available_at)} if available_at else {}
            return refused_for(event.reason, **more)
    return Answer(202, {**said, "recorded": recorded(outcome)})


def typed_code(text: str, field: str = "code") -> Code:
    """Return the code that a person typed into `field`. Raises a 400 `Problem` that says what is wrong (R-06)."""
    try:
        return read_code(text)
    except MalformedCode as error:
        more = {"problem": error.problem, "groups": error.groups, "field": field}
        raise Problem(400, "malformed", error.message, **more) from None


THROTTLED = "select state ->> 'throttled_until' from device where device_id = $1"
