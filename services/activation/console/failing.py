"""Turns what goes wrong on a page of the console into a page that says so. No rule here."""

import logging
from collections.abc import Callable
from dataclasses import dataclass

from fastapi import Request, Response
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException

from services.activation.console.console import PAGES, Console
from services.activation.console.entering import login, own_path
from services.activation.console.sessions import NotLoggedIn
from services.activation.console.told import sentence
from shared.doors.command_queue import LedgerUnavailable
from shared.doors.idempotency import KeyReused
from shared.doors.problems import Problem
from shared.ledger.database import AWAY
from shared.pages import NotOurForm

logger = logging.getLogger(__name__)

UNAUTHORIZED = 401
NOT_FOUND = 404


@dataclass(frozen=True, slots=True)
class Failed:
    """What a page says that cannot be shown: `status` is HTTP's."""

    status: int
    title: str
    happened: str
    to_do: str


NOT_OURS = Failed(
    403,
    "The form was not taken",
    "It was not made by a page of this session, or was sent before with other words. Nothing was done.",
    "Go back to the page, load it again, and do there what you wanted to do.",
)
TOO_MUCH = Failed(
    413, "The form was not taken", "More was sent than a form has.", "Go back, and say it in fewer words."
)
NOTHING = Failed(404, "There is nothing here", "The address leads nowhere.", "Search for what you need.")
NO_ANSWER = Failed(
    503,
    "No answer at the moment",
    "The ledger did not answer in time. What you asked for may have been done, or not; nothing is done twice.",
    "Wait a moment, then look at the code's timeline.",
)
BROKEN = Failed(
    500,
    "Something went wrong",
    "The page could not be shown because of an error of ours; it is in the log.",
    "Load the page again. Nothing is done twice.",
)


def failed_page(console: Console) -> Callable[[Request, Exception], Response]:
    """Return what draws the page of a failure."""

    def failed(request: Request, error: Exception) -> Response:
        if isinstance(error, NotLoggedIn):
            asked = str(request.url.path) + (f"?{request.url.query}" if request.url.query else "")
            to_path = own_path(asked) if request.method == "GET" else PAGES
            return login(console, request, to_path=to_path, status=UNAUTHORIZED)
        told, language = _told(error), request.headers.get("accept-language")
        return console.renderer.response("failed.html", accept_language=language, status=told.status, failed=told)

    return failed


def _told(error: Exception) -> Failed:  # noqa: PLR0911 - one line per failure
    match error:
        case NotOurForm() | KeyReused():
            return NOT_OURS
        case Problem(status=404) | RequestValidationError() | HTTPException(status_code=404):
            return NOTHING
        case Problem(status=413):
            return TOO_MUCH
        case HTTPException():
            return NOT_OURS
        case Problem():
            return Failed(error.status, "That cannot be shown", sentence(error.detail), "Go back, and ask otherwise.")
        case LedgerUnavailable():
            return NO_ANSWER
        case _ if isinstance(error, AWAY):
            return NO_ANSWER
        case _:
            logger.error("the console failed", exc_info=error)
            return BROKEN
