"""What the console's pages share: the session, rendering, and the APIs they use."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from fastapi import Request, Response
from fastapi.responses import RedirectResponse

from services.activation.api.doors import Doors
from services.activation.console.device_client import DeviceClient
from services.activation.console.navigation import NAVIGATION
from services.activation.console.operators import Login
from services.activation.console.sessions import VALID, Session, Sessions
from shared.doors.throttle import Throttle
from shared.ledger.clock import machine_now
from shared.ledger.identity import new_secret
from shared.operations import Operations
from shared.pages import HEADERS, Form, Renderer, form_token_of, read_form

PAGES = "/console"
"""Path prefix of the console's pages; only there may a request body be a form."""
ASSETS = "/console/assets"
COOKIE = "perennial_console"
GUESSES_PER_MINUTE = 10
SEE_OTHER = 303


@dataclass(frozen=True, slots=True, kw_only=True)
class Console:
    """The console's dependencies, passed in by the composition root."""

    doors: Doors
    devices: DeviceClient
    operations: Operations
    login: Login
    now: Callable[[], datetime] = machine_now
    guesses: Throttle = field(default_factory=lambda: Throttle(per_minute=GUESSES_PER_MINUTE))
    renderer: Renderer = field(default_factory=lambda: Renderer(Path(__file__).parent, prefix=ASSETS))

    @property
    def sessions(self) -> Sessions:
        """The sessions; a new operator key ends them all."""
        return Sessions(self.doors.pool, self.doors.operator_key_hash)

    async def session(self, request: Request) -> Session:
        """Return the session of a request. Raises `NotLoggedIn`."""
        return await self.sessions.find(request.cookies.get(COOKIE), now=self.now())

    async def form(self, request: Request) -> tuple[Session, Form]:
        """Return the session and the form that one of its pages sent. Raises `NotLoggedIn` or `NotOurForm`."""
        session = await self.session(request)
        return session, await read_form(request, session.cookie)

    def render(
        self, template: str, request: Request, session: Session, *, entry: str = "", status: int = 200, **values: Any
    ) -> Response:
        """Return a page of the session; `entry` is its name in the navigation. Each form on it is done once (R-09)."""
        return self.renderer.response(
            template,
            accept_language=request.headers.get("accept-language"),
            status=status,
            operator=session.operator.name,
            navigation=NAVIGATION,
            entry=entry,
            form_token=form_token_of(session.cookie),
            order=lambda name: f"{name}-{new_secret()}",
            **values,
        )


def set_cookie(response: Response, request: Request, cookie: str, *, name: str = COOKIE) -> None:
    """Set a cookie: for the console only, out of reach of scripts and other sites."""
    response.set_cookie(
        name,
        cookie,
        max_age=int(VALID.total_seconds()),
        path=PAGES,
        secure=request.url.scheme == "https",
        httponly=True,
        samesite="strict",
    )


def redirect_to(path: str) -> Response:
    """Redirect the browser to another page after a form."""
    return RedirectResponse(path, SEE_OTHER, headers=HEADERS)
