"""An order becomes an answer: through the door, and into the status and words that HTTP has for it.

No rule may come in here: which status a refusal has is said, not when it is refused.
"""

from collections.abc import Awaitable, Callable, Mapping
from datetime import datetime
from typing import Any

from fastapi.responses import JSONResponse

from shared.doors.door import Answer, Door, Ticket
from shared.doors.problems import problem_body
from shared.ledger.command_handler import Order, Outcome
from shared.ledger.database import Connection
from shared.ledger.identity import hash_of, new_id
from shared.ledger.outbox import Cause
from shared.messages import Reason
from shared.reasons import detail_of
from shared.rules.decider import Refused
from shared.watching.traces import traceparent


async def take_order[Command, State](
    door: Door[Command, State],
    command: Command,
    *,
    now: datetime,
    scope: str,
    key: str | None,
    request_hash: bytes,
    answer: Callable[[Outcome], Answer],
    version: int | None = None,
    also: Callable[[Connection], Awaitable[None]] | None = None,
) -> Answer:
    """Send a command through the door and return its committed answer. Without a key it is an order of its own."""
    correlation_id = new_id()
    cause = Cause(at=now, recorded_at=now, correlation_id=correlation_id, traceparent=traceparent())
    ticket = Ticket(
        order=Order(command, cause, if_version=version),
        scope=scope,
        # a hash: a client may take for its key what must not be stored, such as the code itself
        key=hash_of(key).hex() if key else f"once:{correlation_id}",
        request_hash=request_hash,
        answer=answer,
        also=also,
    )
    return await door.submit(ticket)


def respond(answer: Answer) -> JSONResponse:
    """Return an answer as a response; a repeated one says so."""
    media_type = "application/problem+json" if answer.status >= 400 else None  # noqa: PLR2004 - HTTP's own line
    headers = {"Idempotent-Replay": "true"} if answer.repeated else None
    return JSONResponse(answer.body, answer.status, media_type=media_type, headers=headers)


def refusal(status: int, code: str, detail: str, **more: Any) -> Answer:
    """Return a refusal as an answer, in the form of a problem."""
    return Answer(status, problem_body(status, code, detail, **more))


def refused_for(reason: Reason, **more: Any) -> Answer:
    """Return the answer to an order that a rule refused, in the words of the catalogue (R-19)."""
    return refusal(REASON_STATUS.get(reason, 409), reason, detail_of(reason), **more)


REASON_STATUS: Mapping[Reason, int] = {"throttled": 429}


REFUSED_STATUS = {
    "precondition_failed": 412,
    "date_out_of_range": 422,
    "not_a_subscription": 409,
    "device_exists": 409,
}


def refused_order(refused: Refused) -> Answer:
    """Return the answer to an order that concerns nothing known, or a state that its giver did not see."""
    status = REFUSED_STATUS.get(refused.code, 404)
    return refusal(status, refused.code, refused.detail)


def recorded(outcome: Outcome) -> list[str]:
    """Return the names of what an order made happen; none if nothing had to change."""
    return [type(event).__name__ for event in outcome.events]
