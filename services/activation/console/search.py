"""Comes in and goes out: the search field for devices, codes and orders.

The query is sent in a form, never in a URL: it may be a whole code, of which only the reference is used.
"""

import re
from dataclasses import dataclass
from urllib.parse import quote, urlencode

from fastapi import APIRouter, Request, Response

from services.activation.console.console import Console, redirect_to
from services.activation.console.device_client import DeviceRefused, DeviceUnavailable
from services.activation.console.queries import CODES_MAX, code_of, codes_ending, codes_of_order, device_of
from services.activation.console.sessions import Session
from services.activation.console.values import status_of
from shared.messages import LastGroup, OrderId
from shared.rules.codes import MalformedCode, read_code

QUERY_CHARACTERS_MAX = 200
CODE_REF = re.compile(r"[0-9a-f]{32}")
DEVICE_ID = re.compile(r"[A-Za-z0-9._:-]{1,64}")
FOUR_GROUPS = re.compile(r"\w{3,7}(?:\s*[-\u2010-\u2015\s]\s*\w{3,7}){3}")
LAST_GROUP = re.compile(r"[0-9A-Z]{5}")
LOOK_ALIKES = str.maketrans("OIL", "011")


@dataclass(frozen=True, slots=True)
class NothingFound:
    """Nothing was found: why, and what may help."""

    happened: str
    to_do: str = "Check for typing errors, or search for something else you know."


def add_search(router: APIRouter, console: Console) -> None:
    """Add the routes."""

    @router.post("/search")
    async def search(request: Request) -> Response:
        session, form = await console.form(request)
        query = form.get("asked", "").strip()[:QUERY_CHARACTERS_MAX]
        found = await _found(console, session, query)
        if isinstance(found, str):
            return redirect_to(found)
        shown = "" if _may_be_code(query) else query
        return console.render("search.html", request, session, entry="Home", status=404, query=shown, nothing=found)


async def found_codes(
    console: Console, request: Request, *, last_group: LastGroup | None, order_id: OrderId | None, after: str
) -> Response:
    """Return the page of the codes that a search found."""
    session, pool = await console.session(request), console.doors.pool
    if order_id is not None:
        codes, criterion = await codes_of_order(pool, order_id, after=after), {"order_id": order_id}
    else:
        codes, criterion = await codes_ending(pool, last_group or "", after=after), {"last_group": last_group or ""}
    more = urlencode({**criterion, "after": codes[CODES_MAX - 1].code_ref}) if len(codes) > CODES_MAX else None
    rows = [(code, status_of(code, console.doors.clock.now(), console.doors.policy)) for code in codes[:CODES_MAX]]
    return console.render("codes.html", request, session, entry="Codes", rows=rows, more=more, criterion=criterion)


def _may_be_code(query: str) -> bool:
    """Tell whether this may be a whole code, even a mistyped one: it is not shown again."""
    return bool(FOUR_GROUPS.fullmatch(query)) or len(re.sub(r"[\W_]", "", query)) == 20  # noqa: PLR2004 - a code's symbols


async def _found(console: Console, session: Session, query: str) -> str | NothingFound:
    """Return the path of the page found, or why nothing was found."""
    if not query:
        return NothingFound("Nothing was entered.", "Enter what you know about the device, the code or the order.")
    try:
        return await _code(console, read_code(query).ref)
    except MalformedCode as error:
        if FOUR_GROUPS.fullmatch(query):
            return NothingFound(
                f"This looks like a whole code but is not one: {error.message}", "Ask for the code again."
            )
    if CODE_REF.fullmatch(query):
        return await _code(console, query)
    return await _ending(console, query) or await _order(console, query) or await _device(console, session, query)


async def _code(console: Console, code_ref: str) -> str | NothingFound:
    if await code_of(console.doors.pool, code_ref):
        return f"/console/codes/{code_ref}"
    return NothingFound(
        "The code is well-formed but was never issued.",
        "Ask where it was bought: it may be another vendor's, or made up.",
    )


async def _ending(console: Console, query: str) -> str | None:
    last_group = query.lstrip("•-… ").upper().translate(LOOK_ALIKES)
    if not LAST_GROUP.fullmatch(last_group):
        return None
    codes = await codes_ending(console.doors.pool, last_group)
    return _one_or_list([code.code_ref for code in codes], {"last_group": last_group})


async def _order(console: Console, query: str) -> str | None:
    codes = await codes_of_order(console.doors.pool, query)
    return _one_or_list([code.code_ref for code in codes], {"order_id": query})


def _one_or_list(refs: list[str | None], what: dict[str, str]) -> str | None:
    if not refs:
        return None
    return f"/console/codes/{refs[0]}" if len(refs) == 1 else f"/console/codes?{urlencode(what)}"


async def _device(console: Console, session: Session, query: str) -> str | NothingFound:
    nothing = NothingFound("No device, code or order matches.")
    if not DEVICE_ID.fullmatch(query):
        return nothing
    path = f"/console/devices/{quote(query, safe=':')}"
    if await device_of(console.doors.pool, query):
        return path
    try:
        await console.devices.request(session.operator, f"/v1/devices/{query}/license")
    except DeviceRefused:
        return nothing
    except DeviceUnavailable:
        return NothingFound(
            "Nothing here matches, and the device service is not responding.",
            "If this is a device that never had a code, search again when the device service is back.",
        )
    return path
