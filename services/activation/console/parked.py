"""Comes in and goes out: parked messages, what redriving or discarding one would do, and the orders to do it."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any

from fastapi import APIRouter, Path, Query, Request, Response

from services.activation.console.actions import noted
from services.activation.console.console import PAGES, Console, to
from services.activation.console.devices import DeviceAway, Said
from services.activation.console.operated import SIDES, Operated, Side, if_there, operated_by
from services.activation.console.sessions import Session
from services.activation.console.values import Fact, Pill, moment
from shared.doors.problems import Problem
from shared.operations import AFTER_PATTERN, ID_PATTERN, State
from shared.pages import Text
from shared.recovery.redrive import ParkedRecord

PAGE_MESSAGES = 50
REASON_CHARACTERS_MIN = 3
STATES: dict[State, str] = {
    "waiting": "Waiting",
    "redriven": "Redriven",
    "discarded": "Discarded",
    "all": "All",
}
TONES: dict[str, Pill] = {
    "waiting": Pill("Waiting", "warn"),
    "redriven": Pill("Redriven"),
    "discarded": Pill("Discarded", "bad"),
}

ParkedId = Annotated[str, Path(pattern=ID_PATTERN)]
After = Annotated[str, Query(max_length=100, pattern=AFTER_PATTERN)]


@dataclass(frozen=True, slots=True)
class Shelf:
    """One service's parked messages on a page; `None` says that the service is away."""

    side: Side
    said: Said | None

    @property
    def messages(self) -> Sequence[Said]:
        """The messages."""
        return [{**each, "parked_at": told(each["parked_at"])} for each in self.said["messages"]] if self.said else ()

    @property
    def next_page(self) -> str | None:
        """Where the list goes on."""
        return self.said["next"] if self.said else None


def add_parked(router: APIRouter, console: Console) -> None:
    """Add the routes."""

    @router.get("/parked")
    async def listed(
        request: Request, state: State = "waiting", side: Side | None = None, after: After = ""
    ) -> Response:
        session = await console.session(request)
        sides = (side,) if side else SIDES
        asked = [
            if_there(operated_by(console, session, one).parked.listed(state=state, after=after, limit=PAGE_MESSAGES))
            for one in sides
        ]
        shelves = [Shelf(one, said) for one, said in zip(sides, await asyncio.gather(*asked), strict=True)]
        return console.draw(
            "parked.html", request, session, entry="Parked", shelves=shelves, state=state, states=STATES, pills=TONES
        )

    @router.get("/parked/{parked_id}")
    async def one(request: Request, parked_id: ParkedId) -> Response:
        session = await console.session(request)
        return await _page(console, request, session, parked_id)

    @router.post("/parked/{parked_id}/redrive")
    async def redrive(request: Request, parked_id: ParkedId) -> Response:
        session, _ = await console.form(request)
        parked = ParkedRecord.named(parked_id)
        try:
            await _owner(console, session, parked_id).parked.redrive(parked)
        except (Problem, DeviceAway) as refused:
            return await _refused(console, request, session, parked_id, refused)
        return to(f"{PAGES}/parked/{parked_id}")

    @router.post("/parked/{parked_id}/discard")
    async def discard(request: Request, parked_id: ParkedId) -> Response:
        session, form = await console.form(request)
        reason = form.get("reason", "").strip()
        if len(reason) < REASON_CHARACTERS_MIN:
            missing = Problem(422, "invalid_fields", "say in a few words why it will never be handled")
            return await _refused(console, request, session, parked_id, missing)
        try:
            await _owner(console, session, parked_id).parked.discard(
                ParkedRecord.named(parked_id), noted(session.operator, reason)
            )
        except (Problem, DeviceAway) as refused:
            return await _refused(console, request, session, parked_id, refused)
        return to(f"{PAGES}/parked/{parked_id}")


async def _refused(
    console: Console, request: Request, session: Session, parked_id: str, refused: Problem | DeviceAway
) -> Response:
    if isinstance(refused, Problem) and refused.code == "not_parked":
        # it was done meanwhile, by this form sent twice or by somebody else: the page tells
        return to(f"{PAGES}/parked/{parked_id}")
    return await _page(console, request, session, parked_id, refused=refused)


async def _page(
    console: Console,
    request: Request,
    session: Session,
    parked_id: str,
    refused: Problem | DeviceAway | None = None,
) -> Response:
    parked, there = ParkedRecord.named(parked_id), _owner(console, session, parked_id).parked
    message = await if_there(there.one(parked))
    if message is None:
        return console.draw("away.html", request, session, entry="Parked", status=503, what=f"Message {parked_id}")
    foreseen = await _foreseen(there.foresee_redrive(parked)) if message["state"] == "waiting" else None
    return console.draw(
        "parked_one.html",
        request,
        session,
        entry="Parked",
        status=_status(refused),
        message=message,
        facts=_facts(message),
        pill=TONES[message["state"]],
        foreseen=foreseen,
        problem=refused.detail if isinstance(refused, Problem) else None,
    )


def _status(refused: Problem | DeviceAway | None) -> int:
    if refused is None:
        return 200
    return refused.status if isinstance(refused, Problem) else 503


@dataclass(frozen=True, slots=True)
class Foreseen:
    """What a redrive would record now, or why it would be refused."""

    events: Sequence[Said] = ()
    refused: str | None = None


async def _foreseen(asked: Any) -> Foreseen:
    try:
        return Foreseen(events=(await asked)["would_record"])
    except Problem as refused:
        return Foreseen(refused=refused.detail)
    except DeviceAway:
        return Foreseen(refused="the device service does not answer")


def _facts(message: Said) -> list[Fact]:
    facts = [
        Fact("Consumer", (message["consumer"],)),
        Fact("Topic", (f"{message['topic']}, partition {message['partition']}, offset {message['offset']}",)),
        Fact("Parked", told(message["parked_at"])),
        Fact("Reason", (message["reason"],)),
        Fact("Detail", (message["detail"] or "–",)),
    ]
    if message["state"] != "waiting":
        facts.append(Fact(TONES[message["state"]].label, told(message["ended_at"])))
    if message["note"]:
        facts.append(Fact("Why discarded", (message["note"],)))
    return facts


def told(instant: str) -> Text:
    """Return a time of the API as a text."""
    return moment(datetime.fromisoformat(instant))


def _owner(console: Console, session: Session, parked_id: str) -> Operated:
    """Return the operations of the service whose consumer parked it."""
    own = ParkedRecord.named(parked_id).consumer in console.operations.parked.sources
    return operated_by(console, session, "activation" if own else "device")
