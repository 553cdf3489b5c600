"""Goes out: the page of a device. Its license and why, and its timeline from both logs; now or as of another time."""

import asyncio
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Query, Request, Response

from services.activation.api.as_of import explained
from services.activation.console.as_of import AsOf
from services.activation.console.console import Console
from services.activation.console.device_client import DeviceRefused, DeviceUnavailable
from services.activation.console.device_license import DeviceLicense, device_license_of
from services.activation.console.event_sentences import with_moments
from services.activation.console.life import Life, life_of
from services.activation.console.queries import EVENTS_MAX, device_of, last_groups, related_here
from services.activation.console.sessions import Session
from services.activation.console.timeline import Story, stories
from services.activation.console.why import Answer, answer_of
from services.activation.explanation import Explanation
from shared.doors.problems import Problem
from shared.messages import DeviceId
from shared.pages import Text

type JsonObject = dict[str, Any]

Before = Annotated[int | None, Query(ge=1, le=2**31 - 1)]
At = Annotated[str, Query(max_length=40)]
Sense = Annotated[str, Query(pattern="^(true|known)$")]


@dataclass(frozen=True, slots=True, kw_only=True)
class DeviceDetails:
    """What the device service says about a device, with what this service adds."""

    license: DeviceLicense
    verdict: Text
    answers: tuple[Answer, ...]
    stories: tuple[Story, ...]
    life: Life | None
    earlier: int | None
    versions: frozenset[int]


def add_device_page(router: APIRouter, console: Console) -> None:
    """Add the route."""

    @router.get("/devices/{device_id}")
    async def device_page(
        request: Request,
        device_id: DeviceId,
        before: Before = None,
        at: At = "",
        sense: Sense = "true",
    ) -> Response:
        session, as_of = await console.session(request), AsOf.of(at, sense)
        known, details, problem, status = await device_of(console.doors.pool, device_id), None, as_of.problem, 200
        try:
            details = await _details(console, session, device_id, as_of, before)
        except DeviceRefused as refused:
            if refused.status == 404 and known is None:  # noqa: PLR2004 - HTTP's Not Found
                raise Problem(404, "unknown_device", "no such device is enrolled") from None
            problem, status = refused.detail, refused.status
        except DeviceUnavailable:
            problem, status = None, 200
        groups = await last_groups(console.doors.pool, known.codes if known else ())
        return console.render(
            "device.html",
            request,
            session,
            status=status,
            device_id=device_id,
            known=known,
            groups=groups,
            details=details,
            as_of=as_of,
            before=before,
            here=f"/console/devices/{device_id}{as_of.query}",
            problem=problem,
        )


async def _details(
    console: Console, session: Session, device_id: DeviceId, as_of: AsOf, before: int | None
) -> DeviceDetails:
    """Fetch everything from the device service. Raises `DeviceUnavailable` or `DeviceRefused`."""
    path, params = f"/v1/devices/{device_id}", as_of.params
    license_, why = await asyncio.gather(
        console.devices.request(session.operator, f"{path}/license", params=params),
        console.devices.request(session.operator, f"{path}/why", params=params),
    )
    top = before or license_["version"] + 1
    after = max(top - 1 - EVENTS_MAX, 0)
    page = {**params, "after": after, "limit": max(top - 1 - after, 1)}
    history = await console.devices.request(session.operator, f"{path}/history", params=page)
    own = history["events"]
    others = await related_here(console.doors.pool, own)
    return DeviceDetails(
        license=device_license_of(license_),
        verdict=with_moments(why["verdict"]),
        answers=tuple([answer_of(answer, await _code_explanations(console, answer)) for answer in why["answers"]]),
        stories=stories(own, others, service="device"),
        # a worker of the last release that still runs tells no life
        life=life_of(why["life"], datetime.fromisoformat(why["as_of"])) if "life" in why else None,
        earlier=after + 1 if after else None,
        versions=frozenset(event["version"] for event in own),
    )


async def _code_explanations(console: Console, answer: JsonObject) -> list[Explanation]:
    """Return this service's own explanations of the codes and events that an answer names."""
    found = []
    for further in answer.get("further", ()):
        event_id = further.get("event_id")
        try:
            found.append(await explained(console.doors, further["code_ref"], UUID(event_id) if event_id else None))
        except Problem:
            continue  # the event has not arrived yet, or is not in this log
    return found
