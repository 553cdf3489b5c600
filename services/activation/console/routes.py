"""All pages of the console: each has a module of its own, which adds its routes here."""

from fastapi import APIRouter

from services.activation.console.console import ASSETS, PAGES, Console
from services.activation.console.entering import add_entering
from services.activation.console.failing import failed_page
from services.activation.console.searching import add_search
from shared.pages import add_assets
from shared.pages.failing import page_route


def routes(console: Console) -> APIRouter:
    """Return the routes of the console."""
    pages = APIRouter(prefix=PAGES, include_in_schema=False, route_class=page_route(failed_page(console)))
    add_entering(pages, console)
    add_search(pages, console)
    router = APIRouter()
    add_assets(router, console.drawing.assets, prefix=ASSETS)
    router.include_router(pages)
    return router
