"""What the routes of the activation service share: who has access, to which codes, and how a command is submitted."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from fastapi import Request
from fastapi.responses import JSONResponse

from services.activation.decider import Code, Command
from shared.calendar import instant
from shared.doors.answers import event_names, problem_for, problem_for_reason, respond, submit_command
from shared.doors.command_queue import CommandQueue
from shared.doors.credentials import Bearer, is_operator
from shared.doors.fields import Body
from shared.doors.idempotency import Answer, request_hash
from shared.doors.problems import Problem
from shared.keys.crypto_shredding import Sealing
from shared.ledger.clock import Clock
from shared.ledger.command_handler import Outcome
from shared.ledger.database import Pool
from shared.ledger.identity import hash_of
from shared.messages import CodeRef, LicenseRenewed, LicenseShortened, PurchaseRefused, Vendor
from shared.rules.decider import Refused
from shared.rules.policy import POLICY, Policy

ANY_VENDOR = None
"""The operator, who sees every vendor's codes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Doors:
    """What the routes need, from the composition root."""

    queue: CommandQueue[Command, Code]
    pool: Pool
    clock: Clock
    sealing: Sealing
    operator_key_hash: str
    policy: Policy = POLICY

    async def admit(self, request: Request, credential: Bearer) -> None:
        """Admit the operator, and a vendor by its key; `vendor_of` tells which. Raises a 403 `Problem`."""
        request.state.vendor = ANY_VENDOR
        if is_operator(credential, self.operator_key_hash):
            return
        vendor = await self.pool.fetchval("select vendor from vendor_key where key_hash = $1", hash_of(credential))
        if vendor is None:
            raise Problem(403, "not_the_operator", "this needs the operator key or a vendor key")
        request.state.vendor = vendor

    async def exists_for(self, request: Request, code_ref: CodeRef) -> bool:
        """Tell whether the code exists for the client: to a vendor, other vendors' codes do not exist (R-108)."""
        vendor = vendor_of(request)
        if vendor is ANY_VENDOR:
            return True  # a code that was never issued is refused by the rules
        return bool(await self.pool.fetchval(OWN, code_ref, vendor))

    async def require(self, request: Request, code_ref: CodeRef) -> None:
        """Raise a 404 `Problem` unless the code exists for the client."""
        if not await self.exists_for(request, code_ref):
            raise Problem(404, "unknown_code", "no such code was issued")

    async def handle(
        self,
        request: Request,
        command: Command,
        *,
        key: str | None,
        body: Body | None = None,
        fields: Mapping[str, Any] | None = None,
    ) -> JSONResponse:
        """Submit a command about a code and return the response, with `fields` unless it is refused."""
        if not await self.exists_for(request, command.code_ref):
            # exactly the answer for a code that was never issued
            return respond(problem_for(Refused("unknown_code", f"no code {command.code_ref} was issued")))
        answer = await submit_command(
            self.queue,
            command,
            now=self.clock.now(),
            scope=scope_of(request),
            key=key,
            request_hash=request_hash(request, body),
            to_answer=lambda outcome: answer_to(outcome, {"code_ref": command.code_ref, **(fields or {})}),
        )
        return respond(answer)


def vendor_of(request: Request) -> Vendor | None:
    """Return the vendor that sent the request, or `ANY_VENDOR` for the operator."""
    vendor: Vendor | None = request.state.vendor
    return vendor


def scope_of(request: Request) -> str:
    """Return the scope of the request's idempotency key: two vendors' keys never collide."""
    vendor = vendor_of(request)
    return "operator" if vendor is ANY_VENDOR else f"vendor:{vendor}"


def answer_to(outcome: Outcome, fields: Mapping[str, Any]) -> Answer:
    """Return the answer to an outcome: `fields` and the names of the events, or the refusal as a problem.

    That to a renewal says from where it counts and when the license ends now (R-130).
    """
    if outcome.refused:
        return problem_for(outcome.refused)
    match outcome.events:
        case [PurchaseRefused(reason=reason), *_]:  # behind a purchase, one tells of a refund that came before it
            return problem_for_reason(reason)
        case [LicenseRenewed() as renewed, *refunded]:
            last = next((event for event in reversed(refunded) if isinstance(event, LicenseShortened)), renewed)
            fields = {**fields, "counts_from": instant(renewed.counts_from), "ends_at": instant(last.ends_at)}
    return Answer(202, {**fields, "recorded": event_names(outcome)})


OWN = "select true from code where code_ref = $1 and state ->> 'code_ref' is not null and state ->> 'vendor' = $2"
