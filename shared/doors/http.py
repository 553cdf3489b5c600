"""What the HTTP doors of both services have in common: limits, credentials, health. No rule may come in here."""

import hmac
import json
from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Annotated, Any

from fastapi import Depends, FastAPI, Header, Query, Request, Response
from fastapi.responses import JSONResponse
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest
from pydantic import AfterValidator, AwareDatetime, BaseModel, ConfigDict
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from shared.doors import problems
from shared.doors.door import Answer, Door, Ticket
from shared.doors.problems import Problem, problem_body, problem_response
from shared.doors.reasons import reasons_door
from shared.keys.operators import OperatorTokens
from shared.ledger.command_handler import Order, Outcome
from shared.ledger.database import Connection
from shared.ledger.events import RecordedEvent, instant
from shared.ledger.identity import hash_of, new_id
from shared.ledger.outbox import Cause
from shared.messages import Reason
from shared.reasons import detail_of
from shared.rules.decider import Refused
from shared.watching.traces import Traces, traceparent

BODY_BYTES_MAX = 65_536
LARGER_BODIES = "larger_bodies"
FORMS = "forms"
FORM = b"application/x-www-form-urlencoded"
KEY_CHARACTERS_MAX = 255
SECURITY_HEADERS = (
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
    (b"content-security-policy", b"default-src 'none'; frame-ancestors 'none'"),
    (b"cache-control", b"no-store"),
)

type Check = Callable[[], str | None]
"""Returns what is wrong, or None."""


class Body(BaseModel):
    """A request's JSON body: unknown fields are errors."""

    model_config = ConfigDict(extra="forbid", frozen=True)


def _in_calendar(moment: datetime) -> datetime:
    try:
        return moment.astimezone(UTC)
    except OverflowError:
        raise ValueError("a time beyond the calendar") from None


Moment = Annotated[AwareDatetime, AfterValidator(_in_calendar)]
"""A time that can be told in UTC, which it is then in."""


def new_app(*, title: str, version: str, registry: CollectorRegistry, checks: Sequence[Check]) -> FastAPI:
    """Return an app with problems as errors, limits, and the routes that machines ask."""
    # the usual documentation pages load scripts from other hosts
    app = FastAPI(title=title, version=version, docs_url=None, redoc_url=None)
    problems.install(app)
    app.add_middleware(Limits)
    app.add_middleware(Traces)
    _add_health(app, version, registry, checks)
    app.include_router(reasons_door())
    return app


def _add_health(app: FastAPI, version: str, registry: CollectorRegistry, checks: Sequence[Check]) -> None:
    @app.get("/livez", tags=["health"])
    async def livez() -> dict[str, str]:
        """The process answers."""
        return {"status": "alive"}

    @app.get("/readyz", tags=["health"])
    async def readyz() -> Response:
        """Every consumer, the relay and the database make progress."""
        wrong = [problem for check in checks if (problem := check())]
        if wrong:
            return problem_response(503, "not_ready", "; ".join(wrong))
        return JSONResponse({"status": "ready"})

    @app.get("/version", tags=["health"])
    async def version_() -> dict[str, str]:
        """The release that runs."""
        return {"version": version}

    @app.get("/metrics", tags=["health"])
    async def metrics() -> Response:
        """Prometheus' text format."""
        return Response(generate_latest(registry), media_type=CONTENT_TYPE_LATEST)


class Limits:
    """Refuses bodies that are too large or not JSON before anything reads them, and adds security headers."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http":
            return await self.app(scope, receive, send)
        bytes_max, media_type = _limits_of(scope)
        refusal = _refusal_of(scope, bytes_max, media_type)
        if refusal:
            return await refusal(scope, receive, _with_headers(send))
        return await self.app(scope, _limited(receive, bytes_max), _with_headers(send))


def allow_larger_bodies(app: FastAPI, bytes_max: Mapping[str, int]) -> None:
    """Let the routes at these paths read more than `BODY_BYTES_MAX` bytes."""
    setattr(app.state, LARGER_BODIES, bytes_max)


def allow_forms(app: FastAPI, *, under: str, bytes_max: int) -> None:
    """Let the routes whose paths begin with `under` read forms of browsers of so many bytes, and nothing else."""
    setattr(app.state, FORMS, (under, bytes_max))


def _limits_of(scope: Scope) -> tuple[int, bytes]:
    """Return how many bytes a body may have, and of which media type."""
    state = scope["app"].state
    forms: tuple[str, int] | None = getattr(state, FORMS, None)
    if forms and scope["path"].startswith(forms[0]):
        return forms[1], FORM
    return getattr(state, LARGER_BODIES, {}).get(scope["path"], BODY_BYTES_MAX), b"application/json"


def _refusal_of(scope: Scope, bytes_max: int, wanted: bytes) -> Response | None:
    headers = dict(scope["headers"])
    length = headers.get(b"content-length", b"0")
    # a page tells of a form that is too large when it reads it, in its own words
    if not length.isdigit() or (int(length) > bytes_max and wanted != FORM):
        return problem_response(413, "body_too_large", f"a body may have {bytes_max} bytes")
    has_body = int(length) > 0 or b"transfer-encoding" in headers
    media_type = headers.get(b"content-type", b"").partition(b";")[0].strip().lower()
    if has_body and media_type != wanted:
        return problem_response(415, "unsupported_media_type", f"the body must be {wanted.decode()}")
    return None


def _limited(receive: Receive, bytes_max: int) -> Receive:
    """Count the bytes of a body that did not say its length."""
    seen = 0

    async def limited() -> Message:
        nonlocal seen
        message = await receive()
        seen += len(message.get("body", b""))
        if seen > bytes_max:
            raise Problem(413, "body_too_large", f"a body may have {bytes_max} bytes")
        return message

    return limited


def _with_headers(send: Send) -> Send:
    async def with_headers(message: Message) -> None:
        if message["type"] == "http.response.start":
            present = {name for name, _ in message["headers"]}
            message["headers"] += [header for header in SECURITY_HEADERS if header[0] not in present]
        await send(message)

    return with_headers


# FastAPI runs a plain function in a thread, which costs more than the function: these are coroutines

# --- credentials -------------------------------------------------------------------------------


async def bearer(authorization: Annotated[str | None, Header()] = None) -> str:
    """Return the request's bearer credential. Raises a 401 `Problem`."""
    scheme, _, credential = (authorization or "").partition(" ")
    if scheme.lower() != "bearer" or not credential.strip():
        raise Problem(401, "credential_missing", "send Authorization: Bearer and a token or key")
    return credential.strip()


Bearer = Annotated[str, Depends(bearer)]


def operator_check(operator_key_hash: str, tokens: OperatorTokens | None = None) -> Callable[[str], Awaitable[None]]:
    """Return the dependency that lets only the operator in, and whom the console speaks for by `tokens`."""

    async def operator(credential: Bearer) -> None:
        if not is_operator(credential, operator_key_hash, tokens):
            raise Problem(403, "not_the_operator", "this needs the operator key")

    return operator


def is_operator(credential: str, operator_key_hash: str, tokens: OperatorTokens | None = None) -> bool:
    """Tell whether `credential` is the operator key, or one of the `tokens` that stand for it."""
    if operator_key_hash and hmac.compare_digest(hash_of(credential).hex(), operator_key_hash.lower()):
        return True
    return tokens is not None and tokens.operator_of(credential) is not None


# --- conditions and repetition -----------------------------------------------------------------


async def sent_key(
    idempotency_key: Annotated[str | None, Header(max_length=KEY_CHARACTERS_MAX)] = None,
) -> str | None:
    """Return the client's Idempotency-Key, if it sent one."""
    return idempotency_key or None


IdempotencyKey = Annotated[str | None, Depends(sent_key)]


async def if_version(if_match: Annotated[str | None, Header()] = None) -> int | None:
    """Return the version in the If-Match header: an ETag of this service starts with it. Raises a 400 `Problem`."""
    if if_match is None or if_match.strip() == "*":
        return None
    number = if_match.strip().strip('"').partition("-")[0]
    if not (number.isascii() and number.isdecimal()):
        raise Problem(400, "malformed_etag", "If-Match must be an ETag that this service gave")
    return int(number)


IfVersion = Annotated[int | None, Depends(if_version)]


def request_hash(request: Request, body: BaseModel | None) -> bytes:
    """Return what tells one request from another under the same idempotency key."""
    payload = body.model_dump_json() if body else ""
    return hash_of(f"{request.method} {request.url.path}\n{payload}")


EventNumber = Annotated[int, Query(ge=0, le=2**31 - 1)]
"""The version after which a page of events begins: what PostgreSQL's integer holds."""


async def page_limit(limit: Annotated[int, Query(ge=1, le=500)] = 100) -> int:
    """Return the page size asked for: 1 to 500."""
    return limit


PageLimit = Annotated[int, Depends(page_limit)]


def as_json(body: Any) -> Any:
    """Return a pydantic model as JSON values."""
    return body.model_dump(mode="json", exclude_none=True)


# --- orders and answers ------------------------------------------------------------------------


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


def history_entry(entry: RecordedEvent) -> dict[str, Any]:
    """Return a recorded event as the API tells it: what happened, when, why, and where it stands."""
    event = entry.event
    return {
        "version": event.version,
        "type": event.type_name,
        "event_id": str(event.event_id),
        "occurred_at": instant(event.occurred_at),
        "recorded_at": instant(event.recorded_at),
        "correlation_id": str(event.correlation_id),
        "causation_id": str(event.causation_id) if event.causation_id else None,
        "slice": event.slice_number,
        "position": entry.position,
        "data": json.loads(event.data),
    }
