"""Goes out: the progress of consumers, relays and projections of both services, and the checkpoints of their logs."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from fastapi import APIRouter, Request, Response

from services.activation.console.charts import Chart, chart_of, duration
from services.activation.console.console import Console
from services.activation.console.device_client import DeviceUnavailable, JsonObject
from services.activation.console.operations import SIDES, AnyOperations, Side, operations_of
from services.activation.console.rebuilds import pill_of
from services.activation.console.values import Pill
from shared.doors.problems import Problem
from shared.pages import Text, text

MEANINGS = {
    "device.verdicts": "Verdicts from the activation service",
    "device.commands": "Commands from fleet tools",
    "license_view": "Licenses as shown",
    "code_terms": "What codes allow, for the Licensing window",
    "activation.requests": "Requests from devices",
    "activation.purchases": "Purchases from shops",
    "code_view": "Codes as shown",
    "switchover_forecast": "Switch forecast",
    "relay": "Events on their way to Kafka",
}
LAG_WARNS_SECONDS, LAG_BAD_SECONDS = 5.0, 60.0
TITLES: dict[Side, str] = {"device": "Device service", "activation": "Activation service"}


@dataclass(frozen=True, slots=True)
class ProgressRow:
    """The progress of a consumer or the relay, as a table row."""

    name: str
    meaning: str
    waiting: str
    lag: str
    pill: Pill
    last_progress: Text
    problem: str | None
    chart: Chart | None
    parked: int = 0


@dataclass(frozen=True, slots=True)
class ServiceStatus:
    """The status of one service."""

    side: Side
    progress: Sequence[ProgressRow] = ()
    projections: Sequence[JsonObject] = ()
    checkpoint: Text = ()
    unavailable: bool = False

    @property
    def title(self) -> str:
        """Its display name."""
        return TITLES[self.side]


def add_system(router: APIRouter, console: Console) -> None:
    """Add the routes."""

    @router.get("/system")
    async def system_page(request: Request) -> Response:
        session = await console.session(request)
        services = await asyncio.gather(*(_status(side, operations_of(console, session, side)) for side in SIDES))
        return console.render("system.html", request, session, entry="System", services=services, pill_of=pill_of)


async def _status(side: Side, operations: AnyOperations) -> ServiceStatus:
    try:
        consumers, projections, checkpoint = await asyncio.gather(
            operations.consumers(), operations.projections.listed(), _checkpoint(operations)
        )
    except DeviceUnavailable:
        return ServiceStatus(side, unavailable=True)
    progress = [_progress_row(each) for each in consumers["consumers"]]
    progress.append(_progress_row({"name": "relay", "parked": 0, **consumers["relay"]}))
    tables = [{**each, "lag": duration(each["lag_seconds"])} for each in projections["projections"]]
    return ServiceStatus(side, progress, tables, checkpoint)


async def _checkpoint(operations: AnyOperations) -> Text:
    try:
        latest = await operations.checkpoint()
    except Problem:
        return ("The service finds no exported checkpoint of this log.",)
    at = datetime.fromisoformat(latest["made_at"])
    words = "The latest signed checkpoint covers {events}; it was created on {at}, {age} ago."
    return text(words, events=_events(latest["events"]), at=at, age=duration(latest["age_seconds"]))


def _events(count: int) -> str:
    return f"{count:,} event" if count == 1 else f"{count:,} events"


def _progress_row(answer: JsonObject) -> ProgressRow:
    name: str = answer["name"]
    waiting, seconds = answer["waiting"], answer["seconds"]
    progress_at = answer["last_progress_at"]
    return ProgressRow(
        name=name,
        meaning=MEANINGS.get(name, name),
        waiting="unknown" if waiting is None else f"{waiting:,}",
        lag=duration(seconds),
        pill=_pill(answer),
        last_progress=text("{at}", at=datetime.fromisoformat(progress_at)) if progress_at else ("never",),
        problem=answer["problem"],
        chart=chart_of(answer["trend"]),
        parked=answer["parked"],
    )


def _pill(answer: JsonObject) -> Pill:
    """Return the state, worst first."""
    if answer["problem"]:
        return Pill("Stalled", "bad")
    if answer["gap_waits"]:
        return Pill(f"{answer['gap_waits']} slices waiting", "bad")
    direction = answer["trend"]["direction"] if answer["trend"] else "steady"
    if answer["seconds"] >= LAG_BAD_SECONDS:
        return Pill(f"Behind, {direction}", "bad")
    return Pill(f"Behind, {direction}", "warn") if answer["seconds"] >= LAG_WARNS_SECONDS else Pill("Up to date")
