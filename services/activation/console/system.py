"""Goes out: how far consumers, relays and projections of both services are, and the checkpoints of their logs."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from fastapi import APIRouter, Request, Response

from services.activation.console.charts import Chart, chart_of, told_seconds
from services.activation.console.console import Console
from services.activation.console.devices import DeviceAway, Said
from services.activation.console.operated import SIDES, Operated, Side, operated_by
from services.activation.console.rebuilds import pill_of
from services.activation.console.values import Pill
from shared.doors.problems import Problem
from shared.pages import Text, text

MEANINGS = {
    "device.verdicts": "Verdicts of the activation service",
    "device.commands": "Orders of fleet tools",
    "license_view": "What devices are shown",
    "activation.requests": "Requests of devices",
    "activation.purchases": "Purchases of shops",
    "code_view": "What is shown of codes",
    "switchover_forecast": "Forecast of switches",
    "relay": "Events on their way to Kafka",
}
LAG_WARNS_SECONDS, LAG_BAD_SECONDS = 5.0, 60.0
TITLES: dict[Side, str] = {"device": "Device service", "activation": "Activation service"}


@dataclass(frozen=True, slots=True)
class Moving:
    """A consumer or the relay, in one line."""

    name: str
    meaning: str
    waiting: str
    lag: str
    pill: Pill
    moved: Text
    problem: str | None
    chart: Chart | None
    parked: int = 0


@dataclass(frozen=True, slots=True)
class Part:
    """One service; without `said` it is away."""

    side: Side
    moving: Sequence[Moving] = ()
    projections: Sequence[Said] = ()
    checkpoint: Text = ()
    away: bool = False

    @property
    def title(self) -> str:
        """Its name for people."""
        return TITLES[self.side]


def add_system(router: APIRouter, console: Console) -> None:
    """Add the routes."""

    @router.get("/system")
    async def system_page(request: Request) -> Response:
        session = await console.session(request)
        parts = await asyncio.gather(*(_part(side, operated_by(console, session, side)) for side in SIDES))
        return console.draw("system.html", request, session, entry="System", parts=parts, pill_of=pill_of)


async def _part(side: Side, operated: Operated) -> Part:
    try:
        consumers, projections, checkpoint = await asyncio.gather(
            operated.consumers(), operated.projections.listed(), _checkpoint(operated)
        )
    except DeviceAway:
        return Part(side, away=True)
    moving = [_moving(each) for each in consumers["consumers"]]
    moving.append(_moving({"name": "relay", "parked": 0, **consumers["relay"]}))
    told = [{**each, "lag": told_seconds(each["lag_seconds"])} for each in projections["projections"]]
    return Part(side, moving, told, checkpoint)


async def _checkpoint(operated: Operated) -> Text:
    try:
        latest = await operated.checkpoint()
    except Problem:
        return ("No checkpoint of this log was exported where the service sees it.",)
    at = datetime.fromisoformat(latest["made_at"])
    words = "The latest signed checkpoint covers {events}; it was made {at}, {age} ago."
    return text(words, events=_events(latest["events"]), at=at, age=told_seconds(latest["age_seconds"]))


def _events(count: int) -> str:
    return f"{count:,} event" if count == 1 else f"{count:,} events"


def _moving(said: dict[str, Any]) -> Moving:
    waiting, seconds = said["waiting"], said["seconds"]
    moved_at = said["last_progress_at"]
    return Moving(
        name=said["name"],
        meaning=MEANINGS.get(said["name"], said["name"]),
        waiting="unknown" if waiting is None else f"{waiting:,}",
        lag=told_seconds(seconds),
        pill=_pill(said),
        moved=text("{at}", at=datetime.fromisoformat(moved_at)) if moved_at else ("never",),
        problem=said["problem"],
        chart=chart_of(said["trend"]),
        parked=said["parked"],
    )


def _pill(said: dict[str, Any]) -> Pill:
    """Return how it stands, worst first."""
    if said["problem"]:
        return Pill("Stands still", "bad")
    if said["gap_waits"]:
        return Pill(f"{said['gap_waits']} slices wait", "bad")
    direction = said["trend"]["direction"] if said["trend"] else "steady"
    if said["seconds"] >= LAG_BAD_SECONDS:
        return Pill(f"Behind, {direction}", "bad")
    return Pill(f"Behind, {direction}", "warn") if said["seconds"] >= LAG_WARNS_SECONDS else Pill("Up to date")
