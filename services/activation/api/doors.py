"""What the routes of the activation service share: who may come in, whose codes exist for it, how an order is taken."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from fastapi import Request
from fastapi.responses import JSONResponse

from services.activation.decider import Code, Command
from shared.doors.answers import recorded, refused_for, refused_order, respond, take_order
from shared.doors.credentials import Bearer, is_operator
from shared.doors.door import Answer, Door
from shared.doors.fields import Body
from shared.doors.preconditions import request_hash
from shared.doors.problems import Problem
from shared.keys.sealing import Sealing
from shared.ledger.clock import Clock
from shared.ledger.command_handler import Outcome
from shared.ledger.database import Pool
from shared.ledger.identity import hash_of
from shared.messages import CodeRef, PurchaseRefused, Vendor
from shared.rules.decider import Refused
from shared.rules.policy import POLICY, Policy

ANY_VENDOR = None
"""The operator: every vendor's codes exist for it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Doors:
    """What the routes need: handed in by the composition root."""

    door: Door[Command, Code]
    pool: Pool
    clock: Clock
    sealing: Sealing
    operator_key_hash: str
    policy: Policy = POLICY

    async def admit(self, request: Request, credential: Bearer) -> None:
        """Let the operator in, and a vendor by its key; `vendor_of` tells who it was. Raises a 403 `Problem`."""
        request.state.vendor = ANY_VENDOR
        if is_operator(credential, self.operator_key_hash):
            return
        vendor = await self.pool.fetchval("select vendor from vendor_key where key_hash = $1", hash_of(credential))
        if vendor is None:
            raise Problem(403, "not_the_operator", "this needs the operator key, or a vendor's")
        request.state.vendor = vendor

    async def exists_for(self, request: Request, code_ref: CodeRef) -> bool:
        """Whether the code exists for who asks: what belongs to another vendor does not (R-108)."""
        vendor = vendor_of(request)
        if vendor is ANY_VENDOR:
            return True  # what nobody issued is refused further in
        return bool(await self.pool.fetchval(OWN, code_ref, vendor))

    async def require(self, request: Request, code_ref: CodeRef) -> None:
        """Raise a 404 `Problem` unless the code exists for who asks."""
        if not await self.exists_for(request, code_ref):
            raise Problem(404, "unknown_code", "no such code was issued")

    async def take(
        self,
        request: Request,
        command: Command,
        *,
        key: str | None,
        body: Body | None = None,
        said: Mapping[str, Any] | None = None,
    ) -> JSONResponse:
        """Take an operator's, a vendor's or a shop's order about a code and respond."""
        if not await self.exists_for(request, command.code_ref):
            # the very answer to an order about a code that nobody issued
            return respond(refused_order(Refused("unknown_code", f"no code {command.code_ref} was issued")))
        answer = await take_order(
            self.door,
            command,
            now=self.clock.now(),
            scope=scope_of(request),
            key=key,
            request_hash=request_hash(request, body),
            answer=lambda outcome: answer_to(outcome, {"code_ref": command.code_ref, **(said or {})}),
        )
        return respond(answer)


def vendor_of(request: Request) -> Vendor | None:
    """Return the vendor that asks, or `ANY_VENDOR` for the operator."""
    vendor: Vendor | None = request.state.vendor
    return vendor


def scope_of(request: Request) -> str:
    """Return within which idempotency keys are told apart: one vendor's keys never meet another's."""
    vendor = vendor_of(request)
    return "operator" if vendor is ANY_VENDOR else f"vendor:{vendor}"


def answer_to(outcome: Outcome, said: Mapping[str, Any]) -> Answer:
    """Return the outcome in words: what was recorded, or the refusal as a problem."""
    if outcome.refused:
        return refused_order(outcome.refused)
    for event in outcome.events:
        if isinstance(event, PurchaseRefused):
            return refused_for(event.reason)
    return Answer(202, {**said, "recorded": recorded(outcome)})


OWN = "select true from code where code_ref = $1 and state ->> 'code_ref' is not null and state ->> 'vendor' = $2"
