"""Turns exceptions on the window's routes into error pages, so that people never see problem+json. No rule here."""

import logging

from fastapi import Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.routing import APIRoute
from starlette.exceptions import HTTPException

from services.device.window.links import NotOpened
from services.device.window.sentences import ErrorPage, error_page, not_opened_page
from services.device.window.window import window_path
from shared.doors.command_queue import LedgerUnavailable, TooBusy
from shared.doors.problems import Problem
from shared.ledger.database import UNAVAILABLE
from shared.pages import NotOurForm, Renderer
from shared.pages.error_pages import page_route

logger = logging.getLogger(__name__)


def window_route(renderer: Renderer) -> type[APIRoute]:
    """Return the route class of the window: it answers exceptions with error pages."""
    return page_route(lambda request, error: _render(renderer, request, _page_for(error)))


def _render(renderer: Renderer, request: Request, page: ErrorPage) -> Response:
    device_id = request.path_params.get("device_id")
    retry = window_path(device_id) if page.may_retry and device_id else None
    language = request.headers.get("accept-language")
    return renderer.response("error.html", accept_language=language, status=page.status, error=page, retry=retry)


def _page_for(error: Exception) -> ErrorPage:  # noqa: PLR0911 - one line per failure
    match error:
        case NotOpened():
            return not_opened_page(error.what, error.reason)
        case NotOurForm():
            return error_page("not_our_form")
        case RequestValidationError():
            return error_page("nothing_here")
        case Problem(code="no_signing_key"):
            return error_page("no_key")
        case Problem(status=404):
            return error_page("nothing_here")
        case LedgerUnavailable() | TooBusy():
            return error_page("away")
        case _ if isinstance(error, UNAVAILABLE):
            return error_page("away")
        case Problem(status=413):
            return error_page("too_much")
        case HTTPException():
            return error_page("not_our_form")
        case _:
            logger.error("the window failed", exc_info=error)
            return error_page("broken")
