"""Comes in and goes out: one projection, the order to make it anew, how far that is, and what came of it."""

from dataclasses import dataclass
from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Path, Request, Response

from services.activation.console.charts import told_seconds
from services.activation.console.console import PAGES, Console, to
from services.activation.console.contrast import Contrast, contrast
from services.activation.console.devices import DeviceAway, Said
from services.activation.console.operated import Side, if_there, operated_by
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


def pill_of(rebuild: Said) -> Pill:
    """Return what came of a rebuild, in a word or two."""
    outcome = rebuild.get("outcome")
    if rebuild["state"] == "swapped" and outcome and not outcome["equal"]:
        return Pill("Differed, swapped", "warn")
    return PILLS[rebuild["state"]]


@dataclass(frozen=True, slots=True)
class Shown:
    """A projection and its last rebuild on the page."""

    side: Side
    projection: Said
    problem: str | None = None

    @property
    def rebuild(self) -> Said:
        """The last rebuild."""
        said: Said = self.projection["rebuild"]
        return said

    @property
    def path(self) -> str:
        """Where the page is."""
        return f"{PAGES}/projections/{self.side}/{self.projection['name']}"

    @property
    def progress(self) -> str:
        """How far it is, in words."""
        said = self.rebuild
        words = f"{said['done']:,} of {said['total']:,} events ({said['share']:.0%})"
        words += f", {said['per_second']:,} a second" if said["per_second"] else ""
        return words + (f", about {told_seconds(said['seconds_left'])} left" if said["seconds_left"] else "")

    @property
    def differ(self) -> str:
        """How many rows are not the same, in words."""
        count = self.rebuild["outcome"]["differing"]
        return f"{count:,} row differs" if count == 1 else f"{count:,} rows differ"

    @property
    def contrasts(self) -> list[tuple[str, Contrast, Contrast]]:
        """The rows that are listed: which, and where they are not the same."""
        return [(one["row"], *contrast(one["stored"], one["folded"])) for one in self.rebuild["outcome"]["listed"]]

    @property
    def facts(self) -> list[Fact]:
        """What is known of what came of it."""
        said, outcome = self.rebuild, self.rebuild.get("outcome")
        # the command line's verification says nothing of where it reads
        facts = [Fact("Read from", (LOGS[said["from"]],))] if said["from"] else []
        facts += [
            Fact(label, moment(datetime.fromisoformat(said[name])))
            for label, name in (("Ordered", "ordered_at"), ("Ended", "finished_at"))
            if said[name]
        ]
        if outcome and said["state"] in ("swapped", "differs"):
            facts.append(Fact("Events folded", (f"{outcome['folded']:,} in {told_seconds(outcome['seconds'])}",)))
            facts.append(Fact("Rows compared", (f"{outcome['rows']:,}, {outcome['differing']:,} differ",)))
            facts.append(Fact("Digest", (outcome["digest"][:16],)))
        return facts


def add_rebuilds(router: APIRouter, console: Console) -> None:
    """Add the routes."""

    @router.get("/projections/{side}/{name}")
    async def page(request: Request, side: Side, name: ProjectionName) -> Response:
        session = await console.session(request)
        return await _page(console, request, session, side, name)

    @router.post("/projections/{side}/{name}")
    async def order(request: Request, side: Side, name: ProjectionName) -> Response:
        session, form = await console.form(request)
        source: LogName = "ledger" if form.get("source") == "ledger" else "kafka"
        try:
            await operated_by(console, session, side).projections.order(
                name, source=source, accept_differences=form.get("accept_differences") == "yes"
            )
        except DeviceAway:
            return await _page(console, request, session, side, name)
        except Problem as refused:
            if refused.code != "rebuild_running":  # a form sent twice, or somebody else's rebuild: the page shows it
                return await _page(console, request, session, side, name, refused)
        return to(f"{PAGES}/projections/{side}/{name}")


async def _page(
    console: Console, request: Request, session: Session, side: Side, name: str, refused: Problem | None = None
) -> Response:
    listed = await if_there(operated_by(console, session, side).projections.listed())
    if listed is None:
        return console.draw("away.html", request, session, entry="System", status=503, what=f"Projection {name}")
    found = next((each for each in listed["projections"] if each["name"] == name), None)
    if found is None:
        raise Problem(404, "unknown_projection", f"there is no projection {name}")
    status = refused.status if refused else 200
    shown = Shown(side, found, refused.detail if refused else None)
    return console.draw(
        "rebuild.html", request, session, entry="System", status=status, shown=shown, pill=pill_of(found["rebuild"])
    )
