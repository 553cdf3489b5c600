"""What the window's routes share: session, page, rendering, and the wait for the outcome of a command."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field, fields
from datetime import datetime
from pathlib import Path
from time import monotonic
from typing import Any

from fastapi import Request, Response

from services.device.api.doors import Doors
from services.device.api.enrollment import enrollment_of
from services.device.api.representation import Representation, representation_of
from services.device.api.watch import wait_for_change
from services.device.decider import Device
from services.device.outlook import CodeTerms, Demand, Outlook, outlook_of, switch_at
from services.device.window.links import SESSION_VALID, DeviceCredential, Session, session_of
from services.device.window.page import is_pending, page_of
from services.device.window.values import Page
from shared.keys.crypto_shredding import NotSealed
from shared.ledger.clock import machine_now
from shared.ledger.identity import new_secret
from shared.messages import DeviceId
from shared.pages import Renderer
from shared.rules.chance import CHANCE

COOKIE = "perennial_licensing"
FOLDER = Path(__file__).parent
ASSETS = "/licensing-assets"
SETTLE_SECONDS_MAX = 1.5
"""How long a button press waits for its verdict, which usually takes a twentieth of that."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Window:
    """The window's dependencies, passed in by the composition root. `stopping` is set when the process shuts down."""

    doors: Doors
    stopping: asyncio.Event
    now: Callable[[], datetime] = machine_now
    renderer: Renderer = field(default_factory=lambda: Renderer(FOLDER, prefix=ASSETS))

    async def credential_of(self, device_id: DeviceId) -> DeviceCredential:
        """Return the device's current credential."""
        token_hash = await self.doors.pool.fetchval(CREDENTIAL, device_id)
        return DeviceCredential(device_id, token_hash)

    async def session(self, request: Request, device_id: DeviceId) -> Session:
        """Return the session of a request. Raises `NotOpened`."""
        keys, cookie = self.doors.signing_keys(), request.cookies.get(COOKIE)
        return session_of(keys, cookie, await self.credential_of(device_id), now=self.now())

    async def page(self, device_id: DeviceId) -> Page:
        """Return the current content of the window."""
        shown = await representation_of(self.doors, device_id)
        outlook = await self._outlook(device_id, shown.view.device)
        return page_of(shown, name=await self._name(device_id), outlook=outlook)

    def render(self, template: str, request: Request, session: Session, status: int = 200, **values: Any) -> Response:
        """Return a page of the session. Each form on it gets an idempotency key of its own (R-09)."""
        return self.renderer.response(
            template,
            accept_language=request.headers.get("accept-language"),
            status=status,
            form_token=session.form_token,
            order=lambda name: f"{name}-{new_secret()}",
            **values,
        )

    async def _outlook(self, device_id: DeviceId, device: Device) -> Outlook | None:
        at = switch_at(device)
        if device.reserve is None or at is None:
            return None
        row = await self.doors.pool.fetchrow(OUTLOOK, device.reserve.code_ref, device_id, at - CHANCE, at + CHANCE)
        if row is None:
            return None  # what was said of the code has not arrived yet
        demand = Demand(**{each.name: row[each.name] for each in fields(Demand)})
        return outlook_of(device, at, CodeTerms.from_json(row["view"]), demand)

    async def _name(self, device_id: DeviceId) -> str | None:
        sealed = (await enrollment_of(self.doors, device_id)).sealed_name
        try:
            return await self.doors.sealing.open(sealed) if sealed else None
        except NotSealed:
            return None

    async def wait_until_settled(self, device_id: DeviceId) -> Representation:
        """Return what is shown once no answer is pending, or after `SETTLE_SECONDS_MAX`."""
        deadline = monotonic() + SETTLE_SECONDS_MAX
        with self.doors.watch.on(device_id) as changed:
            while True:
                shown = await representation_of(self.doors, device_id)
                if not is_pending(shown) or monotonic() >= deadline:
                    return shown
                await wait_for_change(changed, seconds_max=deadline - monotonic())


def set_session_cookie(response: Response, request: Request, session: Session) -> None:
    """Set the session cookie: for this window only, out of reach of scripts and other sites."""
    response.set_cookie(
        COOKIE,
        session.cookie,
        max_age=int(SESSION_VALID.total_seconds()),
        path=window_path(session.device_id),
        secure=request.url.scheme == "https",
        httponly=True,
        samesite="strict",
    )


def window_path(device_id: DeviceId) -> str:
    """Return the path of the device's window."""
    return f"/devices/{device_id}/licensing"


CREDENTIAL = "select token_hash from device_token where device_id = $1"

OUTLOOK = """
select view, (select count(*) from device where license_ref = $1 and device_id <> $2) as seated, rivals.*
from code_terms, lateral (
    select count(*) filter (where coalesce(retry_at, expires_at) < $3) as earlier,
           count(*) filter (where coalesce(retry_at, expires_at) between $3 and $4) as together,
           min(coalesce(retry_at, expires_at)) as first_at
    from device where reserve_ref = $1 and device_id <> $2
) as rivals
where code_ref = $1
"""
