"""The console on a real ledger, in this process: its routes, the API, and browsers with cookie jars.

The device service is unavailable here unless a test sets its answers (`Harness.devices`). The journeys test both
services together.
"""

import asyncio
import re
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from html import unescape
from pathlib import Path
from typing import Any

import httpx
from fastapi import FastAPI
from prometheus_client import CollectorRegistry

from services.activation.api import Doors
from services.activation.api import routes as api_routes
from services.activation.console import PAGES, Console, DeviceClient, key_login, routes
from services.activation.decider import DECIDER, Activate, Command
from services.activation.forecast import FORECAST, Switchover
from services.activation.outbox import SANDBOX_OUTBOX
from services.activation.projection import CODE, CODE_VIEW
from services.activation.store import CodeStore
from shared.doors.app import new_app
from shared.doors.command_queue import CommandQueue
from shared.doors.limits import allow_forms
from shared.keys.crypto_shredding import Sealing
from shared.keys.signing import KeyRing
from shared.ledger.clock import Clock, machine_now
from shared.ledger.command_handler import CommandHandler, CommandMessage
from shared.ledger.database import Pool, transaction
from shared.ledger.events import append
from shared.ledger.identity import new_id
from shared.ledger.outbox import Cause
from shared.pages import FORM_BYTES_MAX
from shared.projector.live import live
from tests.at_the_door import OPERATOR, OPERATOR_KEY, OPERATOR_KEY_HASH, told
from tests.operations.desk import operations_on

KNOW = "insert into switchover_forecast (device_id, version, view) values ($1, 1, $2::text::jsonb)"
FIELD = re.compile(r'<input[^>]*type="hidden"[^>]*>')


class Time:
    """The machine's time, as the console sees it."""

    def __init__(self) -> None:
        self.ahead = timedelta(0)

    def now(self) -> datetime:
        return machine_now() + self.ahead


@dataclass(slots=True)
class Devices:
    """The device service: unavailable until a test sets an answer."""

    answers: Callable[[httpx.Request], httpx.Response] | None = None
    asked: list[httpx.Request] = field(default_factory=list)

    def __call__(self, request: httpx.Request) -> httpx.Response:
        self.asked.append(request)
        if self.answers is None:
            raise httpx.ConnectError("nobody is there")
        return self.answers(request)


@dataclass(frozen=True, slots=True)
class Harness:
    """The activation service's API and its console."""

    app: FastAPI
    time: Time
    devices: Devices
    pool: Pool
    keys: KeyRing

    def browser(self, url: str = "http://door", address: str = "192.0.2.1") -> "Browser":
        """Return a browser with a jar of cookies of its own."""
        transport = httpx.ASGITransport(self.app, client=(address, 50_000))
        return Browser(transport=transport, base_url=url, timeout=60.0)

    async def operator(self, name: str = "Ada") -> "Browser":
        """Return a browser in which the operator is logged in."""
        async with self.browser() as entering:
            response = await entering.log_in(name=name)
            assert response.status_code == 303, response.text
        browser = self.browser()
        browser.cookies.update(entering.cookies)
        return browser

    async def issue(self, **terms: Any) -> dict[str, Any]:
        """Return a new code, as the API issues it."""
        body = {"product": "antivirus", "term": "P1Y", **terms}
        async with self.browser() as api:
            code: dict[str, Any] = told(201, await api.post("/v1/codes", json=body, headers=OPERATOR))["codes"][0]
        return code

    async def order(self, *commands: Command) -> None:
        """Decide and record what comes from devices, as the consumer does."""
        handler = CommandHandler(DECIDER, CodeStore(), SANDBOX_OUTBOX)
        for command in commands:
            at = min(command.at, Clock(sandbox=True).now())
            cause = Cause(at=at, recorded_at=at, correlation_id=new_id(), causation_id=new_id())
            async with transaction(self.pool) as connection:
                decided = await handler.decide(connection, [CommandMessage(command, cause)])
                await append(connection, decided.events)

    async def activated(self, code_ref: str, *device_ids: str) -> None:
        """Let devices activate a code."""
        now = Clock(sandbox=True).now()
        asked = {"code_ref": code_ref, "at": now, "product": "antivirus", "region": "DE", "trigger": "immediate"}
        await self.order(*(Activate(**asked, device_id=name, request_id=new_id()) for name in device_ids))

    async def foresees(self, *rows: Switchover) -> None:
        """Let the forecast know these devices, as its projection does."""
        for row in rows:
            await self.pool.execute(KNOW, row.device_id, row.timed().to_json())

    async def history(self, code_ref: str) -> list[dict[str, Any]]:
        """Return the life of a code, as the API tells it."""
        async with self.browser() as api:
            body = told(200, await api.get(f"/v1/codes/{code_ref}/history", headers=OPERATOR))
        return list(body["events"])


class Browser(httpx.AsyncClient):
    """A browser without scripts: it fills in the forms of the page that it shows."""

    async def log_in(self, *, name: str = "Ada", key: str = OPERATOR_KEY, **more: str) -> httpx.Response:
        """Fill in the login form and send it."""
        page = await self.get("/console/login")
        return await self.send_form("/console/login", page, name=name, key=key, **more)

    async def send_form(self, path: str, page: httpx.Response, **fields: str) -> httpx.Response:
        """Send the form of a page that goes to `path`, with its hidden fields and these."""
        return await self.post(path, data={**hidden_of(page, path), **fields})


def hidden_of(page: httpx.Response, path: str) -> dict[str, str]:
    """Return the hidden fields of the form of a page that goes to `path`."""
    form = re.search(rf'<form[^>]*action="{re.escape(path)}"[^>]*>.*?</form>', page.text, re.DOTALL)
    assert form, f"no form for {path} in {page.status_code} {page.text[:2_000]}"
    fields = [(re.search(r'name="([^"]*)"', tag), re.search(r'value="([^"]*)"', tag)) for tag in FIELD.findall(form[0])]
    return {unescape(name[1]): unescape(value[1]) for name, value in fields if name and value}


@asynccontextmanager
async def running(pool: Pool, keys_folder: Path, *, database_url: str) -> AsyncIterator[Harness]:
    """Yield the console on a ledger."""
    keys, devices, time = KeyRing.load_or_create(keys_folder / "activation.pem"), Devices(), Time()
    queue = CommandQueue(CommandHandler(DECIDER, CodeStore(), SANDBOX_OUTBOX), pool=pool)
    doors = Doors(
        queue=queue,
        pool=pool,
        clock=Clock(sandbox=True),
        sealing=Sealing(pool),
        operator_key_hash=OPERATOR_KEY_HASH,
    )
    client = httpx.AsyncClient(transport=httpx.MockTransport(devices), base_url="http://device")
    console = Console(
        doors=doors,
        devices=DeviceClient(client=client, keys=keys, now=time.now),
        operations=operations_on(
            pool,
            SANDBOX_OUTBOX,
            (live(CODE_VIEW), live(FORECAST)),
            (CODE_VIEW, FORECAST, CODE),
            database_url=database_url,
        ),
        login=key_login(OPERATOR_KEY_HASH),
        now=time.now,
    )
    app = new_app(title="tests", version="0", registry=CollectorRegistry(), checks=())
    app.include_router(api_routes(doors))
    app.include_router(routes(console))
    allow_forms(app, under=PAGES, bytes_max=FORM_BYTES_MAX)
    serving = asyncio.create_task(queue.run())
    yield Harness(app, time, devices, pool, keys)
    serving.cancel()
    with suppress(asyncio.CancelledError):
        await serving
    await client.aclose()
