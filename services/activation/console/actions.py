"""Comes in: support's actions on codes. Each is previewed, requires a reason, and is done once.

A preview carries the version of its code: if the code has changed since, nothing is done and a new preview is shown.
"""

import asyncio
from urllib.parse import urlencode

from fastapi import APIRouter, Request, Response
from pydantic import ValidationError

from services.activation.api import answer_to
from services.activation.console.action_kinds import KINDS, ActionKind
from services.activation.console.action_scope import action_scope_of
from services.activation.console.console import Console
from services.activation.console.operators import Operator
from services.activation.console.preview import Action, preview
from services.activation.console.queries import VersionedCode, code_of
from services.activation.console.sessions import Session
from services.activation.console.values import masked
from shared.doors.answers import submit_command
from shared.doors.idempotency import Answer
from shared.doors.preconditions import read_version
from shared.doors.problems import Problem
from shared.ledger.identity import hash_of
from shared.messages import CodeRef
from shared.pages import Form, NotOurForm, idempotency_key_of

REASON_CHARACTERS_MAX = 400
AFFECTED_MAX = 50
NO_REASON = "Give a reason: it is kept in the log forever."
CODE_CHANGED = "The code has changed since this page was made. Nothing was done: check what would happen now."
STALE_PREVIEW = "precondition_failed"


def note_of(operator: Operator, reason: str) -> str:
    """Return the note that the log keeps about an action: the reason and the operator."""
    return f"{reason.strip()[:REASON_CHARACTERS_MAX]} – {operator.name}, console"


def add_actions(router: APIRouter, console: Console) -> None:
    """Add the routes of all actions."""
    for kind in KINDS:
        _add_action(router, console, kind)


def _add_action(router: APIRouter, console: Console, kind: ActionKind) -> None:
    @router.get(f"/codes/{{code_ref}}/{kind.path}")
    async def show_preview(request: Request, code_ref: CodeRef) -> Response:
        session = await console.session(request)
        fields = {name: value for name in kind.fields if (value := request.query_params.get(name))}
        return await _render_preview(console, request, session, kind, code_ref, fields)

    @router.post(f"/codes/{{code_ref}}/{kind.path}")
    async def take_action(request: Request, code_ref: CodeRef) -> Response:
        session, form = await console.form(request)
        reason = form.get("reason", "").strip()
        if not reason:
            return await _render_preview(console, request, session, kind, code_ref, form, problem=NO_REASON, status=422)
        action = _action(console, kind, code_ref, form, note_of(session.operator, reason))
        answer = await _execute(console, action, form)
        if answer.body.get("code") == STALE_PREVIEW:
            return await _render_preview(
                console, request, session, kind, code_ref, form, problem=CODE_CHANGED, status=409
            )
        return await _render_result(console, request, session, kind, action, answer)


async def _code(console: Console, code_ref: CodeRef) -> VersionedCode:
    found = await code_of(console.doors.pool, code_ref)
    if found is None:
        raise Problem(404, "unknown_code", "no such code was issued")
    return found


def _action(console: Console, kind: ActionKind, code_ref: CodeRef, form: Form, note: str) -> Action:
    try:
        return kind.command(form, {"code_ref": code_ref, "at": console.doors.clock.now(), "note": note})
    except ValidationError:
        raise Problem(422, "invalid_fields", "the device or order of the action is missing or invalid") from None


async def _render_preview(
    console: Console,
    request: Request,
    session: Session,
    kind: ActionKind,
    code_ref: CodeRef,
    fields: Form,
    *,
    problem: str = "",
    status: int = 200,
) -> Response:
    """Render what the action would do now, with the form to confirm it."""
    current, action = await _code(console, code_ref), _action(console, kind, code_ref, fields, "")
    scope = await action_scope_of(console.doors.pool, action)
    # in a thread: thousands of switches are foreseen
    result = await asyncio.to_thread(preview, action, scope.snapshot, console.doors.policy)
    about = {name: fields[name] for name in kind.fields if fields.get(name)}
    return console.render(
        "action.html",
        request,
        session,
        status=status,
        kind=kind,
        code=current.code,
        version=current.version,
        masked=masked(current.code.last_group),
        about=about,
        other=f"?{urlencode({**about, 'keep_reserve': '' if about.get('keep_reserve') else 'yes'})}",
        preview=result,
        affected=result.affected[:AFFECTED_MAX],
        further=max(len(result.affected) - AFFECTED_MAX, 0),
        more=scope.more,
        problem=problem,
        reason=fields.get("reason", "")[:REASON_CHARACTERS_MAX],
    )


async def _execute(console: Console, action: Action, form: Form) -> Answer:
    """Execute the action, once per rendered form. Raises `KeyReused`, `LedgerUnavailable` or `NotOurForm`."""
    version = read_version(form.get("version", ""))
    if version is None:
        raise NotOurForm
    content = action.model_dump_json(exclude={"at"})
    return await submit_command(
        console.doors.queue,
        action,
        now=action.at,
        scope="console",
        key=idempotency_key_of(form),
        request_hash=hash_of(f"{type(action).__name__}\n{content}"),
        expected_version=frozenset({version}),
        to_answer=lambda outcome: answer_to(outcome, {"code_ref": action.code_ref}),
    )


async def _render_result(
    console: Console, request: Request, session: Session, kind: ActionKind, action: Action, answer: Answer
) -> Response:
    current = await _code(console, action.code_ref)
    recorded = answer.body.get("recorded", ())
    return console.render(
        "done.html",
        request,
        session,
        status=answer.status if answer.status >= 400 else 200,  # noqa: PLR2004 - where HTTP's errors begin
        kind=kind,
        code=current.code,
        masked=masked(current.code.last_group),
        recorded=recorded,
        refused=answer.body.get("detail", ""),
        device_id=getattr(action, "device_id", None),
    )
