"""Goes out on both services: the two documents, and a page of each for people. Public, and the same for all."""

import json
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

from fastapi import APIRouter, FastAPI, Request, Response

from shared.pages import HEADERS, Renderer, add_assets
from shared.reference.asyncapi import Application, asyncapi_of
from shared.reference.described import Routes
from shared.reference.everywhere import EVERYWHERE
from shared.reference.openapi import openapi_of
from shared.reference.pages import api_page, messages_page

PREFIX = "/docs/assets"
CACHEABLE = "public, max-age=300"
"""The documents change with a release only."""


def reference_door(app: FastAPI, application: Application, routes: Routes) -> APIRouter:
    """Return the routes, and let `/openapi.json` of `app` be the described document.

    The documents are made when they are first asked for: by then the app has all its routes.
    """
    renderer = Renderer(Path(__file__).parent, prefix=PREFIX)
    openapi = cache(lambda: openapi_of(app, {**EVERYWHERE, **routes}))
    asyncapi = cache(lambda: asyncapi_of(application, version=app.version))
    # FastAPI's own way to hand in another document
    app.openapi = openapi  # type: ignore[method-assign]
    router = APIRouter(include_in_schema=False)
    _add_page(router, "/docs/api", renderer, "api.html", lambda: api_page(openapi()))
    _add_page(router, "/docs/messages", renderer, "messages.html", lambda: messages_page(asyncapi()))
    add_assets(router, renderer.assets, prefix=PREFIX)

    @router.get("/asyncapi.json")
    async def asyncapi_document() -> Response:
        return Response(json.dumps(asyncapi()), headers={"Cache-Control": CACHEABLE}, media_type="application/json")

    return router


def _add_page(router: APIRouter, path: str, renderer: Renderer, template: str, shown: Callable[[], Any]) -> None:
    drawn = cache(lambda: renderer.html(template, accept_language=None, page=shown()))

    @router.get(path)
    async def page(_: Request) -> Response:
        return Response(drawn(), headers={**HEADERS, "Cache-Control": CACHEABLE}, media_type="text/html")
