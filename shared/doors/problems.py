"""Errors for people and programs: problem+json (RFC 9457) with a stable `code`. Input is never echoed."""

from collections.abc import Mapping
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException

from shared.doors.command_queue import LedgerUnavailable, TooBusy
from shared.doors.idempotency import KeyReused
from shared.doors.methods import allowed_methods
from shared.ledger.clock import ClockRefused
from shared.ledger.database import UNAVAILABLE
from shared.messages import field_name, hint_of

METHOD_NOT_ALLOWED = 405
TITLES: Mapping[int, tuple[str, str]] = {
    400: ("malformed_json", "the body is not JSON"),
    404: ("not_found", "there is nothing at this address"),
    405: ("method_not_allowed", "this address does not support this method"),
    413: ("body_too_large", "the body is larger than this service accepts"),
    415: ("unsupported_media_type", "the body must be application/json"),
}


class Problem(Exception):
    """An answer that is an error. `code` is stable, `detail` is one sentence for people."""

    def __init__(self, status: int, code: str, detail: str, **more: Any) -> None:
        super().__init__(detail)
        self.status = status
        self.code = code
        self.detail = detail
        self.more = more


def problem_body(status: int, code: str, detail: str, **more: Any) -> dict[str, Any]:
    """Return the members of a problem."""
    title = code.replace("_", " ")
    return {"type": f"/problems/{code}", "title": title, "status": status, "code": code, "detail": detail, **more}


def problem_response(
    status: int, code: str, detail: str, headers: Mapping[str, str] | None = None, **more: Any
) -> JSONResponse:
    """Return the problem as a response."""
    body = problem_body(status, code, detail, **more)
    return JSONResponse(body, status, headers=headers, media_type="application/problem+json")


def install(app: FastAPI) -> None:
    """Make `app` answer every expected error with a problem."""
    app.add_exception_handler(Problem, _problem)
    app.add_exception_handler(RequestValidationError, _invalid)
    app.add_exception_handler(HTTPException, _http)
    app.add_exception_handler(KeyReused, _key_reused)
    app.add_exception_handler(ClockRefused, _clock_refused)
    app.add_exception_handler(TooBusy, _too_busy)
    for unavailable in (LedgerUnavailable, *UNAVAILABLE):
        app.add_exception_handler(unavailable, _unavailable)


async def _problem(_: Request, error: Any) -> JSONResponse:
    return problem_response(error.status, error.code, error.detail, **error.more)


async def _invalid(_: Request, error: Any) -> JSONResponse:
    problems = error.errors()
    if any(problem["type"] == "json_invalid" for problem in problems):
        return problem_response(400, "malformed_json", "the body is not JSON")
    fields = [_field(problem) for problem in problems]
    return problem_response(422, "invalid_fields", "some fields are missing, unknown or wrong", fields=fields)


def _field(problem: Mapping[str, Any]) -> dict[str, str]:
    """Return which field is wrong, how, and what to write instead if we know."""
    hint = hint_of(problem)
    wrong = {"field": field_name(problem["loc"][1:]), "problem": problem["type"]}
    return {**wrong, "hint": hint} if hint else wrong


async def _http(request: Request, error: Any) -> JSONResponse:
    if isinstance(error.__cause__, Problem):
        # FastAPI treats any exception while reading a body as a body that cannot be parsed
        return await _problem(request, error.__cause__)
    code, detail = TITLES.get(error.status_code, ("http_error", str(error.detail)))
    headers = {"Allow": allowed_methods(request)} if error.status_code == METHOD_NOT_ALLOWED else error.headers
    return problem_response(error.status_code, code, detail, headers=headers)


async def _key_reused(_: Request, __: Any) -> JSONResponse:
    return problem_response(
        422, "idempotency_key_reused", "this Idempotency-Key was used for a different request; use a new one"
    )


async def _clock_refused(_: Request, error: Any) -> JSONResponse:
    return problem_response(409, error.code, error.detail)


async def _too_busy(_: Request, __: Any) -> JSONResponse:
    return problem_response(
        503,
        "too_busy",
        "too many requests are waiting, so nothing was recorded; repeat the request later",
        headers={"Retry-After": "1"},
    )


async def _unavailable(_: Request, __: Any) -> JSONResponse:
    return problem_response(
        503,
        "ledger_unavailable",
        "the ledger is unavailable; repeat the request with the same Idempotency-Key",
        headers={"Retry-After": "1"},
    )
