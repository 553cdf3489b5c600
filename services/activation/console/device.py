"""Goes out: one device. Its license, why it stands so, what happened in both logs; now, or as of another time."""

import asyncio
from dataclasses import dataclass
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Query, Request, Response

from services.activation.api.as_of import explained
from services.activation.console.asking import Asked
from services.activation.console.console import Console
from services.activation.console.devices import DeviceAway, DeviceRefused
from services.activation.console.known import EVENTS_MAX, device_of, last_groups, related_here
from services.activation.console.licenses import Licensed, licensed_of
from services.activation.console.sessions import Session
from services.activation.console.timeline import Story, stories
from services.activation.console.told import with_moments
from services.activation.console.why import Answer, answer_of
from services.activation.explanation import Explanation
from shared.doors.problems import Problem
from shared.messages import DeviceId
from shared.pages import Text

type Said = dict[str, Any]

Before = Annotated[int | None, Query(ge=1, le=2**31 - 1)]
At = Annotated[str, Query(max_length=40)]
Sense = Annotated[str, Query(pattern="^(true|known)$")]


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """What the device service tells of a device, and what this one adds."""

    licensed: Licensed
    verdict: Text
    answers: tuple[Answer, ...]
    stories: tuple[Story, ...]
    earlier: int | None
    versions: frozenset[int]


def add_device(router: APIRouter, console: Console) -> None:
    """Add the route."""

    @router.get("/devices/{device_id}")
    async def device_page(
        request: Request,
        device_id: DeviceId,
        before: Before = None,
        at: At = "",
        sense: Sense = "true",
    ) -> Response:
        session, asked = await console.session(request), Asked.of(at, sense)
        known, shown, problem, status = await device_of(console.doors.pool, device_id), None, asked.problem, 200
        try:
            shown = await _shown(console, session, device_id, asked, before)
        except DeviceRefused as refused:
            if refused.status == 404 and known is None:  # noqa: PLR2004 - HTTP's own number
                raise Problem(404, "unknown_device", "no such device is enrolled") from None
            problem, status = refused.detail, refused.status
        except DeviceAway:
            problem, status = None, 200
        groups = await last_groups(console.doors.pool, known.codes if known else ())
        return console.draw(
            "device.html",
            request,
            session,
            status=status,
            device_id=device_id,
            known=known,
            groups=groups,
            shown=shown,
            asked=asked,
            before=before,
            here=f"/console/devices/{device_id}{asked.query}",
            problem=problem,
        )


async def _shown(console: Console, session: Session, device_id: DeviceId, asked: Asked, before: int | None) -> Shown:
    """Ask the device service for everything at once. Raises `DeviceAway` or `DeviceRefused`."""
    path, params = f"/v1/devices/{device_id}", asked.params
    license_, why = await asyncio.gather(
        console.devices.ask(session.operator, f"{path}/license", params=params),
        console.devices.ask(session.operator, f"{path}/why", params=params),
    )
    top = before or license_["version"] + 1
    after = max(top - 1 - EVENTS_MAX, 0)
    page = {**params, "after": after, "limit": max(top - 1 - after, 1)}
    history = await console.devices.ask(session.operator, f"{path}/history", params=page)
    own = history["events"]
    others = await related_here(console.doors.pool, own)
    return Shown(
        licensed=licensed_of(license_),
        verdict=with_moments(why["verdict"]),
        answers=tuple([answer_of(answer, await _further(console, answer)) for answer in why["answers"]]),
        stories=stories(own, others, service="device"),
        earlier=after + 1 if after else None,
        versions=frozenset(event["version"] for event in own),
    )


async def _further(console: Console, answer: Said) -> list[Explanation]:
    """Return what this service itself tells of the codes and events that an answer names."""
    told = []
    for further in answer.get("further", ()):
        event_id = further.get("event_id")
        try:
            told.append(await explained(console.doors, further["code_ref"], UUID(event_id) if event_id else None))
        except Problem:
            continue  # the event has not arrived, or is not of this log
    return told
