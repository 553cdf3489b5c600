"""Both services' apps for the reference: every route exists, and none is called."""

import asyncio
from typing import Any, cast

import httpx
from fastapi import FastAPI
from prometheus_client import CollectorRegistry

from services.activation import api as activation_api
from services.activation import reference as activation
from services.activation.console import preview_door
from services.device import api as device_api
from services.device import reference as device
from services.device import window
from shared.doors import sandbox
from shared.doors.app import new_app
from shared.operations import Operations, operations_door
from shared.reference import reference_door
from shared.reference.route_docs import Routes

NOT_CALLED: Any = cast("Any", None)
"""Stands in for what only a request would need; no such request is made."""


OPERATIONS = Operations(
    service="any",
    pool=NOT_CALLED,
    sources=(),
    topic="any",
    parked=NOT_CALLED,
    projections=NOT_CALLED,
    checkpoints=NOT_CALLED,
)


def device_app() -> FastAPI:
    """Return the device service's app."""
    doors = device_api.Doors(
        queue=NOT_CALLED,
        pool=NOT_CALLED,
        clock=NOT_CALLED,
        watch=NOT_CALLED,
        heard_until=NOT_CALLED,
        sealing=NOT_CALLED,
        enrollments=NOT_CALLED,
        keys=None,
        issuer="/perennial/device",
        operator_key_hash="",
    )
    app = _app("device")
    app.include_router(device_api.routes(doors))
    app.include_router(window.routes(window.Window(doors=doors, stopping=NOT_CALLED)))
    app.include_router(reference_door(app, device.APPLICATION, device.ROUTES))
    return app


def activation_app() -> FastAPI:
    """Return the activation service's app."""
    doors = activation_api.Doors(
        queue=NOT_CALLED, pool=NOT_CALLED, clock=NOT_CALLED, sealing=NOT_CALLED, operator_key_hash=""
    )
    app = _app("activation")
    app.include_router(activation_api.routes(doors))
    app.include_router(preview_door(doors))
    app.include_router(reference_door(app, activation.APPLICATION, activation.ROUTES))
    return app


def _app(service: str) -> FastAPI:
    app = new_app(title=f"Perennial {service} service", version="1.2.3", registry=CollectorRegistry(), checks=())
    app.include_router(sandbox.routes(NOT_CALLED, NOT_CALLED, ""))
    app.include_router(operations_door(OPERATIONS, ""))
    return app


ROUTES: dict[str, Routes] = {"device": device.ROUTES, "activation": activation.ROUTES}
APPLICATIONS = {"device": device.APPLICATION, "activation": activation.APPLICATION}
APPS = {"device": device_app, "activation": activation_app}


class Reader:
    """A client of one service, without a socket."""

    def __init__(self, service: str) -> None:
        self._transport = httpx.ASGITransport(APPS[service]())

    def get(self, path: str) -> httpx.Response:
        """Return the answer."""
        return self.asks("GET", path)

    def asks(self, method: str, path: str) -> httpx.Response:
        """Return the answer to any method."""
        return asyncio.run(self._asks(method, path))

    async def _asks(self, method: str, path: str) -> httpx.Response:
        async with httpx.AsyncClient(transport=self._transport, base_url="http://door") as client:
            return await client.request(method, path)
