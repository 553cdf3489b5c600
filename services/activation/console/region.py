"""Comes in: support corrects the region of a device, through the device service. It requires a reason (R-137)."""

from fastapi import APIRouter, Request, Response

from services.activation.console.actions import NO_REASON, REASON_CHARACTERS_MAX, note_of
from services.activation.console.console import PAGES, Console, redirect_to
from services.activation.console.device_client import DeviceRefused, DeviceUnavailable
from services.activation.console.sessions import Session
from shared.doors.problems import Problem
from shared.messages import DeviceId
from shared.pages import Form

UNAVAILABLE = "The device service is not responding. Look at the device before you try again."


def add_region(router: APIRouter, console: Console) -> None:
    """Add the routes."""

    @router.get("/devices/{device_id}/region")
    async def show_form(request: Request, device_id: DeviceId) -> Response:
        return _page(console, request, await console.session(request), device_id, {})

    @router.post("/devices/{device_id}/region")
    async def correct(request: Request, device_id: DeviceId) -> Response:
        session, form = await console.form(request)
        if not form.get("reason", "").strip():
            return _page(console, request, session, device_id, form, problem=NO_REASON, status=422)
        try:
            await _correct(console, session, device_id, form)
        except DeviceRefused as refused:
            if refused.status == 404:  # noqa: PLR2004 - HTTP's Not Found
                raise Problem(404, "unknown_device", "no such device is enrolled") from None
            return _page(console, request, session, device_id, form, problem=_said(refused), status=refused.status)
        except DeviceUnavailable:
            return _page(console, request, session, device_id, form, problem=UNAVAILABLE, status=503)
        return redirect_to(f"{PAGES}/devices/{device_id}")


async def _correct(console: Console, session: Session, device_id: DeviceId, form: Form) -> None:
    body = {"region": form.get("region", "").strip().upper(), "note": note_of(session.operator, form["reason"])}
    await console.devices.request(session.operator, f"/v1/devices/{device_id}/region", "PUT", json=body)


def _said(refused: DeviceRefused) -> str:
    """Return what the device service said of the region, in words for people."""
    hints = [field["hint"] for field in refused.problem.get("fields", ()) if "hint" in field]
    said = hints[0] if hints else refused.detail
    return f"Nothing was done: {said}."


def _page(
    console: Console,
    request: Request,
    session: Session,
    device_id: DeviceId,
    form: Form,
    *,
    problem: str = "",
    status: int = 200,
) -> Response:
    return console.render(
        "region.html",
        request,
        session,
        status=status,
        device_id=device_id,
        region=form.get("region", "")[:2],
        reason=form.get("reason", "")[:REASON_CHARACTERS_MAX],
        problem=problem,
    )
