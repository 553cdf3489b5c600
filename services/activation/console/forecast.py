"""Goes out: which devices will find, when their license ends, that the code in reserve is refused."""

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
LOOKED_AT_MAX = 5_000
"""So many switches are looked at for one page."""
PAGE_SWITCHES = 500
LISTED_MAX = 100

Days = Annotated[int, Query(ge=1, le=DAYS[-1])]


@dataclass(frozen=True, slots=True)
class Failing:
    """A switch that will fail, with what is known now: `change` is what would let it pass."""

    device_id: str
    code_ref: str
    code: Text
    at: Text
    reason: str
    change: str
    rivals: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class Foreseen:
    """What was looked at. Where `more` is set, it was not everything."""

    looked_at: int
    failing: Sequence[Failing]
    more: bool


def add_forecast(router: APIRouter, console: Console) -> None:
    """Add the routes."""

    @router.get("/forecast")
    async def forecast(request: Request, days: Days = 30) -> Response:
        session = await console.session(request)
        foreseen = await _foreseen(console, timedelta(days=days))
        return console.draw(
            "forecast.html", request, session, entry="Forecast", days=days, choices=DAYS, foreseen=foreseen
        )


async def _foreseen(console: Console, ahead: timedelta) -> Foreseen:
    until = console.doors.clock.now() + ahead
    looked_at, failing, after = 0, list[Failing](), ""
    while True:
        page = await forecast_page(console.doors, until, limit=PAGE_SWITCHES, after=after, vendor=ANY_VENDOR)
        looked_at += len(page["switches"])
        failing += [_failing(switch) for switch in page["switches"] if switch["outcome"] == "fails"]
        if page["next"] is None:
            return Foreseen(looked_at, failing[:LISTED_MAX], more=len(failing) > LISTED_MAX)
        if looked_at >= LOOKED_AT_MAX or len(failing) > LISTED_MAX:
            return Foreseen(looked_at, failing[:LISTED_MAX], more=True)
        after = page["next"]


def _failing(switch: dict[str, Any]) -> Failing:
    explained = next(iter(CATALOGUE.about(switch["reason"])), None)
    return Failing(
        device_id=switch["device_id"],
        code_ref=switch["reserve_ref"],
        code=masked(switch["reserve_last_group"]),
        at=moment(datetime.fromisoformat(switch["switch_at"])),
        reason=explained.meaning if explained else switch["reason"].replace("_", " "),
        change=switch.get("change", ""),
        rivals=switch.get("rivals", ()),
    )
