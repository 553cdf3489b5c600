"""HTTP in and out, for vendors, shops and operators. Translates, decides nothing."""

from fastapi import APIRouter, Depends

from services.activation.api.as_of import add_code_why
from services.activation.api.customers import add_customers
from services.activation.api.doors import Doors, answer_to
from services.activation.api.forecast import add_forecast
from services.activation.api.issuing import add_issuing
from services.activation.api.operations import add_operations
from services.activation.api.purchases import add_purchases
from services.activation.api.reads import add_reads
from services.activation.api.search import add_search
from services.activation.api.vendors import add_vendors

__all__ = ["Doors", "answer_to", "routes"]


def routes(doors: Doors) -> APIRouter:
    """Return the routes of the activation service: for the operator, and for vendors with their own codes."""
    sellers = APIRouter(prefix="/v1", dependencies=[Depends(doors.admit)])
    add_issuing(sellers, doors)
    add_operations(sellers, doors)
    add_purchases(sellers, doors)
    add_customers(sellers, doors)
    add_reads(sellers, doors)
    add_search(sellers, doors)
    add_code_why(sellers, doors)
    add_forecast(sellers, doors)
    router = APIRouter()
    router.include_router(sellers)
    add_vendors(router, doors)
    return router
