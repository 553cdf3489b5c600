"""Comes in: what support does to a code. Each action is previewed, needs a reason, and is done once.

The preview names the version of the code that it was made of: if the code moved on since, nothing is done, and the
preview is shown anew.
"""

from urllib.parse import urlencode

from fastapi import APIRouter, Request, Response
from pydantic import ValidationError

from services.activation.api import answer_to
from services.activation.console.console import Console
from services.activation.console.known import KnownCode, code_of
from services.activation.console.logins import Operator
from services.activation.console.offers import KINDS, Kind
from services.activation.console.preview import Action, preview
from services.activation.console.reach import reach_of
from services.activation.console.sessions import Session
from services.activation.console.values import masked
from shared.doors.answers import submit_command
from shared.doors.idempotency import Answer
from shared.doors.problems import Problem
from shared.ledger.identity import hash_of
from shared.messages import CodeRef
from shared.pages import Form, NotOurForm, idempotency_key_of

REASON_CHARACTERS_MAX = 400
SHOWN_MAX = 50
NO_REASON = "Say why: the reason stands in the log for ever."
MOVED_ON = "The code has changed since this page was made. Nothing was done: look at what would happen now."
PREVIEWED = "precondition_failed"


def noted(operator: Operator, reason: str) -> str:
    """Return what the log keeps of an action: why, and who."""
    return f"{reason.strip()[:REASON_CHARACTERS_MAX]} – {operator.name}, console"


def add_actions(router: APIRouter, console: Console) -> None:
    """Add the routes."""
    for kind in KINDS:
        _add_action(router, console, kind)


def _add_action(router: APIRouter, console: Console, kind: Kind) -> None:
    @router.get(f"/codes/{{code_ref}}/{kind.path}")
    async def look(request: Request, code_ref: CodeRef) -> Response:
        session = await console.session(request)
        asked = {name: value for name in kind.asks if (value := request.query_params.get(name))}
        return await _previewed(console, request, session, kind, code_ref, asked)

    @router.post(f"/codes/{{code_ref}}/{kind.path}")
    async def act(request: Request, code_ref: CodeRef) -> Response:
        session, form = await console.form(request)
        reason = form.get("reason", "").strip()
        if not reason:
            return await _previewed(console, request, session, kind, code_ref, form, problem=NO_REASON, status=422)
        action = _action(console, kind, code_ref, form, noted(session.operator, reason))
        answer = await _ordered(console, action, form)
        if answer.body.get("code") == PREVIEWED:
            return await _previewed(console, request, session, kind, code_ref, form, problem=MOVED_ON, status=409)
        return await _result(console, request, session, kind, action, answer)


async def _known(console: Console, code_ref: CodeRef) -> KnownCode:
    known = await code_of(console.doors.pool, code_ref)
    if known is None:
        raise Problem(404, "unknown_code", "no such code was issued")
    return known


def _action(console: Console, kind: Kind, code_ref: CodeRef, form: Form, note: str) -> Action:
    try:
        return kind.order(form, {"code_ref": code_ref, "at": console.doors.clock.now(), "note": note})
    except ValidationError:
        raise Problem(422, "invalid_fields", "what the action is about is missing or is none") from None


async def _previewed(
    console: Console,
    request: Request,
    session: Session,
    kind: Kind,
    code_ref: CodeRef,
    asked: Form,
    *,
    problem: str = "",
    status: int = 200,
) -> Response:
    """Draw what the action would do now, with the form that does it."""
    known, action = await _known(console, code_ref), _action(console, kind, code_ref, asked, "")
    reach = await reach_of(console.doors.pool, action)
    seen = preview(action, reach.known, console.doors.policy)
    about = {name: asked[name] for name in kind.asks if asked.get(name)}
    return console.draw(
        "action.html",
        request,
        session,
        status=status,
        kind=kind,
        code=known.code,
        version=known.version,
        masked=masked(known.code.last_group),
        about=about,
        other=f"?{urlencode({**about, 'keep_reserve': '' if about.get('keep_reserve') else 'yes'})}",
        seen=seen,
        affected=seen.affected[:SHOWN_MAX],
        further=max(len(seen.affected) - SHOWN_MAX, 0),
        more=reach.more,
        problem=problem,
        reason=asked.get("reason", "")[:REASON_CHARACTERS_MAX],
    )


async def _ordered(console: Console, action: Action, form: Form) -> Answer:
    """Take the order, once for each form that was drawn. Raises `KeyReused`, `LedgerUnavailable` or `NotOurForm`."""
    version = form.get("version", "")
    if not (version.isascii() and version.isdecimal()):
        raise NotOurForm
    said = action.model_dump_json(exclude={"at"})
    return await submit_command(
        console.doors.queue,
        action,
        now=action.at,
        scope="console",
        key=idempotency_key_of(form),
        request_hash=hash_of(f"{type(action).__name__}\n{said}"),
        expected_version=int(version),
        to_answer=lambda outcome: answer_to(outcome, {"code_ref": action.code_ref}),
    )


async def _result(
    console: Console, request: Request, session: Session, kind: Kind, action: Action, answer: Answer
) -> Response:
    known = await _known(console, action.code_ref)
    recorded = answer.body.get("recorded", ())
    return console.draw(
        "done.html",
        request,
        session,
        status=answer.status if answer.status >= 400 else 200,  # noqa: PLR2004 - HTTP's own line
        kind=kind,
        code=known.code,
        masked=masked(known.code.last_group),
        recorded=recorded,
        refused=answer.body.get("detail", ""),
        device_id=getattr(action, "device_id", None),
    )
