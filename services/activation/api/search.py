"""HTTP out: finds codes by their last group, by an order, or by a device that holds a seat. Translates only."""

from typing import Annotated, Any

from fastapi import APIRouter, Query, Request
from pydantic_core import to_json

from services.activation.api.doors import Doors, vendor_of
from services.activation.decider import Code
from shared.calendar import instant
from shared.doors.fields import PageLimit
from shared.doors.problems import Problem
from shared.ledger.database import Pool
from shared.messages import DeviceId, LastGroup, OrderId, Vendor

After = Annotated[str, Query(max_length=32, pattern=r"^[0-9a-f]*$")]


def add_search(router: APIRouter, doors: Doors) -> None:
    """Add the route."""

    @router.get("/codes", tags=["codes"])
    async def find(
        request: Request,
        limit: PageLimit,
        last_group: LastGroup | None = None,
        order_id: OrderId | None = None,
        device_id: DeviceId | None = None,
        after: After = "",
    ) -> dict[str, Any]:
        """Find codes by their last group, by an order, or by a device that holds a seat; `next` continues."""
        page: dict[str, Any] = {"after": after, "limit": limit, "vendor": vendor_of(request)}
        match last_group, order_id, device_id:
            case str(), None, None:
                codes = await codes_ending(doors.pool, last_group, **page)
            case None, str(), None:
                codes = await codes_of_order(doors.pool, order_id, **page)
            case None, None, str():
                codes = await codes_held_by(doors.pool, device_id, **page)
            case _:
                raise Problem(422, "invalid_fields", "give one of last_group, order_id and device_id")
        return {
            "as_of": instant(doors.clock.now()),
            "codes": [code.to_dict() for code in codes],
            "next": codes[-1].code_ref if len(codes) == limit else None,
        }


async def codes_ending(
    pool: Pool, last_group: LastGroup, *, limit: int, after: str = "", vendor: Vendor | None = None
) -> list[Code]:
    """Return the issued codes with this last group, of one vendor or of all, by their references."""
    return [_code(row) for row in await pool.fetch(ENDING, after, vendor, limit, last_group)]


async def codes_of_order(
    pool: Pool, order_id: OrderId, *, limit: int, after: str = "", vendor: Vendor | None = None
) -> list[Code]:
    """Return the codes that an order is about, of one vendor or of all, by their references."""
    written = to_json({"order_id": order_id}).decode()
    return [_code(row) for row in await pool.fetch(OF_ORDER, after, vendor, limit, order_id, written)]


async def codes_held_by(
    pool: Pool, device_id: DeviceId, *, limit: int, after: str = "", vendor: Vendor | None = None
) -> list[Code]:
    """Return the codes on which the device holds a seat, of one vendor or of all, by their references."""
    return [_code(row) for row in await pool.fetch(HELD, after, vendor, limit, device_id)]


def _code(row: Any) -> Code:
    return Code.from_json(row["state"])


ISSUED = """
select state from code where code_ref > $1 and state ->> 'code_ref' is not null
    and ($2::text is null or state ->> 'vendor' = $2)
"""

ENDING = f"{ISSUED} and last_group = $4 order by code_ref limit $3"

# first by the expression of the index `event_by_order`, then exactly
OF_ORDER = f"""{ISSUED} and code_ref in (
    select stream_id from event
    where substring(encode(data, 'escape') from '"order_id":"([^"]*)"')
            = substring(encode(convert_to($5, 'UTF8'), 'escape') from '"order_id":"([^"]*)"')
        and type in ('LicenseRenewed', 'LicenseShortened', 'PurchaseAnnounced', 'PurchaseCancelled', 'PurchaseRefused')
        and convert_from(data, 'UTF8')::jsonb ->> 'order_id' = $4
) order by code_ref limit $3
"""  # noqa: S608 - one statement of ours in another

HELD = f"{ISSUED} and code_ref in (select code_ref from seat where device_id = $4) order by code_ref limit $3"  # noqa: S608
