"""HTTP in: an operator corrects the region of a device and its add-on products (R-137)."""

from fastapi import APIRouter, Depends, Request
from fastapi.responses import JSONResponse

from services.device.api.doors import Doors, answer_to
from services.device.decider import CorrectRegion
from shared.doors.answers import respond, submit_command
from shared.doors.credentials import operator_check
from shared.doors.fields import Body
from shared.doors.idempotency import IdempotencyKey, request_hash
from shared.ledger.identity import new_id
from shared.messages import DeviceId, Note, ToldRegion


class Correction(Body):
    """Where the device is, and how that is known."""

    region: ToldRegion
    note: Note = ""


def add_region(router: APIRouter, doors: Doors) -> None:
    """Add the route."""
    operator = Depends(operator_check(doors.operator_key_hash, doors.operator_tokens))

    @router.put("/{device_id}/region", status_code=202, dependencies=[operator])
    async def correct_region(
        request: Request, device_id: DeviceId, body: Correction, key: IdempotencyKey
    ) -> JSONResponse:
        """Correct the region of a device, and of all products on it. Codes that wait there are verified again."""
        now, rows = doors.clock.now(), await doors.pool.fetch(ON_THE_SAME, device_id)
        commands = [
            CorrectRegion(device_id=each, region=body.region, note=body.note, at=now, request_id=new_id())
            for each in [row["device_id"] for row in rows] or [device_id]
        ]
        answer = await submit_command(
            doors.queue,
            *commands,
            now=now,
            scope=f"device:{device_id}",
            key=key,
            request_hash=request_hash(request, body),
            to_answer=lambda outcome: answer_to(outcome, {"device_id": device_id, "region": body.region}),
        )
        return respond(answer)


# a device and its add-on products, whichever of them is named
ON_THE_SAME = """
with named as (select coalesce(state ->> 'part_of', device_id) as device_id from device where device_id = $1)
select device_id from named join device using (device_id)
union
select d.device_id from named n join device d on d.state ->> 'part_of' = n.device_id
where d.state ->> 'part_of' is not null
order by device_id
"""
