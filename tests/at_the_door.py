"""A service's doors in this process: the real routes, deciders and ledger, without Kafka and without a socket."""

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine, Mapping
from contextlib import asynccontextmanager, suppress
from typing import Any

import httpx
from fastapi import APIRouter
from prometheus_client import CollectorRegistry

from shared.doors.app import new_app
from shared.doors.limits import allow_larger_bodies
from shared.ledger.identity import hash_of

OPERATOR_KEY = "the-operators-own-key"
OPERATOR = {"Authorization": f"Bearer {OPERATOR_KEY}"}
OPERATOR_KEY_HASH = hash_of(OPERATOR_KEY).hex()
REQUEST_SECONDS = 60.0

type Client = httpx.AsyncClient
type Headers = Mapping[str, str]


@asynccontextmanager
async def served(
    routes: APIRouter, serve: Callable[[], Coroutine[None, None, None]], larger_bodies: Mapping[str, int]
) -> AsyncIterator[Client]:
    """Yield an HTTP client of the routes, which shows no credential by itself; `serve` runs meanwhile."""
    app = new_app(title="tests", version="0", registry=CollectorRegistry(), checks=())
    app.include_router(routes)
    allow_larger_bodies(app, larger_bodies)
    serving = asyncio.create_task(serve())
    try:
        transport = httpx.ASGITransport(app, client=("192.0.2.1", 50_000))
        async with httpx.AsyncClient(transport=transport, base_url="http://door", timeout=REQUEST_SECONDS) as client:
            yield client
    finally:
        serving.cancel()
        with suppress(asyncio.CancelledError):
            await serving


def told(status: int, response: httpx.Response) -> dict[str, Any]:
    """Return the body of an answer that must have `status`."""
    assert response.status_code == status, f"{response.status_code} {response.text}"
    body: dict[str, Any] = response.json()
    return body


def nothing() -> None:
    """No relay waits for what is appended."""
