"""Goes out: the home page. The search, the fleet at a glance, what ends soon and how much of it fails, what is amiss.

What costs more than a page may is kept (`Kept`): the forecast here, the counts in the device service. Each number
leads to the list behind it. When the device service is unavailable, the page shows the rest.
"""

import asyncio
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from itertools import islice
from typing import Any

from fastapi import APIRouter, Request, Response

from services.activation.api.doors import ANY_VENDOR
from services.activation.api.forecast import forecast_page
from services.activation.console.console import Console
from services.activation.console.device_client import DeviceRefused, DeviceUnavailable, JsonObject
from services.activation.console.event_sentences import event_sentence, meaning_of
from services.activation.console.operations import SIDES, Side, operations_of
from services.activation.console.sessions import Session
from services.activation.console.values import moment
from shared.doors.history import history_entry
from shared.doors.kept import Kept
from shared.doors.problems import Problem
from shared.ledger.latest import latest_events
from shared.messages import PARKING_EVENTS
from shared.pages import Text
from shared.pages.pictures import Bar, columns

DAYS = 14
"""How many days, in UTC, the page looks ahead."""
REFUSAL_DAYS = 7
CHECKED_MAX = 5_000
"""Limit of switches checked for the forecast."""
PAGE_SWITCHES = 500
LATEST_EVENTS = 8
FAILING = ("fails", "contested")
STATUSES = (
    ("active", "with an active license"),
    ("over", "whose license is over"),
    ("grace", "of these in the grace period"),
    ("expired", "of these expired"),
    ("blocked", "of these blocked"),
    ("unlicensed", "without a license"),
)
PARKED = frozenset(event.__name__ for event in PARKING_EVENTS)


@dataclass(frozen=True, slots=True)
class Switches:
    """How many switches there will be on each day and how many of them fail. `complete`: all of them were checked."""

    all: Counter[date]
    failing: Counter[date]
    complete: bool


@dataclass(frozen=True, slots=True)
class Day:
    """One day ahead: how many licenses end, and what becomes of their devices. None: nobody knows it now."""

    day: date
    days_ahead: int
    ending: int | None
    switching: int
    failing: int
    nothing: int | None

    @property
    def day_after(self) -> date:
        """Before which all these licenses end."""
        return self.day + timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Refusals:
    """How often a reason was given, day by day and in total."""

    reason: str
    meaning: str
    per_day: Sequence[int]
    total: int


def add_home(router: APIRouter, console: Console) -> None:
    """Add the route."""
    kept = Kept(lambda: _switches(console))

    @router.get("")
    async def home_page(request: Request) -> Response:
        session = await console.session(request)
        overview, switches, parked, own = await asyncio.gather(
            _overview(console, session), kept.value(), _parked(console, session), _latest_here(console)
        )
        today = console.doors.clock.now().astimezone(UTC).date()
        days, refusals = _days(today, overview, switches), _refusals(today, overview)
        return console.render(
            "home.html",
            request,
            session,
            entry="Home",
            query="",
            nothing=None,
            overview=overview,
            counted=moment(datetime.fromisoformat(overview["as_of"])) if overview else (),
            statuses=_statuses(overview),
            days=days,
            complete=switches.complete,
            ahead=_ahead(days),
            refusal_days=[today - timedelta(days=back) for back in reversed(range(REFUSAL_DAYS))],
            refusals=refusals,
            refused=_refused(refusals),
            parked=parked,
            events=_latest(own, overview),
        )


async def _overview(console: Console, session: Session) -> JsonObject | None:
    try:
        return await console.devices.request(session.operator, "/v1/overview")
    except (DeviceUnavailable, DeviceRefused):  # a worker of the last release that still runs has no such route
        return None


async def _switches(console: Console) -> Switches:
    """Foresee the switches of the next days, `CHECKED_MAX` at most."""
    today = console.doors.clock.now().astimezone(UTC).date()
    until = datetime.combine(today + timedelta(days=DAYS), datetime.min.time(), UTC)
    found, checked, after = Switches(Counter(), Counter(), complete=True), 0, ""
    while True:
        try:
            page = await forecast_page(console.doors, until, limit=PAGE_SWITCHES, after=after, vendor=ANY_VENDOR)
        except Problem:  # too many devices wait with one code
            return Switches(found.all, found.failing, complete=False)
        checked += len(page["switches"])
        for switch in page["switches"]:
            day = datetime.fromisoformat(switch["switch_at"]).date()
            found.all[day] += 1
            found.failing[day] += switch["outcome"] in FAILING
        if page["next"] is None:
            return found
        if checked >= CHECKED_MAX:
            return Switches(found.all, found.failing, complete=False)
        after = page["next"]


async def _parked(console: Console, session: Session) -> Sequence[tuple[str, str, int | None]]:
    """Return how many messages wait, by service and consumer: those of outside tools are parked by its consumers."""
    answers = await asyncio.gather(*(_consumers(console, session, side) for side in SIDES))
    found: list[tuple[str, str, int | None]] = []
    for side, answer in zip(SIDES, answers, strict=True):
        if answer is None:
            found.append((side, f"{side} service", None))
        else:
            found += [(side, one["name"], one["parked"]) for one in answer["consumers"] if one["parked"]]
    return found


async def _consumers(console: Console, session: Session, side: Side) -> JsonObject | None:
    try:
        return await operations_of(console, session, side).consumers()
    except (DeviceUnavailable, Problem):
        return None


async def _latest_here(console: Console) -> Sequence[JsonObject]:
    async with console.doors.pool.acquire() as connection:
        entries = await latest_events(connection, LATEST_EVENTS)
    return [{**history_entry(entry), "code_ref": entry.event.stream_id} for entry in entries]


def _latest(own: Sequence[JsonObject], overview: JsonObject | None) -> Sequence[tuple[Text, Text, str | None, str]]:
    """Return the latest events of both logs: when, what, where that leads, and which service recorded it.

    A verdict stands in both logs; it is shown as the device service applied it.
    """
    others = overview["latest"] if overview else ()
    applied = {event["causation_id"] for event in others}
    events = [*others, *(event for event in own if event["event_id"] not in applied)]
    events.sort(key=lambda event: str(event["recorded_at"]), reverse=True)
    return [
        (
            moment(datetime.fromisoformat(event["recorded_at"])),
            event_sentence(event["type"], event["data"]),
            _path(event),
            "device" if "device_id" in event else "activation",
        )
        for event in islice(events, LATEST_EVENTS)
    ]


def _path(event: JsonObject) -> str | None:
    if event["type"] in PARKED:
        return "/console/parked?state=all"
    if "device_id" in event:
        return f"/console/devices/{event['device_id']}#event-{event['event_id']}"
    return f"/console/codes/{event['code_ref']}#event-{event['event_id']}"


def _statuses(overview: JsonObject | None) -> Sequence[tuple[str, str, int]]:
    """Return the statuses with their words and counts; one that was not told apart is left out."""
    counts: Mapping[str, Any] = overview["statuses"] if overview else {}
    return [(name, words, counts[name]) for name, words in STATUSES if counts.get(name) is not None]


def _days(today: date, overview: JsonObject | None, switches: Switches) -> Sequence[Day]:
    ending = {entry["day"]: entry["count"] for entry in overview["ending"]} if overview else {}
    return [
        _day(today + timedelta(days=number), number + 1, ending, switches, known=overview is not None)
        for number in range(DAYS)
    ]


def _day(day: date, ahead: int, ending: Mapping[str, int], switches: Switches, *, known: bool) -> Day:
    ends = ending.get(day.isoformat(), 0) if known else None
    failing = switches.failing[day]
    # a switch that is tried again belongs to a license that has ended already
    nothing = None if ends is None else max(ends - switches.all[day], 0)
    return Day(day, ahead, ends, switches.all[day] - failing, failing, nothing)


def _ahead(days: Sequence[Day]) -> Sequence[Bar]:
    return columns([[(day.switching, "calm"), (day.nothing or 0, "soft"), (day.failing, "bad")] for day in days])


def _refusals(today: date, overview: JsonObject | None) -> Sequence[Refusals]:
    """Return the reasons of the last days, the most frequent first."""
    days = [(today - timedelta(days=back)).isoformat() for back in reversed(range(REFUSAL_DAYS))]
    counts: dict[str, Counter[str]] = {}
    for entry in overview["refusals"] if overview else ():
        if entry["day"] in days:
            counts.setdefault(entry["reason"], Counter())[entry["day"]] += entry["count"]
    found = [
        Refusals(reason, meaning_of(reason), [of[day] for day in days], of.total()) for reason, of in counts.items()
    ]
    return sorted(found, key=lambda one: (-one.total, one.reason))


def _refused(refusals: Sequence[Refusals]) -> Sequence[Bar]:
    return columns([[(sum(one.per_day[day] for one in refusals), "bad")] for day in range(REFUSAL_DAYS)])
