"""Turns exceptions on the console's routes into error pages. No rule here."""

import logging
from collections.abc import Callable
from dataclasses import dataclass

from fastapi import Request, Response
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException

from services.activation.console.console import PAGES, Console
from services.activation.console.event_sentences import detail_sentence
from services.activation.console.login import login_page, safe_path
from services.activation.console.sessions import NotLoggedIn
from shared.doors.command_queue import LedgerUnavailable, TooBusy
from shared.doors.idempotency import KeyReused
from shared.doors.problems import Problem
from shared.ledger.database import UNAVAILABLE
from shared.pages import NotOurForm

logger = logging.getLogger(__name__)

UNAUTHORIZED = 401
NOT_FOUND = 404


@dataclass(frozen=True, slots=True)
class ErrorPage:
    """The content of an error page. `status` is the HTTP status."""

    status: int
    title: str
    happened: str
    to_do: str


FORM_NOT_ACCEPTED = ErrorPage(
    403,
    "The form was not accepted",
    "It does not belong to this session, or was already sent with other contents. Nothing was done.",
    "Go back to the page, reload it, and try again there.",
)
FORM_TOO_LARGE = ErrorPage(
    413, "The form was not accepted", "The form was larger than allowed.", "Go back and use fewer words."
)
PAGE_NOT_FOUND = ErrorPage(404, "Page not found", "There is no page at this address.", "Search for what you need.")
NO_ANSWER = ErrorPage(
    503,
    "No answer at the moment",
    "The ledger did not answer in time. Your request may or may not have been carried out; nothing is done twice.",
    "Wait a moment, then check the code's timeline.",
)
BROKEN = ErrorPage(
    500,
    "Something went wrong",
    "The page could not be shown because of an error on our side, which is in the log.",
    "Reload the page. Nothing is done twice.",
)


def error_renderer(console: Console) -> Callable[[Request, Exception], Response]:
    """Return the function that renders the error page for an exception."""

    def render_error(request: Request, error: Exception) -> Response:
        if isinstance(error, NotLoggedIn):
            path = str(request.url.path) + (f"?{request.url.query}" if request.url.query else "")
            to_path = safe_path(path) if request.method == "GET" else PAGES
            return login_page(console, request, to_path=to_path, status=UNAUTHORIZED)
        page, language = _page_for(error), request.headers.get("accept-language")
        return console.renderer.response("error.html", accept_language=language, status=page.status, error=page)

    return render_error


def _page_for(error: Exception) -> ErrorPage:  # noqa: PLR0911 - one line per failure
    match error:
        case NotOurForm() | KeyReused():
            return FORM_NOT_ACCEPTED
        case Problem(status=404) | RequestValidationError() | HTTPException(status_code=404):
            return PAGE_NOT_FOUND
        case Problem(status=413):
            return FORM_TOO_LARGE
        case HTTPException():
            return FORM_NOT_ACCEPTED
        case Problem():
            return ErrorPage(
                error.status, "This cannot be shown", detail_sentence(error.detail), "Go back and change your request."
            )
        case LedgerUnavailable() | TooBusy():
            return NO_ANSWER
        case _ if isinstance(error, UNAVAILABLE):
            return NO_ANSWER
        case _:
            logger.error("the console failed", exc_info=error)
            return BROKEN
