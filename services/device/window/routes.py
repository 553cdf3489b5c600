"""Comes in and goes out: the Licensing window's pages and forms. Each form is an API command, done once."""

from typing import Annotated, Any

from fastapi import APIRouter, Query, Request, Response
from fastapi.responses import JSONResponse, RedirectResponse, StreamingResponse
from pydantic import ValidationError

from services.device.api.as_of import lived
from services.device.api.commands import ActivateRequest
from services.device.decider import Activate, Command, Expire, RemoveReserve
from services.device.window.code_entry import CodeForm, EntryOptions, add
from services.device.window.error_pages import window_route
from services.device.window.event_stream import Streams
from services.device.window.forms import TypedCode
from services.device.window.history import history_of
from services.device.window.links import new_link, new_session
from services.device.window.window import ASSETS, Window, set_session_cookie, window_path
from shared.calendar import instant
from shared.doors.credentials import Bearer
from shared.doors.idempotency import KeyReused, request_hash
from shared.doors.problems import Problem
from shared.ledger.identity import new_id, new_secret
from shared.messages import DeviceId
from shared.pages import HEADERS, Form, NotOurForm, add_assets, idempotency_key_of, read_form

SEE_OTHER = 303
UNPROCESSABLE = 422
SENT_TWICE = "This form was already sent with another code, so nothing was done. To add this code too, press Add again."

Link = Annotated[str | None, Query(max_length=4_000)]


def routes(window: Window) -> APIRouter:
    """Return the routes of the window, and the one with which a device creates a link to it."""
    people = APIRouter(prefix="/devices", include_in_schema=False, route_class=window_route(window.renderer))
    _add_window(people, window)
    _add_entry(people, window)
    _add_buttons(people, window)
    _add_stream(people, window)
    router = APIRouter()
    router.include_router(people)
    _add_link(router, window)
    add_assets(router, window.renderer.assets, prefix=ASSETS)
    return router


def _add_link(router: APIRouter, window: Window) -> None:
    @router.post("/v1/devices/{device_id}/licensing-link", status_code=201, tags=["devices"])
    async def licensing_link(device_id: DeviceId, credential: Bearer) -> dict[str, str]:
        """Create a link that opens the device's Licensing window in a browser. It is valid for ten minutes.

        Takes no Idempotency-Key: nothing is stored, and an earlier link stays valid.
        """
        await window.doors.authorize(device_id, credential)
        current = await window.credential_of(device_id)
        if current.token_hash is None:
            raise Problem(404, "unknown_device", "no such device is enrolled")
        signed, until = new_link(window.doors.signing_keys(), current, now=window.doors.clock.now())
        return {"path": f"{window_path(device_id)}?link={signed}", "expires_at": instant(until)}


def _add_window(router: APIRouter, window: Window) -> None:
    @router.get("/{device_id}/licensing")
    async def licensing(request: Request, device_id: DeviceId, link: Link = None) -> Response:
        if link is not None:
            return await _open_by_link(window, request, device_id, link)
        session = await window.session(request, device_id)
        return window.render("licensing.html", request, session, page=await window.page(device_id))

    @router.get("/{device_id}/licensing/added")
    async def added(request: Request, device_id: DeviceId) -> Response:
        session = await window.session(request, device_id)
        return window.render("added.html", request, session, page=await window.page(device_id))

    @router.get("/{device_id}/licensing/history")
    async def history(request: Request, device_id: DeviceId) -> Response:
        session = await window.session(request, device_id)
        shown = history_of(await lived(window.doors, device_id), now=window.doors.clock.now())
        return window.render("history.html", request, session, page=await window.page(device_id), history=shown)


async def _open_by_link(window: Window, request: Request, device_id: DeviceId, link: str) -> Response:
    """Open a session with a link, and redirect so that the link stays in no address bar and no history."""
    credential, keys = await window.credential_of(device_id), window.doors.signing_keys()
    times = {"now": window.doors.clock.now(), "machine_now": window.now()}
    session = new_session(keys, link, credential, **times, chance=new_secret())
    here = window_path(device_id)
    response: Response = RedirectResponse(here, SEE_OTHER, headers=HEADERS)
    if request.headers.get("sec-fetch-site") == "cross-site":
        # a redirect would still count as cross-site and carry no strict cookie, so a page of our own goes on
        language = request.headers.get("accept-language")
        response = window.renderer.response("opening.html", accept_language=language, here=here)
    set_session_cookie(response, request, session)
    return response


def _add_entry(router: APIRouter, window: Window) -> None:
    @router.get("/{device_id}/licensing/code")
    async def enter(request: Request, device_id: DeviceId) -> Response:
        session = await window.session(request, device_id)
        empty: dict[str, Any] = {
            "typed": TypedCode().groups,
            "options": EntryOptions(),
            "mistake": None,
            "prior_mistake": None,
            "problem": None,
        }
        return window.render("code_entry.html", request, session, page=await window.page(device_id), **empty)

    @router.post("/{device_id}/licensing/code")
    async def enter_code(request: Request, device_id: DeviceId) -> Response:
        session = await window.session(request, device_id)
        form = await read_form(request, session.cookie)
        entry, problem = CodeForm.of(form), None
        try:
            if await add(window, request, device_id, form, entry):
                await window.wait_until_settled(device_id)
                return _redirect_to(f"{window_path(device_id)}/added")
        except KeyReused:
            problem = SENT_TWICE
        # only this answer, which nobody stores, repeats what was typed
        repeated: dict[str, Any] = {"typed": entry.typed.shown(), "options": entry.options, "problem": problem}
        mistakes = {"mistake": entry.mistake, "prior_mistake": entry.prior_mistake}
        page = await window.page(device_id)
        return window.render("code_entry.html", request, session, UNPROCESSABLE, page=page, **repeated, **mistakes)

    @router.post("/{device_id}/licensing/code/reading")
    async def reading(request: Request, device_id: DeviceId) -> Response:
        form = await read_form(request, (await window.session(request, device_id)).cookie)
        mistake = CodeForm.of(form).mistake
        answer: dict[str, Any] = {"complete": mistake is None}
        if mistake is not None:
            answer |= {"message": mistake.message, "fields": mistake.fields, "foreign": mistake.foreign}
        return JSONResponse(answer, headers=HEADERS)


def _add_buttons(router: APIRouter, window: Window) -> None:
    @router.post("/{device_id}/licensing/activate-now")
    async def activate_now(request: Request, device_id: DeviceId) -> Response:
        form = await read_form(request, (await window.session(request, device_id)).cookie)
        body = _shown_code(form)
        command = Activate(
            device_id=device_id, at=window.doors.clock.now(), request_id=new_id(), code_ref=body.code_ref
        )
        return await _send(window, request, form, command, body)

    @router.post("/{device_id}/licensing/remove")
    async def remove(request: Request, device_id: DeviceId) -> Response:
        form = await read_form(request, (await window.session(request, device_id)).cookie)
        command = RemoveReserve(device_id=device_id, at=window.doors.clock.now(), request_id=new_id())
        return await _send(window, request, form, command)

    @router.post("/{device_id}/licensing/check-now")
    async def check_now(request: Request, device_id: DeviceId) -> Response:
        form = await read_form(request, (await window.session(request, device_id)).cookie)
        # records an end that is due, and waits for what is recorded but not shown yet
        return await _send(window, request, form, Expire(device_id=device_id, at=window.doors.clock.now()))


def _shown_code(form: Form) -> ActivateRequest:
    try:
        return ActivateRequest(code_ref=form.get("code_ref") or None)
    except ValidationError:
        raise NotOurForm from None


async def _send(
    window: Window, request: Request, form: Form, command: Command, body: ActivateRequest | None = None
) -> Response:
    """Send a button's command, wait for the outcome, and show the window."""
    try:
        sent = request_hash(request, body)
        await window.doors.submit(command, key=f"window/{idempotency_key_of(form)}", request_hash=sent)
    except KeyReused:
        raise NotOurForm from None
    await window.wait_until_settled(command.device_id)
    return _redirect_to(window_path(command.device_id))


def _redirect_to(path: str) -> Response:
    return RedirectResponse(path, SEE_OTHER, headers=HEADERS)


def _add_stream(router: APIRouter, window: Window) -> None:
    streams = Streams()

    @router.get("/{device_id}/licensing/stream")
    async def stream(request: Request, device_id: DeviceId) -> Response:
        session = await window.session(request, device_id)
        if streams.full:
            return Response(status_code=503, headers={"Retry-After": "5"})
        events = streams.follow(window, session)
        return StreamingResponse(events, headers={**HEADERS, "X-Accel-Buffering": "no"}, media_type="text/event-stream")
