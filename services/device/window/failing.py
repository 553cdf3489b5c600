"""Turns what goes wrong on a page into a page that says so: people are not shown problem documents. No rule here."""

import logging

from fastapi import Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.routing import APIRoute
from starlette.exceptions import HTTPException

from services.device.window.links import NotOpened
from services.device.window.opening import window_path
from services.device.window.sentences import Closed, closed, not_opened
from shared.doors.command_queue import LedgerUnavailable
from shared.doors.problems import Problem
from shared.ledger.database import AWAY
from shared.pages import Drawing, NotOurForm
from shared.pages.failing import page_route

logger = logging.getLogger(__name__)


def pages(drawing: Drawing) -> type[APIRoute]:
    """Return the kind of route whose failures are pages."""
    return page_route(lambda request, error: _page(drawing, request, _closed(error)))


def _page(drawing: Drawing, request: Request, told: Closed) -> Response:
    device_id = request.path_params.get("device_id")
    again = window_path(device_id) if told.may_retry and device_id else None
    language = request.headers.get("accept-language")
    return drawing.response("closed.html", accept_language=language, status=told.status, closed=told, again=again)


def _closed(error: Exception) -> Closed:  # noqa: PLR0911 - one line per failure
    match error:
        case NotOpened():
            return not_opened(error.what, error.why)
        case NotOurForm():
            return closed("not_our_form")
        case RequestValidationError():
            return closed("nothing_here")
        case Problem(code="no_signing_key"):
            return closed("no_key")
        case Problem(status=404):
            return closed("nothing_here")
        case LedgerUnavailable():
            return closed("away")
        case _ if isinstance(error, AWAY):
            return closed("away")
        case Problem(status=413):
            return closed("too_much")
        case HTTPException():
            return closed("not_our_form")
        case _:
            logger.error("the window failed", exc_info=error)
            return closed("broken")
