"""Comes in and goes out: the Licensing window's pages and forms. Each form is an order at the door, done once."""

from typing import Annotated, Any

from fastapi import APIRouter, Query, Request, Response
from fastapi.responses import JSONResponse, RedirectResponse, StreamingResponse
from pydantic import ValidationError

from services.device.api.commands import ActivateRequest
from services.device.decider import Activate, Command, Expire, RemoveReserve
from services.device.window.adding import Asked, Entered, add
from services.device.window.failing import pages
from services.device.window.following import Streams
from services.device.window.forms import Typed
from services.device.window.links import new_link, new_session
from services.device.window.opening import ASSETS, Window, keep, window_path
from shared.doors.credentials import Bearer
from shared.doors.idempotency import KeyReused, request_hash
from shared.doors.problems import Problem
from shared.ledger.events import instant
from shared.ledger.identity import new_id, new_secret
from shared.messages import DeviceId
from shared.pages import HEADERS, Form, NotOurForm, add_assets, order_of, read_form

SEE_OTHER = 303
UNPROCESSABLE = 422
SENT_TWICE = "This form was sent before, with another code. Nothing was done now; press Add again if it is wanted."

Link = Annotated[str | None, Query(max_length=4_000)]


def routes(window: Window) -> APIRouter:
    """Return the routes of the window, and the one by which a device makes a link to it."""
    people = APIRouter(prefix="/devices", include_in_schema=False, route_class=pages(window.drawing))
    _add_window(people, window)
    _add_entry(people, window)
    _add_buttons(people, window)
    _add_stream(people, window)
    router = APIRouter()
    router.include_router(people)
    _add_link(router, window)
    add_assets(router, window.drawing.assets, prefix=ASSETS)
    return router


def _add_link(router: APIRouter, window: Window) -> None:
    @router.post("/v1/devices/{device_id}/licensing-link", status_code=201, tags=["devices"])
    async def licensing_link(device_id: DeviceId, credential: Bearer) -> dict[str, str]:
        """Make a link that opens the device's Licensing window in a browser, within ten minutes."""
        await window.doors.authorize(device_id, credential)
        key = await window.key_of(device_id)
        if key.token_hash is None:
            raise Problem(404, "unknown_device", "no such device is enrolled")
        signed, until = new_link(window.doors.signing_keys(), key, now=window.now())
        return {"path": f"{window_path(device_id)}?link={signed}", "expires_at": instant(until)}


def _add_window(router: APIRouter, window: Window) -> None:
    @router.get("/{device_id}/licensing")
    async def licensing(request: Request, device_id: DeviceId, link: Link = None) -> Response:
        if link is not None:
            return await _arrived(window, request, device_id, link)
        session = await window.session(request, device_id)
        return window.draw("licensing.html", request, session, page=await window.page(device_id))

    @router.get("/{device_id}/licensing/added")
    async def added(request: Request, device_id: DeviceId) -> Response:
        session = await window.session(request, device_id)
        return window.draw("added.html", request, session, page=await window.page(device_id))


async def _arrived(window: Window, request: Request, device_id: DeviceId, link: str) -> Response:
    """Open a session by a link, and leave the link behind: it stays in no address and no history."""
    key, keys = await window.key_of(device_id), window.doors.signing_keys()
    session = new_session(keys, link, key, now=window.now(), chance=new_secret())
    here = window_path(device_id)
    response: Response = RedirectResponse(here, SEE_OTHER, headers=HEADERS)
    if request.headers.get("sec-fetch-site") == "cross-site":
        # a redirect would still count as the other site's call, which gets no strict cookie: the page itself goes on
        language = request.headers.get("accept-language")
        response = window.drawing.response("arrived.html", accept_language=language, here=here)
    keep(response, request, session)
    return response


def _add_entry(router: APIRouter, window: Window) -> None:
    @router.get("/{device_id}/licensing/code")
    async def enter(request: Request, device_id: DeviceId) -> Response:
        session = await window.session(request, device_id)
        empty: dict[str, Any] = {
            "typed": Typed().groups,
            "said": Asked(),
            "wrong": None,
            "prior_wrong": None,
            "problem": None,
        }
        return window.draw("code.html", request, session, page=await window.page(device_id), **empty)

    @router.post("/{device_id}/licensing/code")
    async def enter_code(request: Request, device_id: DeviceId) -> Response:
        session = await window.session(request, device_id)
        form = await read_form(request, session.cookie)
        entered, problem = Entered.of(form), None
        try:
            if await add(window, request, device_id, form, entered):
                await window.settled(device_id)
                return _to(f"{window_path(device_id)}/added")
        except KeyReused:
            problem = SENT_TWICE
        # what was typed is shown again in this answer alone, which nobody keeps
        again: dict[str, Any] = {"typed": entered.typed.shown(), "said": entered.asked, "problem": problem}
        wrong = {"wrong": entered.wrong, "prior_wrong": entered.prior_wrong}
        page = await window.page(device_id)
        return window.draw("code.html", request, session, UNPROCESSABLE, page=page, **again, **wrong)

    @router.post("/{device_id}/licensing/code/reading")
    async def reading(request: Request, device_id: DeviceId) -> Response:
        form = await read_form(request, (await window.session(request, device_id)).cookie)
        wrong = Entered.of(form).wrong
        told: dict[str, Any] = {"complete": wrong is None}
        if wrong is not None:
            told |= {"message": wrong.message, "fields": wrong.fields, "foreign": wrong.foreign}
        return JSONResponse(told, headers=HEADERS)


def _add_buttons(router: APIRouter, window: Window) -> None:
    @router.post("/{device_id}/licensing/activate-now")
    async def activate_now(request: Request, device_id: DeviceId) -> Response:
        form = await read_form(request, (await window.session(request, device_id)).cookie)
        asked = _shown_code(form)
        command = Activate(
            device_id=device_id, at=window.doors.clock.now(), request_id=new_id(), code_ref=asked.code_ref
        )
        return await _pressed(window, request, form, command, asked)

    @router.post("/{device_id}/licensing/remove")
    async def remove(request: Request, device_id: DeviceId) -> Response:
        form = await read_form(request, (await window.session(request, device_id)).cookie)
        command = RemoveReserve(device_id=device_id, at=window.doors.clock.now(), request_id=new_id())
        return await _pressed(window, request, form, command)

    @router.post("/{device_id}/licensing/check-now")
    async def check_now(request: Request, device_id: DeviceId) -> Response:
        form = await read_form(request, (await window.session(request, device_id)).cookie)
        # an end that is due is recorded, and what is recorded is waited for
        return await _pressed(window, request, form, Expire(device_id=device_id, at=window.doors.clock.now()))


def _shown_code(form: Form) -> ActivateRequest:
    try:
        return ActivateRequest(code_ref=form.get("code_ref") or None)
    except ValidationError:
        raise NotOurForm from None


async def _pressed(
    window: Window, request: Request, form: Form, command: Command, body: ActivateRequest | None = None
) -> Response:
    """Order what a button is for, wait for what becomes of it, and show the window."""
    try:
        sent = request_hash(request, body)
        await window.doors.submit(command, key=f"window/{order_of(form)}", request_hash=sent)
    except KeyReused:
        raise NotOurForm from None
    await window.settled(command.device_id)
    return _to(window_path(command.device_id))


def _to(path: str) -> Response:
    return RedirectResponse(path, SEE_OTHER, headers=HEADERS)


def _add_stream(router: APIRouter, window: Window) -> None:
    streams = Streams()

    @router.get("/{device_id}/licensing/stream")
    async def stream(request: Request, device_id: DeviceId) -> Response:
        session = await window.session(request, device_id)
        if streams.full:
            return Response(status_code=503, headers={"Retry-After": "5"})
        told = streams.follow(window, session)
        return StreamingResponse(told, headers={**HEADERS, "X-Accel-Buffering": "no"}, media_type="text/event-stream")
