"""Comes in and goes out: parked messages, a preview of a redrive, and the commands to redrive or discard one."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any

from fastapi import APIRouter, Path, Query, Request, Response

from services.activation.console.actions import note_of
from services.activation.console.console import PAGES, Console, redirect_to
from services.activation.console.device_client import DeviceUnavailable, JsonObject
from services.activation.console.operations import SIDES, AnyOperations, Side, operations_of, unless_unavailable
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
PILLS: dict[str, Pill] = {
    "waiting": Pill("Waiting", "warn"),
    "redriven": Pill("Redriven"),
    "discarded": Pill("Discarded", "bad"),
}

ParkedId = Annotated[str, Path(pattern=ID_PATTERN)]
After = Annotated[str, Query(max_length=100, pattern=AFTER_PATTERN)]


@dataclass(frozen=True, slots=True)
class ParkedList:
    """One service's parked messages on a page; `answer` is None if the service is unavailable."""

    side: Side
    answer: JsonObject | None

    @property
    def messages(self) -> Sequence[JsonObject]:
        """The messages."""
        if self.answer is None:
            return ()
        return [{**each, "parked_at": _moment(each["parked_at"])} for each in self.answer["messages"]]

    @property
    def next_page(self) -> str | None:
        """The cursor of the next page."""
        return self.answer["next"] if self.answer else None


def add_parked(router: APIRouter, console: Console) -> None:
    """Add the routes."""

    @router.get("/parked")
    async def listed(
        request: Request, state: State = "waiting", side: Side | None = None, after: After = ""
    ) -> Response:
        session = await console.session(request)
        sides = (side,) if side else SIDES
        requests = [
            unless_unavailable(
                operations_of(console, session, one).parked.listed(state=state, after=after, limit=PAGE_MESSAGES)
            )
            for one in sides
        ]
        lists = [ParkedList(one, answer) for one, answer in zip(sides, await asyncio.gather(*requests), strict=True)]
        return console.render(
            "parked.html", request, session, entry="Parked", lists=lists, state=state, states=STATES, pills=PILLS
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
        except (Problem, DeviceUnavailable) as refused:
            return await _refused(console, request, session, parked_id, refused)
        return redirect_to(f"{PAGES}/parked/{parked_id}")

    @router.post("/parked/{parked_id}/discard")
    async def discard(request: Request, parked_id: ParkedId) -> Response:
        session, form = await console.form(request)
        reason = form.get("reason", "").strip()
        if len(reason) < REASON_CHARACTERS_MIN:
            missing = Problem(422, "invalid_fields", "say in a few words why it will never be processed")
            return await _refused(console, request, session, parked_id, missing)
        try:
            await _owner(console, session, parked_id).parked.discard(
                ParkedRecord.named(parked_id), note_of(session.operator, reason)
            )
        except (Problem, DeviceUnavailable) as refused:
            return await _refused(console, request, session, parked_id, refused)
        return redirect_to(f"{PAGES}/parked/{parked_id}")


async def _refused(
    console: Console, request: Request, session: Session, parked_id: str, refused: Problem | DeviceUnavailable
) -> Response:
    if isinstance(refused, Problem) and refused.code == "not_parked":
        # already done, by this form sent twice or by somebody else: the page shows it
        return redirect_to(f"{PAGES}/parked/{parked_id}")
    return await _page(console, request, session, parked_id, refused=refused)


async def _page(
    console: Console,
    request: Request,
    session: Session,
    parked_id: str,
    refused: Problem | DeviceUnavailable | None = None,
) -> Response:
    parked, messages = ParkedRecord.named(parked_id), _owner(console, session, parked_id).parked
    message = await unless_unavailable(messages.one(parked))
    if message is None:
        return console.render(
            "unavailable.html", request, session, entry="Parked", status=503, what=f"Message {parked_id}"
        )
    redrive = await _redrive_preview(messages.foresee_redrive(parked)) if message["state"] == "waiting" else None
    return console.render(
        "parked_one.html",
        request,
        session,
        entry="Parked",
        status=_status(refused),
        message=message,
        facts=_facts(message),
        pill=PILLS[message["state"]],
        redrive=redrive,
        problem=refused.detail if isinstance(refused, Problem) else None,
    )


def _status(refused: Problem | DeviceUnavailable | None) -> int:
    if refused is None:
        return 200
    return refused.status if isinstance(refused, Problem) else 503


@dataclass(frozen=True, slots=True)
class RedrivePreview:
    """What a redrive would record now, or why it would be refused."""

    events: Sequence[JsonObject] = ()
    refused: str | None = None


async def _redrive_preview(answer: Any) -> RedrivePreview:
    try:
        return RedrivePreview(events=(await answer)["would_record"])
    except Problem as refused:
        return RedrivePreview(refused=refused.detail)
    except DeviceUnavailable:
        return RedrivePreview(refused="the device service is not responding")


def _facts(message: JsonObject) -> list[Fact]:
    facts = [
        Fact("Consumer", (message["consumer"],)),
        Fact("Topic", (f"{message['topic']}, partition {message['partition']}, offset {message['offset']}",)),
        Fact("Parked", _moment(message["parked_at"])),
        Fact("Reason", (message["reason"],)),
        Fact("Detail", (message["detail"] or "–",)),
    ]
    if message["state"] != "waiting":
        facts.append(Fact(PILLS[message["state"]].label, _moment(message["ended_at"])))
    if message["note"]:
        facts.append(Fact("Why discarded", (message["note"],)))
    return facts


def _moment(instant: str) -> Text:
    return moment(datetime.fromisoformat(instant))


def _owner(console: Console, session: Session, parked_id: str) -> AnyOperations:
    """Return the operations of the service whose consumer parked the message."""
    own = ParkedRecord.named(parked_id).consumer in console.operations.parked.sources
    return operations_of(console, session, "activation" if own else "device")
