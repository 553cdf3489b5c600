"""The routes of the console. Each page has its own module, which adds its routes here."""

from fastapi import APIRouter, Request, Response

from services.activation.console.actions import add_actions
from services.activation.console.code_page import add_code_page
from services.activation.console.console import ASSETS, PAGES, Console
from services.activation.console.device_page import add_device_page
from services.activation.console.error_pages import error_renderer
from services.activation.console.forecast import add_forecast
from services.activation.console.home import add_home
from services.activation.console.lists import add_lists
from services.activation.console.login import add_login
from services.activation.console.parked import add_parked
from services.activation.console.rebuilds import add_rebuilds
from services.activation.console.region import add_region
from services.activation.console.search import add_search
from services.activation.console.system import add_system
from shared.doors.problems import Problem
from shared.pages import add_assets
from shared.pages.error_pages import page_route


def routes(console: Console) -> APIRouter:
    """Return the routes of the console."""
    pages = APIRouter(prefix=PAGES, include_in_schema=False, route_class=page_route(error_renderer(console)))
    add_login(pages, console)
    add_home(pages, console)
    add_search(pages, console)
    add_lists(pages, console)
    add_device_page(pages, console)
    add_region(pages, console)
    add_code_page(pages, console)
    add_actions(pages, console)
    add_forecast(pages, console)
    add_parked(pages, console)
    add_system(pages, console)
    add_rebuilds(pages, console)
    _add_not_found(pages, console)
    router = APIRouter()
    add_assets(router, console.renderer.assets, prefix=ASSETS)
    router.include_router(pages)
    return router


def _add_not_found(router: APIRouter, console: Console) -> None:
    """Add the page for every other address, behind the login. It must come last."""

    @router.get("/{path:path}")
    async def not_found(request: Request, path: str) -> Response:
        await console.session(request)
        raise Problem(404, "not_found", f"there is nothing at {path!r}")
