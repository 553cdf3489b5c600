"""Goes out: the devices whose code in reserve will be refused when their license ends, or perhaps will be."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request, Response

from services.activation.api.doors import ANY_VENDOR
from services.activation.api.forecast import forecast_page
from services.activation.console.console import Console
from services.activation.console.values import masked, moment
from shared.pages import Text
from shared.reasons import CATALOGUE

DAYS = (7, 30, 90, 365)
CHECKED_MAX = 5_000
"""Limit of switches checked for one page."""
PAGE_SWITCHES = 500
LISTED_MAX = 100
FAILING = ("fails", "contested")

Days = Annotated[int, Query(ge=1, le=DAYS[-1])]


@dataclass(frozen=True, slots=True)
class FailingSwitch:
    """A switch that will fail, as things stand now, or that chance decides. `change` is what would let it pass."""

    device_id: str
    code_ref: str
    code: Text
    at: Text
    reason: str
    change: str
    contested: bool
    rivals: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class Forecast:
    """The switches that will fail or are contested. `more`: not all switches were checked or listed."""

    checked: int
    failing: Sequence[FailingSwitch]
    more: bool


def add_forecast(router: APIRouter, console: Console) -> None:
    """Add the routes."""

    @router.get("/forecast")
    async def show_forecast(request: Request, days: Days = 30) -> Response:
        session = await console.session(request)
        forecast = await _forecast(console, timedelta(days=days))
        return console.render(
            "forecast.html", request, session, entry="Forecast", days=days, choices=DAYS, forecast=forecast
        )


async def _forecast(console: Console, ahead: timedelta) -> Forecast:
    until = console.doors.clock.now() + ahead
    checked, failing, after = 0, list[FailingSwitch](), ""
    while True:
        page = await forecast_page(console.doors, until, limit=PAGE_SWITCHES, after=after, vendor=ANY_VENDOR)
        checked += len(page["switches"])
        failing += [_failing(switch) for switch in page["switches"] if switch["outcome"] in FAILING]
        if page["next"] is None:
            return Forecast(checked, failing[:LISTED_MAX], more=len(failing) > LISTED_MAX)
        if checked >= CHECKED_MAX or len(failing) > LISTED_MAX:
            return Forecast(checked, failing[:LISTED_MAX], more=True)
        after = page["next"]


def _failing(switch: dict[str, Any]) -> FailingSwitch:
    return FailingSwitch(
        device_id=switch["device_id"],
        code_ref=switch["reserve_ref"],
        code=masked(switch["reserve_last_group"]),
        at=moment(datetime.fromisoformat(switch["switch_at"])),
        reason=_reason(switch),
        change=switch.get("change", ""),
        contested="contested" in switch,
        rivals=switch.get("rivals", ()),
    )


def _reason(switch: dict[str, Any]) -> str:
    if contested := switch.get("contested"):
        return f"Contested: {contested['seats']:,} of {contested['devices']:,} will get it."
    entry = next(iter(CATALOGUE.about(switch["reason"])), None)
    return entry.meaning if entry else switch["reason"].replace("_", " ")
