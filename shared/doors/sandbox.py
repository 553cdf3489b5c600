"""Time travel over HTTP, for tests and demonstrations. Only a sandbox ledger allows it (design §9)."""

import re
from datetime import datetime
from typing import Annotated, Any

from dateutil.relativedelta import relativedelta
from fastapi import APIRouter, Depends, Request
from fastapi.responses import JSONResponse
from pydantic import StringConstraints

from shared.calendar import instant
from shared.doors.answers import respond
from shared.doors.credentials import operator_check
from shared.doors.fields import Body
from shared.doors.idempotency import Answer, IdempotencyKey, answered_once, request_hash
from shared.doors.problems import Problem
from shared.ledger.clock import Clock, ClockRefused
from shared.ledger.database import Connection, Pool
from shared.messages import ToldMoment

Step = Annotated[
    str,
    StringConstraints(
        pattern=r"^P(\d{1,2}Y)?(\d{1,3}M)?(\d{1,4}D)?(T(\d{1,3}H)?(\d{1,5}M)?(\d{1,6}S)?)?$", min_length=3
    ),
]
"""How far to move forward: an ISO 8601 duration."""


class ClockMove(Body):
    """Where to move the clock: to an instant, or by a step from now."""

    set: ToldMoment | None = None
    advance: Step | None = None


def routes(clock: Clock, pool: Pool, operator_key_hash: str) -> APIRouter:
    """Return the sandbox's routes."""
    operator = Depends(operator_check(operator_key_hash))
    router = APIRouter(prefix="/v1/sandbox", tags=["sandbox"], dependencies=[operator])

    @router.get("/clock")
    async def now() -> dict[str, Any]:
        """Return the service's time."""
        return {"now": instant(clock.now()), "sandbox": clock.sandbox}

    @router.post("/clock")
    async def move(request: Request, body: ClockMove, key: IdempotencyKey) -> JSONResponse:
        """Move the service's time forward. Each service has its own clock: move both."""
        if (body.set is None) == (body.advance is None):
            raise Problem(422, "invalid_fields", "give either set or advance")

        async def move_on(connection: Connection) -> Answer:
            target = body.set or _later(clock.now(), body.advance or "")
            return Answer(200, {"now": instant(await clock.move_to(connection, target))})

        sent, now = request_hash(request, body), clock.now()
        return respond(await answered_once(pool, scope="operator", key=key, request_hash=sent, at=now, act=move_on))

    return router


def _later(now: datetime, step: str) -> datetime:
    try:
        return now + _step(step)
    except (OverflowError, ValueError):
        raise ClockRefused("clock_too_far", "the calendar ends before that") from None


def _step(text: str) -> relativedelta:
    date, _, time = text.removeprefix("P").partition("T")
    parts = {letter: int(number) for number, letter in re.findall(r"(\d+)([YMD])", date)}
    times = {letter: int(number) for number, letter in re.findall(r"(\d+)([HMS])", time)}
    return relativedelta(
        years=parts.get("Y", 0),
        months=parts.get("M", 0),
        days=parts.get("D", 0),
        hours=times.get("H", 0),
        minutes=times.get("M", 0),
        seconds=times.get("S", 0),
    )
