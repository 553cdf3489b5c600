"""What the routes of the device service share: who may come in, and how an order is taken."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from fastapi import Request
from fastapi.responses import JSONResponse

from services.device.api.watch import Watch
from services.device.decider import Command, Device
from shared.clock import Clock
from shared.command_handler import Outcome
from shared.database import Pool
from shared.door import Answer, Door
from shared.http import (
    Body,
    is_operator,
    recorded,
    refusal,
    refused_order,
    request_hash,
    respond,
    take_order,
)
from shared.identity import hash_of
from shared.ledger import instant
from shared.messages import ActivationRefused, CodeRejected, DeviceId, RemovalRefused
from shared.problems import Problem


@dataclass(frozen=True, slots=True)
class Doors:
    """What the routes need: handed in by the composition root."""

    door: Door[Command, Device]
    pool: Pool
    clock: Clock
    watch: Watch
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
