"""Goes out on both services: the two documents, their HTML pages, the schemas. Public, and the same for everybody."""

import json
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

from fastapi import APIRouter, FastAPI, Request, Response

from shared.pages import HEADERS, Renderer, add_assets
from shared.reference.asyncapi import Application, asyncapi_of
from shared.reference.common_routes import COMMON_ROUTES
from shared.reference.openapi import openapi_of
from shared.reference.pages import api_page, messages_page
from shared.reference.route_docs import Routes
from shared.reference.schemas import schemas_door

PREFIX = "/docs/assets"
CACHEABLE = "public, max-age=300"
"""The documents change only with a release."""


def reference_door(app: FastAPI, application: Application, routes: Routes) -> APIRouter:
    """Return the routes, and make `/openapi.json` of `app` serve the documented version.

    The documents are generated at the first request, when the app has all its routes.
    """
    renderer = Renderer(Path(__file__).parent, prefix=PREFIX)
    openapi = cache(lambda: openapi_of(app, {**COMMON_ROUTES, **routes}))
    asyncapi = cache(lambda: asyncapi_of(application, version=app.version))
    # FastAPI's own way to replace the document
    app.openapi = openapi  # type: ignore[method-assign]
    router = APIRouter()
    router.include_router(schemas_door())
    _add_page(router, "/docs/api", renderer, "api.html", lambda: api_page(openapi()))
    _add_page(router, "/docs/messages", renderer, "messages.html", lambda: messages_page(asyncapi()))
    add_assets(router, renderer.assets, prefix=PREFIX)

    @router.get("/asyncapi.json", include_in_schema=False)
    async def asyncapi_document() -> Response:
        return Response(json.dumps(asyncapi()), headers={"Cache-Control": CACHEABLE}, media_type="application/json")

    return router


def _add_page(router: APIRouter, path: str, renderer: Renderer, template: str, content: Callable[[], Any]) -> None:
    html = cache(lambda: renderer.html(template, accept_language=None, page=content()))

    @router.get(path, include_in_schema=False)
    async def page(_: Request) -> Response:
        return Response(html(), headers={**HEADERS, "Cache-Control": CACHEABLE}, media_type="text/html")
