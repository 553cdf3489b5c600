"""Goes out: one code. How it stands and why, its seats, what was bought for it, and what happened in both logs."""

from collections.abc import Sequence
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request, Response

from services.activation.api.as_of import explained
from services.activation.console.console import Console
from services.activation.console.devices import DeviceAway, DeviceRefused
from services.activation.console.known import EVENTS_MAX, SEATS_MAX, code_of, events_before, seats_of
from services.activation.console.offers import actions_for
from services.activation.console.sessions import Session
from services.activation.console.timeline import stories
from services.activation.console.values import Fact, moment, standing_of
from services.activation.console.why import further_of
from services.activation.decider import Code
from shared.doors.problems import Problem
from shared.ledger.causation import IDS_MAX, STREAMS_MAX
from shared.messages import CodeRef
from shared.pages import text

type Said = dict[str, Any]

VERSION_MAX = 2**31 - 1
Before = Annotated[int, Query(ge=1, le=VERSION_MAX)]
AfterDevice = Annotated[str, Query(max_length=64, pattern=r"^[A-Za-z0-9._:-]*$")]


def add_code(router: APIRouter, console: Console) -> None:
    """Add the route."""

    @router.get("/codes/{code_ref}")
    async def code_page(
        request: Request, code_ref: CodeRef, before: Before = VERSION_MAX, seats_after: AfterDevice = ""
    ) -> Response:
        session, pool = await console.session(request), console.doors.pool
        known = await code_of(pool, code_ref)
        if known is None:
            raise Problem(404, "unknown_code", "no such code was issued")
        own, seats = await events_before(pool, code_ref, before), await seats_of(pool, code_ref, after=seats_after)
        others = await _elsewhere(console, session, own)
        return console.draw(
            "code.html",
            request,
            session,
            code=known.code,
            standing=standing_of(known.code, console.doors.clock.now()),
            facts=facts_of(known.code),
            actions=actions_for(known.code),
            seats=seats[:SEATS_MAX],
            more_seats=seats[SEATS_MAX - 1].device_id if len(seats) > SEATS_MAX else None,
            why=further_of(await explained(console.doors, code_ref)),
            stories=stories(own, others or (), service="activation"),
            away=others is None,
            earlier=own[0]["version"] if len(own) == EVENTS_MAX and own[0]["version"] > 1 else None,
            later=before != VERSION_MAX,
            here=f"/console/codes/{code_ref}",
        )


async def _elsewhere(console: Console, session: Session, own: Sequence[Said]) -> list[Said] | None:
    """Return what these events came from and led to on the devices; None if the device service does not answer."""
    params = {
        "event_id": [event["causation_id"] for event in own if event["causation_id"]][:IDS_MAX],
        "device_id": sorted({name for event in own if (name := event["data"].get("device_id"))})[:STREAMS_MAX],
        "cause": [event["event_id"] for event in own][:IDS_MAX],
    }
    try:
        said = await console.devices.ask(session.operator, "/v1/events", params=params)
    except (DeviceAway, DeviceRefused):
        return None
    events: list[Said] = said["events"]
    return events


def facts_of(code: Code) -> tuple[Fact, ...]:
    """Return what a code is, and its dates."""
    facts = [
        Fact("Product", (f"{code.product}, {code.edition}",)),
        Fact("Kind", (code.kind,)),
        Fact("Term", (code.term,)),
        Fact("First activation", moment(code.started_at, "not yet")),
        Fact("Ends", moment(code.ends_at, "when it was activated for its term")),
        Fact("Seats", text("{taken} of {seats} taken", taken=code.seats_taken, seats=code.seats)),
        Fact("Vendor", (code.vendor,)),
        Fact("Reference", (code.code_ref or "",)),
    ]
    optional = [
        Fact("Stops, blocked", moment(code.stops_at)) if code.stops_at else None,
        Fact("Activate by", moment(code.activate_by)) if code.activate_by else None,
        Fact("Regions", (", ".join(code.regions),)) if code.regions else None,
        Fact("Features", (", ".join(code.features),)) if code.features else None,
        Fact("Renews itself", ("yes" if code.auto_renews else "no",)) if code.kind == "subscription" else None,
    ]
    return (*facts, *(fact for fact in optional if fact))
