"""Comes in: operators log in and out. The login form has a CSRF token too."""

import re

from fastapi import APIRouter, Request, Response

from services.activation.console.console import COOKIE, PAGES, Console, redirect_to, set_cookie
from services.activation.console.sessions import Session
from shared.ledger.identity import new_secret
from shared.pages import form_token_of, read_form

VISIT = "perennial_console_visit"
"""The cookie of a browser that is not logged in yet; its login form belongs to it."""
CONSOLE_PATH = re.compile(r"/console(/[A-Za-z0-9._~:%-]+)*(\?[A-Za-z0-9._~:=&%+-]*)?")
PATH_CHARACTERS_MAX = 500
WRONG_KEY = "The operator key is wrong, or the name is missing."
TOO_MANY = "Too many attempts from this address. Wait a minute, then try again."


def add_login(router: APIRouter, console: Console) -> None:
    """Add the routes."""

    @router.get("/login")
    async def show_login(request: Request) -> Response:
        return login_page(console, request, to_path=PAGES)

    @router.post("/login")
    async def log_in(request: Request) -> Response:
        form = await read_form(request, request.cookies.get(VISIT, ""))
        to_path = safe_path(form.get("to", ""))
        if console.guesses.wait_seconds(request.client.host if request.client else ""):
            return login_page(console, request, to_path=to_path, problem=TOO_MANY, status=429)
        operator = console.login(form)
        if operator is None:
            name = form.get("name", "")[:60]
            return login_page(console, request, to_path=to_path, problem=WRONG_KEY, name=name, status=403)
        session = await console.sessions.open(operator, now=console.now())
        response = redirect_to(to_path)
        set_cookie(response, request, session.cookie)
        return response

    @router.post("/logout")
    async def log_out(request: Request) -> Response:
        session, _ = await console.form(request)
        return await end_session(console, session)


async def end_session(console: Console, session: Session) -> Response:
    """End the session, for every copy of its cookie."""
    await console.sessions.close(session)
    response = redirect_to(f"{PAGES}/login")
    response.delete_cookie(COOKIE, path=PAGES)
    return response


def login_page(
    console: Console, request: Request, *, to_path: str, problem: str = "", name: str = "", status: int = 200
) -> Response:
    """Return the login page; a successful login leads to `to_path`."""
    visit = request.cookies.get(VISIT) or new_secret()
    # a link from another site carries no strict cookie even if one is set, so the page reloads itself once
    again = request.url.path if request.method == "GET" and _is_cross_site(request) else None
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
    set_cookie(response, request, visit, name=VISIT)
    return response


def safe_path(path: str) -> str:
    """Return the path that a login leads to: always a page of the console, whatever the form says."""
    return path if len(path) <= PATH_CHARACTERS_MAX and CONSOLE_PATH.fullmatch(path) else PAGES


def _is_cross_site(request: Request) -> bool:
    return request.headers.get("sec-fetch-site") == "cross-site"
