"""HTTP in: "Check now". A device reports in and gets its license, signed and bound to its request (R-101)."""

from time import monotonic
from typing import Annotated, NamedTuple

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse
from pydantic import Field

from services.device.api.doors import Doors
from services.device.api.representation import Representation, representation_of
from services.device.api.watch import wait_for_change
from services.device.decider import RecordContact
from shared.doors.answers import respond
from shared.doors.command_queue import LedgerUnavailable, StaleRead
from shared.doors.credentials import Bearer
from shared.doors.fields import Body
from shared.doors.idempotency import Answer
from shared.ledger.database import Connection
from shared.ledger.identity import new_id
from shared.messages import DeviceId, ToldMoment

STATUS = "perennial-status"
SEQUENCE_MAX = 2**53 - 1
"""The largest integer that every JSON parser reads exactly."""
CATCH_UP_SECONDS_MAX = 5.0
ATTEMPTS_MAX = 5

Nonce = Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]{8,128}$")]
"""Chosen by the client and repeated in the answer, so that no older answer can be replayed (R-110)."""


class Contact(Body):
    """A device's contact number `sequence`; `device_time` is what its clock says (R-88, R-111)."""

    sequence: int = Field(ge=0, le=SEQUENCE_MAX)
    nonce: Nonce
    device_time: ToldMoment | None = None


class Contacts(NamedTuple):
    """The contacts so far: the last number, the last one that came again, and how many in a row counted on."""

    last: int | None = None
    repeated: int | None = None
    counted_on: int = 0


class ContactChanged(StaleRead):
    """The device made another contact after its contacts so far were read."""


def add_contact(router: APIRouter, doors: Doors) -> None:
    """Add the route."""

    @router.post("/{device_id}/contact")
    async def contact(request: Request, device_id: DeviceId, body: Contact, credential: Bearer) -> JSONResponse:
        """Check now: whatever is due is decided, and the answer shows it as JSON and as a signed `statement`.

        Takes no Idempotency-Key: `sequence` and `nonce` are one.
        """
        await doors.authorize(device_id, credential)
        keys = doors.signing_keys()
        answer = await _record(doors, request, device_id, body)
        if answer.status != 202:  # noqa: PLR2004 - HTTP's own number
            return respond(answer)
        current = await _caught_up(doors, device_id)
        bound = {"iss": doors.issuer, "sub": device_id, "nonce": body.nonce, "sequence": body.sequence}
        claims = {**bound, **current.answer}
        return JSONResponse({**claims, "statement": keys.sign(claims, kind=STATUS)}, headers={"ETag": current.etag})


async def _record(doors: Doors, request: Request, device_id: DeviceId, body: Contact) -> Answer:
    """Record the contact, compared with those before. Two contacts at once must not be compared with the same ones."""
    for _ in range(ATTEMPTS_MAX):
        before = Contacts(*(await doors.pool.fetchrow(CONTACTS, device_id) or ()))
        try:
            return await _submit(doors, request, device_id, body, before)
        except ContactChanged:
            continue
    raise LedgerUnavailable


async def _submit(doors: Doors, request: Request, device_id: DeviceId, body: Contact, before: Contacts) -> Answer:
    now = doors.clock.now()

    async def remember(connection: Connection) -> None:
        if not await connection.fetchval(REMEMBER, device_id, body.sequence, now, *before):
            raise ContactChanged

    command = RecordContact(
        device_id=device_id,
        sequence=body.sequence,
        last_sequence=before.last,
        repeated_sequence=before.repeated,
        counted_on=before.counted_on,
        device_time=body.device_time,
        at=now,
        request_id=new_id(),
    )
    # the same request again is a retry; a different one with the same number may come from a clone
    key = f"contact/{body.sequence}/{body.nonce}"
    return await doors.submit_request(request, command, key=key, in_transaction=remember)


async def _caught_up(doors: Doors, device_id: DeviceId) -> Representation:
    """Return the license once the view has every recorded event, or the stale one, with its age, after a while."""
    deadline = monotonic() + CATCH_UP_SECONDS_MAX
    with doors.watch.on(device_id) as changed:
        while True:
            found = await representation_of(doors, device_id)
            if found.current or monotonic() >= deadline:
                return found
            await wait_for_change(changed, seconds_max=deadline - monotonic())


CONTACTS = "select sequence, repeated, counted_on from device_contact where device_id = $1"

REMEMBER = """
insert into device_contact as here (device_id, sequence, contacted_at, counted_on) values ($1, $2, $3, 1)
on conflict (device_id) do update
    set sequence = greatest(here.sequence, excluded.sequence), contacted_at = excluded.contacted_at,
        repeated = case when excluded.sequence = here.sequence then here.sequence else here.repeated end,
        counted_on = case when excluded.sequence > here.sequence then here.counted_on + 1 else 0 end
    where here.sequence = $4 and here.repeated is not distinct from $5 and here.counted_on = $6
returning true
"""
