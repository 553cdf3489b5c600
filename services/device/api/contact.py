"""Comes in: "Check now". A device speaks, and hears what is true of it, signed and bound to its question (R-101)."""

from time import monotonic
from typing import Annotated

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse
from pydantic import AwareDatetime, Field

from services.device.api.doors import Doors
from services.device.api.shown import Shown, shown_of
from services.device.api.watch import next_look
from services.device.decider import RecordContact
from shared.doors.answers import respond
from shared.doors.credentials import Bearer
from shared.doors.door import Answer, LedgerAway, LookAgain
from shared.doors.fields import Body
from shared.ledger.database import Connection
from shared.ledger.identity import new_id
from shared.messages import DeviceId

STATUS = "perennial-status"
SEQUENCE_MAX = 2**53 - 1
"""What JSON carries everywhere without loss."""
CATCH_UP_SECONDS_MAX = 5.0
ATTEMPTS_MAX = 5

Nonce = Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]{8,128}$")]
"""What the asker made up: the answer repeats it, so that no older answer passes for it (R-110)."""


class Contact(Body):
    """A device speaks for the `sequence`th time; `device_time` is what its clock says (R-88, R-111)."""

    sequence: int = Field(ge=0, le=SEQUENCE_MAX)
    nonce: Nonce
    device_time: AwareDatetime | None = None


class ContactMoved(LookAgain):
    """The device was heard of again since its last sequence was read."""


def add_contact(router: APIRouter, doors: Doors) -> None:
    """Add the route."""

    @router.post("/{device_id}/contact")
    async def contact(request: Request, device_id: DeviceId, body: Contact, credential: Bearer) -> JSONResponse:
        """Check now: what is due is decided, and the answer shows it, as JSON and as a signed `statement`."""
        await doors.authorize(device_id, credential)
        keys = doors.signing_keys()
        answer = await _recorded(doors, request, device_id, body)
        if answer.status != 202:  # noqa: PLR2004 - HTTP's own number
            return respond(answer)
        shown = await _caught_up(doors, device_id)
        told = {"iss": doors.issuer, "sub": device_id, "nonce": body.nonce, "sequence": body.sequence, **shown.answer}
        return JSONResponse({**told, "statement": keys.sign(told, kind=STATUS)}, headers={"ETag": shown.etag})


async def _recorded(doors: Doors, request: Request, device_id: DeviceId, body: Contact) -> Answer:
    """Record the contact against the last one, which two contacts at once must not both be measured by."""
    for _ in range(ATTEMPTS_MAX):
        last = await doors.pool.fetchval("select sequence from device_contact where device_id = $1", device_id)
        try:
            return await _order(doors, request, device_id, body, last)
        except ContactMoved:
            continue
    raise LedgerAway


async def _order(doors: Doors, request: Request, device_id: DeviceId, body: Contact, last: int | None) -> Answer:
    now = doors.clock.now()

    async def remember(connection: Connection) -> None:
        if not await connection.fetchval(REMEMBER, device_id, body.sequence, last, now):
            raise ContactMoved

    command = RecordContact(
        device_id=device_id,
        sequence=body.sequence,
        last_sequence=last,
        device_time=body.device_time,
        at=now,
        request_id=new_id(),
    )
    # the same question again is a repetition; another one with the same number is a clone's
    key = f"contact/{body.sequence}/{body.nonce}"
    return await doors.order(request, command, said={}, key=key, also=remember)


async def _caught_up(doors: Doors, device_id: DeviceId) -> Shown:
    """Return what is shown once it has all that is recorded of the device; after a while, with its true age."""
    deadline = monotonic() + CATCH_UP_SECONDS_MAX
    with doors.watch.on(device_id) as changed:
        while True:
            shown = await shown_of(doors, device_id)
            if shown.current or monotonic() >= deadline:
                return shown
            await next_look(changed, seconds_max=deadline - monotonic())


REMEMBER = """
insert into device_contact as here (device_id, sequence, contacted_at) values ($1, $2, $4)
on conflict (device_id) do update
    set sequence = greatest(here.sequence, excluded.sequence), contacted_at = excluded.contacted_at
    where here.sequence = $3
returning true
"""
