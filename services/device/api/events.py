"""HTTP out: events of this log by their ids or their causes, to go with what the client saw in the other log."""

from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Depends, Query

from services.device.api.doors import Doors
from shared.calendar import instant
from shared.doors.credentials import operator_check
from shared.doors.history import history_entry
from shared.ledger.causation import IDS_MAX, STREAMS_MAX, causes_and_effects
from shared.messages import DeviceId


def add_events(router: APIRouter, doors: Doors) -> None:
    """Add the route; it needs the operator key or a console token."""
    operator = Depends(operator_check(doors.operator_key_hash, doors.operator_tokens))

    @router.get("/v1/events", tags=["devices"], dependencies=[operator])
    async def events(
        event_id: Annotated[list[UUID], Query(max_length=IDS_MAX, description="Events with these ids.")] = [],  # noqa: B006 - FastAPI copies it
        device_id: Annotated[list[DeviceId], Query(max_length=STREAMS_MAX, description="Devices to look at.")] = [],  # noqa: B006
        cause: Annotated[list[UUID], Query(max_length=IDS_MAX, description="What these caused there.")] = [],  # noqa: B006
    ) -> dict[str, Any]:
        """Return events by their ids, and the events on certain devices that certain events of either log caused."""
        async with doors.pool.acquire() as connection:
            found = await causes_and_effects(connection, event_ids=event_id, stream_ids=device_id, causes=cause)
        return {
            "as_of": instant(doors.clock.now()),
            "events": [{**history_entry(entry), "device_id": entry.event.stream_id} for entry in found],
        }
