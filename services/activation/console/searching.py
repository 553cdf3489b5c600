"""Comes in and goes out: the one field by which support finds a device, a code or an order."""

from fastapi import APIRouter, Request, Response

from services.activation.console.console import Console


def add_search(router: APIRouter, console: Console) -> None:
    """Add the routes."""

    @router.get("")
    async def search_page(request: Request) -> Response:
        session = await console.session(request)
        return console.draw("search.html", request, session, entry="Search")
