"""Submits a command and turns its outcome into an HTTP answer: the status and the words.

No rule may come in here: this says which status a refusal gets, not when a command is refused.
"""

from collections.abc import Awaitable, Callable, Mapping
from datetime import datetime
from typing import Any

from fastapi.responses import JSONResponse

from shared.doors import preconditions
from shared.doors.command_queue import CommandQueue, PendingCommand
from shared.doors.idempotency import Answer, stored_key
from shared.doors.preconditions import Versions, unchanged_since
from shared.doors.problems import problem_body
from shared.ledger.command_handler import CommandMessage, Outcome
from shared.ledger.database import Connection
from shared.ledger.identity import new_id
from shared.ledger.outbox import Cause
from shared.messages import Reason
from shared.reasons import detail_of
from shared.rules.decider import Refused
from shared.watching.traces import traceparent

REASON_STATUS: Mapping[Reason, int] = {"throttled": 429}
"""Of the reasons that do not mean 409."""

REFUSED_STATUS: Mapping[str, int] = {
    **preconditions.STATUS,
    "date_out_of_range": 422,
    "not_a_subscription": 409,
    "order_reused": 409,
    "device_exists": 409,
}
"""Of the refusals that do not mean 404."""


async def submit_command[Command, State](
    queue: CommandQueue[Command, State],
    *commands: Command,
    now: datetime,
    scope: str,
    key: str | None,
    request_hash: bytes,
    to_answer: Callable[[Outcome], Answer],
    expected_version: Versions | None = None,
    in_transaction: Callable[[Connection], Awaitable[None]] | None = None,
) -> Answer:
    """Submit a command, or several that are one decision, and return the committed answer.

    Without a key every request is a decision of its own.
    """
    correlation_id = new_id()
    cause = Cause(at=now, recorded_at=now, correlation_id=correlation_id, traceparent=traceparent())
    pending = PendingCommand(
        messages=[CommandMessage(command, cause, unchanged_since(expected_version)) for command in commands],
        scope=scope,
        key=stored_key(key) if key else f"once:{correlation_id}",
        request_hash=request_hash,
        to_answer=to_answer,
        in_transaction=in_transaction,
    )
    return await queue.submit(pending)


def respond(answer: Answer) -> JSONResponse:
    """Return an answer as a response, with a header if it is a repeated one."""
    media_type = "application/problem+json" if answer.status >= 400 else None  # noqa: PLR2004 - HTTP's own line
    headers = {"Idempotent-Replay": "true"} if answer.repeated else None
    return JSONResponse(answer.body, answer.status, media_type=media_type, headers=headers)


def problem_answer(status: int, code: str, detail: str, **more: Any) -> Answer:
    """Return an answer in the form of a problem."""
    return Answer(status, problem_body(status, code, detail, **more))


def problem_for_reason(reason: Reason, **more: Any) -> Answer:
    """Return the answer to a command that a rule refused, in the words of the catalogue (R-19)."""
    return problem_answer(REASON_STATUS.get(reason, 409), reason, detail_of(reason), **more)


def problem_for(refused: Refused) -> Answer:
    """Return the answer to a refusal that no stream records: an unknown subject, or a failed precondition."""
    status = REFUSED_STATUS.get(refused.code, 404)
    fields = {"fields": [{"field": refused.field, "problem": refused.code}]} if refused.field else {}
    return problem_answer(status, refused.code, refused.detail, **fields)


def event_names(outcome: Outcome) -> list[str]:
    """Return the names of the events that a command caused; none if nothing had to change."""
    return [type(event).__name__ for event in outcome.events]
