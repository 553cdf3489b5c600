"""Turns what goes wrong on a page into a page that says so: people are not shown problem documents. No rule here."""

from collections.abc import Callable, Coroutine
from typing import Any

from fastapi import Request, Response
from fastapi.routing import APIRoute

type Handler = Callable[[Request], Coroutine[Any, Any, Response]]


def page_route(failed: Callable[[Request, Exception], Response]) -> type[APIRoute]:
    """Return the kind of route whose failures become the page that `failed` draws."""

    class PageRoute(APIRoute):
        def get_route_handler(self) -> Handler:
            handle = super().get_route_handler()

            async def handled(request: Request) -> Response:
                try:
                    return await handle(request)
                except Exception as error:  # noqa: BLE001 - what is unexpected is logged by `failed`, and said
                    return failed(request, error)

            return handled

    return PageRoute
