"""HTTP in: translates requests into commands and outcomes into answers. Decides nothing."""

from fastapi import APIRouter

from services.device.api import fleet
from services.device.api.as_of import add_why
from services.device.api.commands import add_commands
from services.device.api.contact import add_contact
from services.device.api.documents import add_documents, add_public_keys
from services.device.api.doors import Doors
from services.device.api.enrollment import add_enrollment
from services.device.api.events import add_events
from services.device.api.fleet import add_fleet
from services.device.api.fleet_results import add_fleet_results
from services.device.api.license import add_reads
from services.device.api.listing import add_listing
from services.device.api.names import add_names
from services.device.api.overview import add_overview
from services.device.api.region import add_region
from services.device.api.reports import add_reports
from services.device.api.representation import license_representation
from services.device.api.watch import Watch
from shared.doors.throttle import Throttle

__all__ = ["LARGER_BODIES", "Doors", "Throttle", "Watch", "license_representation", "routes"]

LARGER_BODIES = {fleet.PATH: fleet.BODY_BYTES_MAX}
"""The paths that accept larger bodies than usual, and their limits in bytes."""


def routes(doors: Doors) -> APIRouter:
    """Return the routes of the device service."""
    devices = APIRouter(prefix="/v1/devices", tags=["devices"])
    add_enrollment(devices, doors)
    add_listing(devices, doors)
    add_names(devices, doors)
    add_commands(devices, doors)
    add_reports(devices, doors)
    add_region(devices, doors)
    add_contact(devices, doors)
    add_reads(devices, doors)
    add_why(devices, doors)
    add_documents(devices, doors)
    router = APIRouter()
    router.include_router(devices)
    add_fleet(router, doors)
    add_fleet_results(router, doors)
    add_events(router, doors)
    add_overview(router, doors)
    add_public_keys(router, doors)
    return router
