"""All pages of the console: each has a module of its own, which adds its routes here."""

from fastapi import APIRouter, Request, Response

from services.activation.console.actions import add_actions
from services.activation.console.code import add_code
from services.activation.console.console import ASSETS, PAGES, Console
from services.activation.console.device import add_device
from services.activation.console.entering import add_entering
from services.activation.console.failing import failed_page
from services.activation.console.forecast import add_forecast
from services.activation.console.parked import add_parked
from services.activation.console.rebuilds import add_rebuilds
from services.activation.console.searching import add_search
from services.activation.console.system import add_system
from shared.doors.problems import Problem
from shared.pages import add_assets
from shared.pages.error_pages import page_route


def routes(console: Console) -> APIRouter:
    """Return the routes of the console."""
    pages = APIRouter(prefix=PAGES, include_in_schema=False, route_class=page_route(failed_page(console)))
    add_entering(pages, console)
    add_search(pages, console)
    add_device(pages, console)
    add_code(pages, console)
    add_actions(pages, console)
    add_forecast(pages, console)
    add_parked(pages, console)
    add_system(pages, console)
    add_rebuilds(pages, console)
    _add_nothing(pages, console)
    router = APIRouter()
    add_assets(router, console.renderer.assets, prefix=ASSETS)
    router.include_router(pages)
    return router


def _add_nothing(router: APIRouter, console: Console) -> None:
    """Add what every other address leads to, for those who are logged in; it stands behind all others."""

    @router.get("/{path:path}")
    async def nothing(request: Request, path: str) -> Response:
        await console.session(request)
        raise Problem(404, "not_found", f"there is nothing at {path!r}")
