"""Turns exceptions on HTML routes into error pages, so that people never see problem+json. No rule here."""

from collections.abc import Callable, Coroutine
from typing import Any

from fastapi import Request, Response
from fastapi.routing import APIRoute

type Handler = Callable[[Request], Coroutine[Any, Any, Response]]


def page_route(error_page: Callable[[Request, Exception], Response]) -> type[APIRoute]:
    """Return a route class that answers an exception with the page from `error_page`."""

    class PageRoute(APIRoute):
        def get_route_handler(self) -> Handler:
            handle = super().get_route_handler()

            async def handle_or_explain(request: Request) -> Response:
                try:
                    return await handle(request)
                except Exception as error:  # noqa: BLE001 - `error_page` logs what is unexpected and tells the person
                    return error_page(request, error)

            return handle_or_explain

    return PageRoute
