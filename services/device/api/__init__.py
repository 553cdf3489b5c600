"""Comes in: HTTP. Translates requests into commands and outcomes into answers; decides nothing."""

from fastapi import APIRouter

from services.device.api.doors import Doors
from services.device.api.enrollment import add_enrollment
from services.device.api.license import add_reads, shown_license
from services.device.api.orders import add_orders

__all__ = ["Doors", "routes", "shown_license"]


def routes(doors: Doors) -> APIRouter:
    """Return the routes of the device service."""
    router = APIRouter(prefix="/v1/devices", tags=["devices"])
    add_enrollment(router, doors)
    add_orders(router, doors)
    add_reads(router, doors)
    return router
