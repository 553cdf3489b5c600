"""Goes out: the page of a code. Its status and why, its seats and purchases, and its timeline from both logs."""

from collections.abc import Sequence
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request, Response

from services.activation.api.as_of import explained
from services.activation.console.action_kinds import actions_for
from services.activation.console.console import Console
from services.activation.console.device_client import DeviceRefused, DeviceUnavailable
from services.activation.console.queries import EVENTS_MAX, SEATS_MAX, code_of, events_before, seats_of
from services.activation.console.sessions import Session
from services.activation.console.timeline import stories
from services.activation.console.values import Fact, moment, status_of
from services.activation.console.why import code_explanation_of
from services.activation.decider import Code
from shared.doors.problems import Problem
from shared.ledger.causation import IDS_MAX, STREAMS_MAX
from shared.messages import CodeRef
from shared.pages import text

type JsonObject = dict[str, Any]

VERSION_MAX = 2**31 - 1
Before = Annotated[int, Query(ge=1, le=VERSION_MAX)]
AfterDevice = Annotated[str, Query(max_length=64, pattern=r"^[A-Za-z0-9._:-]*$")]


def add_code_page(router: APIRouter, console: Console) -> None:
    """Add the route."""

    @router.get("/codes/{code_ref}")
    async def code_page(
        request: Request, code_ref: CodeRef, before: Before = VERSION_MAX, seats_after: AfterDevice = ""
    ) -> Response:
        session, pool = await console.session(request), console.doors.pool
        found = await code_of(pool, code_ref)
        if found is None:
            raise Problem(404, "unknown_code", "no such code was issued")
        own, seats = await events_before(pool, code_ref, before), await seats_of(pool, code_ref, after=seats_after)
        others = await _device_events(console, session, own)
        return console.render(
            "code.html",
            request,
            session,
            code=found.code,
            status_pill=status_of(found.code, console.doors.clock.now(), console.doors.policy),
            facts=facts_of(found.code),
            actions=actions_for(found.code),
            seats=seats[:SEATS_MAX],
            more_seats=seats[SEATS_MAX - 1].device_id if len(seats) > SEATS_MAX else None,
            why=code_explanation_of(await explained(console.doors, code_ref)),
            stories=stories(own, others or (), service="activation"),
            device_service_down=others is None,
            earlier=own[0]["version"] if len(own) == EVENTS_MAX and own[0]["version"] > 1 else None,
            later=before != VERSION_MAX,
            here=f"/console/codes/{code_ref}",
        )


async def _device_events(console: Console, session: Session, own: Sequence[JsonObject]) -> list[JsonObject] | None:
    """Return the causes and effects of these events in the device log; None if the device service is unavailable."""
    params = {
        "event_id": [event["causation_id"] for event in own if event["causation_id"]][:IDS_MAX],
        "device_id": sorted({name for event in own if (name := event["data"].get("device_id"))})[:STREAMS_MAX],
        "cause": [event["event_id"] for event in own][:IDS_MAX],
    }
    try:
        answer = await console.devices.request(session.operator, "/v1/events", params=params)
    except (DeviceUnavailable, DeviceRefused):
        return None
    events: list[JsonObject] = answer["events"]
    return events


def facts_of(code: Code) -> tuple[Fact, ...]:
    """Return the facts about a code."""
    facts = [
        Fact("Product", (f"{code.product}, {code.edition}",)),
        Fact("Type", (code.kind,)),
        Fact("Term", (code.term,)),
        Fact("First activation", moment(code.started_at, "not yet")),
        Fact("Ends", moment(code.ends_at, "one term after its first activation")),
        Fact("Seats", text("{taken} of {seats} taken", taken=code.seats_taken, seats=code.seats)),
        Fact("Vendor", (code.vendor,)),
        Fact("Reference", (code.code_ref or "",)),
    ]
    optional = [
        Fact("Stops (blocked)", moment(code.stops_at)) if code.stops_at else None,
        Fact("Activate by", moment(code.activate_by)) if code.activate_by else None,
        Fact("Regions", (", ".join(code.regions),)) if code.regions else None,
        Fact("Features", (", ".join(code.features),)) if code.features else None,
        Fact("Auto-renewal", ("on" if code.auto_renews else "off",)) if code.kind == "subscription" else None,
    ]
    return (*facts, *(fact for fact in optional if fact))
