"""Comes in: operators log in and out. The login form, too, carries a token that only its own page could draw."""

import re

from fastapi import APIRouter, Request, Response

from services.activation.console.console import COOKIE, PAGES, Console, keep, to
from services.activation.console.sessions import Session
from shared.ledger.identity import new_secret
from shared.pages import form_token_of, read_form

VISIT = "perennial_console_visit"
"""Names a browser that is not logged in, so that its login form is its own."""
OWN_PATH = re.compile(r"/console(/[A-Za-z0-9._~:%-]+)*(\?[A-Za-z0-9._~:=&%+-]*)?")
PATH_CHARACTERS_MAX = 500
WRONG = "The key is not the operator key, or the name is missing."
TOO_MANY = "Too many tries from this address. Wait a minute, then try again."


def add_entering(router: APIRouter, console: Console) -> None:
    """Add the routes."""

    @router.get("/login")
    async def login_page(request: Request) -> Response:
        return login(console, request, to_path=PAGES)

    @router.post("/login")
    async def log_in(request: Request) -> Response:
        form = await read_form(request, request.cookies.get(VISIT, ""))
        to_path = own_path(form.get("to", ""))
        if console.guesses.wait_seconds(request.client.host if request.client else ""):
            return login(console, request, to_path=to_path, problem=TOO_MANY, status=429)
        operator = console.login(form)
        if operator is None:
            name = form.get("name", "")[:60]
            return login(console, request, to_path=to_path, problem=WRONG, name=name, status=403)
        session = await console.sessions.open(operator, now=console.now())
        response = to(to_path)
        keep(response, request, session.cookie)
        return response

    @router.post("/logout")
    async def log_out(request: Request) -> Response:
        session, _ = await console.form(request)
        return await logged_out(console, session)


async def logged_out(console: Console, session: Session) -> Response:
    """End the session, also for whoever may have a copy of its cookie."""
    await console.sessions.close(session)
    response = to(f"{PAGES}/login")
    response.delete_cookie(COOKIE, path=PAGES)
    return response


def login(
    console: Console, request: Request, *, to_path: str, problem: str = "", name: str = "", status: int = 200
) -> Response:
    """Return the page that asks who is there; a login leads to `to_path`."""
    visit = request.cookies.get(VISIT) or new_secret()
    # a link on another site's page brings no strict cookie, though there may be one: the page asks again by itself
    again = request.url.path if request.method == "GET" and _from_elsewhere(request) else None
    response = console.renderer.response(
        "login.html",
        accept_language=request.headers.get("accept-language"),
        status=status,
        form_token=form_token_of(visit),
        order="login",
        to=to_path,
        problem=problem,
        name=name,
        again=again,
    )
    keep(response, request, visit, name=VISIT)
    return response


def own_path(path: str) -> str:
    """Return where a login leads: to a page of the console, whatever the form says."""
    return path if len(path) <= PATH_CHARACTERS_MAX and OWN_PATH.fullmatch(path) else PAGES


def _from_elsewhere(request: Request) -> bool:
    return request.headers.get("sec-fetch-site") == "cross-site"
