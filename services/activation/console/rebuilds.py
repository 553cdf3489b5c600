"""Comes in and goes out: the page of a projection. Orders a rebuild and shows its progress and outcome."""

from dataclasses import dataclass
from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Path, Request, Response

from services.activation.console.charts import duration
from services.activation.console.console import PAGES, Console, redirect_to
from services.activation.console.device_client import DeviceUnavailable, JsonObject
from services.activation.console.diff import DiffSide, diff_of
from services.activation.console.operations import Side, operations_of, unless_unavailable
from services.activation.console.sessions import Session
from services.activation.console.values import Fact, Pill, moment
from shared.doors.problems import Problem
from shared.projector.shadow import LogName

ProjectionName = Annotated[str, Path(pattern=r"^[a-z_]{1,60}$")]

LOGS = {"kafka": "Kafka", "ledger": "the ledger"}
PILLS = {
    "never": Pill("Never rebuilt"),
    "running": Pill("Running", "warn"),
    "interrupted": Pill("Interrupted", "warn"),
    "swapped": Pill("Equal, swapped"),
    "differs": Pill("Differs", "bad"),
    "failed": Pill("Failed", "bad"),
}


def pill_of(rebuild: JsonObject) -> Pill:
    """Return the outcome of a rebuild in a word or two."""
    outcome = rebuild.get("outcome")
    if rebuild["state"] == "swapped" and outcome and not outcome["equal"]:
        return Pill("Differed, swapped", "warn")
    return PILLS[rebuild["state"]]


@dataclass(frozen=True, slots=True)
class RebuildPage:
    """A projection and its last rebuild."""

    side: Side
    projection: JsonObject
    problem: str | None = None

    @property
    def rebuild(self) -> JsonObject:
        """The last rebuild."""
        rebuild: JsonObject = self.projection["rebuild"]
        return rebuild

    @property
    def path(self) -> str:
        """The path of the page."""
        return f"{PAGES}/projections/{self.side}/{self.projection['name']}"

    @property
    def progress(self) -> str:
        """The progress in words."""
        rebuild = self.rebuild
        words = f"{rebuild['done']:,} of {rebuild['total']:,} events ({rebuild['share']:.0%})"
        words += f", {rebuild['per_second']:,} per second" if rebuild["per_second"] else ""
        return words + (f", about {duration(rebuild['seconds_left'])} left" if rebuild["seconds_left"] else "")

    @property
    def differing_rows(self) -> str:
        """How many rows differ, in words."""
        count = self.rebuild["outcome"]["differing"]
        return f"{count:,} row differs" if count == 1 else f"{count:,} rows differ"

    @property
    def diffs(self) -> list[tuple[str, DiffSide, DiffSide]]:
        """The listed rows, each with its two sides."""
        return [(one["row"], *diff_of(one["stored"], one["folded"])) for one in self.rebuild["outcome"]["listed"]]

    @property
    def facts(self) -> list[Fact]:
        """The facts about the rebuild."""
        rebuild, outcome = self.rebuild, self.rebuild.get("outcome")
        # a verification by the command line does not record where it reads from
        facts = [Fact("Read from", (LOGS[rebuild["from"]],))] if rebuild["from"] else []
        facts += [
            Fact(label, moment(datetime.fromisoformat(rebuild[name])))
            for label, name in (("Ordered", "ordered_at"), ("Finished", "finished_at"))
            if rebuild[name]
        ]
        if outcome and rebuild["state"] in ("swapped", "differs"):
            facts.append(Fact("Events replayed", (f"{outcome['folded']:,} in {duration(outcome['seconds'])}",)))
            facts.append(Fact("Rows compared", (f"{outcome['rows']:,}, {outcome['differing']:,} differ",)))
            facts.append(Fact("Digest", (outcome["digest"][:16],)))
        return facts


def add_rebuilds(router: APIRouter, console: Console) -> None:
    """Add the routes."""

    @router.get("/projections/{side}/{name}")
    async def show_projection(request: Request, side: Side, name: ProjectionName) -> Response:
        session = await console.session(request)
        return await _page(console, request, session, side, name)

    @router.post("/projections/{side}/{name}")
    async def order_rebuild(request: Request, side: Side, name: ProjectionName) -> Response:
        session, form = await console.form(request)
        source: LogName = "ledger" if form.get("source") == "ledger" else "kafka"
        try:
            await operations_of(console, session, side).projections.order(
                name, source=source, accept_differences=form.get("accept_differences") == "yes"
            )
        except DeviceUnavailable:
            return await _page(console, request, session, side, name)
        except Problem as refused:
            if refused.code != "rebuild_running":  # a form sent twice or somebody else's rebuild: the page shows it
                return await _page(console, request, session, side, name, refused)
        return redirect_to(f"{PAGES}/projections/{side}/{name}")


async def _page(
    console: Console, request: Request, session: Session, side: Side, name: str, refused: Problem | None = None
) -> Response:
    listed = await unless_unavailable(operations_of(console, session, side).projections.listed())
    if listed is None:
        return console.render(
            "unavailable.html", request, session, entry="System", status=503, what=f"Projection {name}"
        )
    found = next((each for each in listed["projections"] if each["name"] == name), None)
    if found is None:
        raise Problem(404, "unknown_projection", f"there is no projection {name}")
    status = refused.status if refused else 200
    page = RebuildPage(side, found, refused.detail if refused else None)
    return console.render(
        "rebuild.html", request, session, entry="System", status=status, page=page, pill=pill_of(found["rebuild"])
    )
