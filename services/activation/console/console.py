"""What the console's pages share: who is logged in, how a page is drawn, and what it may ask."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from fastapi import Request, Response
from fastapi.responses import RedirectResponse

from services.activation.api.doors import Doors
from services.activation.console.devices import DeviceDoors
from services.activation.console.logins import Login
from services.activation.console.navigation import NAVIGATION
from services.activation.console.sessions import VALID, Session, Sessions
from shared.doors.throttle import Throttle
from shared.ledger.clock import machine_now
from shared.ledger.identity import new_secret
from shared.operations import Operations
from shared.pages import HEADERS, Form, Renderer, form_token_of, read_form

PAGES = "/console"
"""Where the console's pages are: only there a body may be a form."""
ASSETS = "/console/assets"
COOKIE = "perennial_console"
GUESSES_PER_MINUTE = 10
SEE_OTHER = 303


@dataclass(frozen=True, slots=True, kw_only=True)
class Console:
    """What the console needs: handed in by the composition root."""

    doors: Doors
    devices: DeviceDoors
    operations: Operations
    login: Login
    now: Callable[[], datetime] = machine_now
    guesses: Throttle = field(default_factory=lambda: Throttle(per_minute=GUESSES_PER_MINUTE))
    renderer: Renderer = field(default_factory=lambda: Renderer(Path(__file__).parent, prefix=ASSETS))

    @property
    def sessions(self) -> Sessions:
        """Who is logged in: until the operator key changes, at most."""
        return Sessions(self.doors.pool, self.doors.operator_key_hash)

    async def session(self, request: Request) -> Session:
        """Return the session in which the browser asks. Raises `NotLoggedIn`."""
        return await self.sessions.find(request.cookies.get(COOKIE), now=self.now())

    async def form(self, request: Request) -> tuple[Session, Form]:
        """Return the session, and the form that one of its pages drew. Raises `NotLoggedIn` or `NotOurForm`."""
        session = await self.session(request)
        return session, await read_form(request, session.cookie)

    def draw(
        self, template: str, request: Request, session: Session, *, entry: str = "", status: int = 200, **more: Any
    ) -> Response:
        """Return a page of the session; `entry` is its name in the bar. Every form on it is done once (R-09)."""
        return self.renderer.response(
            template,
            accept_language=request.headers.get("accept-language"),
            status=status,
            operator=session.operator.name,
            navigation=NAVIGATION,
            entry=entry,
            form_token=form_token_of(session.cookie),
            order=lambda name: f"{name}-{new_secret()}",
            **more,
        )


def keep(response: Response, request: Request, cookie: str, *, name: str = COOKIE) -> None:
    """Give the browser a cookie: for the console alone, out of reach of scripts and other sites."""
    response.set_cookie(
        name,
        cookie,
        max_age=int(VALID.total_seconds()),
        path=PAGES,
        secure=request.url.scheme == "https",
        httponly=True,
        samesite="strict",
    )


def to(path: str) -> Response:
    """Send the browser to another page, after a form."""
    return RedirectResponse(path, SEE_OTHER, headers=HEADERS)
