"""What the routes of the device service share: who has access, and how a command is submitted."""

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
from shared.calendar import instant
from shared.doors.answers import event_names, problem_for, problem_for_reason, respond, submit_command
from shared.doors.command_queue import CommandQueue
from shared.doors.credentials import is_operator
from shared.doors.fields import Body
from shared.doors.idempotency import Answer, request_hash
from shared.doors.preconditions import Versions
from shared.doors.problems import Problem
from shared.doors.throttle import Throttle
from shared.keys.crypto_shredding import Sealing
from shared.keys.operators import OperatorTokens
from shared.keys.signing import KeyRing
from shared.ledger.clock import Clock
from shared.ledger.command_handler import Outcome
from shared.ledger.database import Connection, Pool
from shared.ledger.identity import hash_of
from shared.messages import ActivationRefused, CodeRejected, DeviceId, RemovalRefused
from shared.rules.codes import Code, MalformedCode, read_code
from shared.rules.policy import POLICY, Policy

TOO_MANY = 429
EMPTY: Mapping[str, Any] = MappingProxyType({})


@dataclass(frozen=True, slots=True, kw_only=True)
class Doors:
    """What the routes need, from the composition root. `issuer` names this service in what it signs.

    `heard_until` returns up to when this worker knows what the activation service said; None if it knows nothing yet.
    """

    queue: CommandQueue[Command, Device]
    pool: Pool
    clock: Clock
    watch: Watch
    heard_until: Callable[[], datetime | None]
    sealing: Sealing
    enrollments: Throttle
    keys: KeyRing | None
    issuer: str
    operator_key_hash: str
    operator_tokens: OperatorTokens | None = None
    policy: Policy = POLICY

    async def authorize(self, device_id: DeviceId, credential: str) -> None:
        """Admit the device itself and the operator (R-109). Raises `Problem`.

        A device's token also opens its add-on products: each has a row of its own (R-42).
        """
        if is_operator(credential, self.operator_key_hash, self.operator_tokens):
            return
        own = await self.pool.fetchval(
            "select bool_or(device_id = $2) from device_token where token_hash = $1", hash_of(credential), device_id
        )
        if own is None:
            raise Problem(401, "credential_unknown", "this token is unknown")
        if not own:
            # the same answer whether or not the other device exists
            raise Problem(403, "not_your_device", "this token belongs to another device")

    def signing_keys(self) -> KeyRing:
        """Return the signing keys. Raises a 503 `Problem` if there are none: unsigned answers prove nothing (R-110)."""
        if self.keys is None:
            raise Problem(503, "no_signing_key", "this service was started without PERENNIAL_SIGNING_KEY_FILE")
        return self.keys

    async def submit(
        self,
        command: Command,
        *,
        key: str | None,
        request_hash: bytes,
        fields: Mapping[str, Any] = EMPTY,
        expected_version: Versions | None = None,
        in_transaction: Callable[[Connection], Awaitable[None]] | None = None,
    ) -> Answer:
        """Submit a command and return its answer, with `fields` unless it is refused.

        `request_hash` tells apart different requests under the same key.
        """
        return await submit_command(
            self.queue,
            command,
            now=self.clock.now(),
            scope=f"device:{command.device_id}",
            key=key,
            request_hash=request_hash,
            expected_version=expected_version,
            to_answer=lambda outcome: answer_to(outcome, fields),
            in_transaction=in_transaction,
        )

    async def submit_request(
        self,
        request: Request,
        command: Command,
        *,
        key: str | None,
        fields: Mapping[str, Any] = EMPTY,
        expected_version: Versions | None = None,
        body: BaseModel | None = None,
        in_transaction: Callable[[Connection], Awaitable[None]] | None = None,
    ) -> Answer:
        """Submit the command of an HTTP request and return its answer: 202 if it was accepted, or the refusal."""
        return await self.submit(
            command,
            key=key,
            request_hash=request_hash(request, body),
            fields=fields,
            expected_version=expected_version,
            in_transaction=in_transaction,
        )

    async def handle(
        self,
        request: Request,
        command: Command,
        *,
        key: str | None,
        fields: Mapping[str, Any] = EMPTY,
        expected_version: Versions | None = None,
        body: Body | None = None,
    ) -> JSONResponse:
        """Submit the command of an HTTP request and return the response."""
        answer = await self.submit_request(
            request, command, key=key, fields=fields, expected_version=expected_version, body=body
        )
        response = respond(answer)
        if answer.status == TOO_MANY:
            # a refusal because of guesses does not say until when: the device's state does
            available_at = answer.body.get("available_at") or await self.pool.fetchval(THROTTLED, command.device_id)
            seconds = (datetime.fromisoformat(available_at) - self.clock.now()).total_seconds() if available_at else 1
            response.headers["Retry-After"] = str(max(ceil(seconds), 1))
        return response


def answer_to(outcome: Outcome, fields: Mapping[str, Any]) -> Answer:
    """Return the answer to an outcome: `fields` and the names of the events, or the refusal as a problem."""
    if outcome.refused:
        return problem_for(outcome.refused)
    for event in outcome.events:
        if isinstance(event, ActivationRefused | CodeRejected | RemovalRefused):
            available_at = getattr(event, "available_at", None)
            more = {"available_at": instant(available_at)} if available_at else {}
            return problem_for_reason(event.reason, **more)
    return Answer(202, {**fields, "recorded": event_names(outcome)})


def typed_code(text: str, field: str = "code") -> Code:
    """Return the code that a person typed into `field`. Raises a 400 `Problem` that says what is wrong (R-06)."""
    try:
        return read_code(text)
    except MalformedCode as error:
        more = {"problem": error.problem, "groups": error.groups, "field": field}
        raise Problem(400, "malformed", error.message, **more) from None


THROTTLED = "select state ->> 'throttled_until' from device where device_id = $1"
