"""Comes in and goes out: the one field by which support finds a device, a code or an order.

What was typed is sent in a form, never in an address: it may be a whole code, of which only its reference is used.
"""

import re
from dataclasses import dataclass
from typing import Annotated
from urllib.parse import quote, urlencode

from fastapi import APIRouter, Query, Request, Response

from services.activation.console.console import Console, to
from services.activation.console.devices import DeviceAway, DeviceRefused
from services.activation.console.known import CODES_MAX, code_of, codes_ending, codes_of_order, device_of
from services.activation.console.sessions import Session
from services.activation.console.values import standing_of
from shared.messages import LastGroup, OrderId
from shared.rules.codes import MalformedCode, read_code

ASKED_CHARACTERS_MAX = 200
CODE_REF = re.compile(r"[0-9a-f]{32}")
DEVICE_ID = re.compile(r"[A-Za-z0-9._:-]{1,64}")
FOUR_GROUPS = re.compile(r"\w{3,7}(?:\s*[-\u2010-\u2015\s]\s*\w{3,7}){3}")
LAST_GROUP = re.compile(r"[0-9A-Z]{5}")
READ_AS = str.maketrans("OIL", "011")

After = Annotated[str, Query(max_length=32, pattern=r"^[0-9a-f]*$")]


@dataclass(frozen=True, slots=True)
class Nothing:
    """Nothing was found: why, and what may help."""

    happened: str
    to_do: str = "Look for a typing error, or search for something else that you know."


def add_search(router: APIRouter, console: Console) -> None:
    """Add the routes."""

    @router.get("")
    async def search_page(request: Request) -> Response:
        session = await console.session(request)
        return console.draw("search.html", request, session, entry="Search", asked="", nothing=None)

    @router.post("/search")
    async def search(request: Request) -> Response:
        session, form = await console.form(request)
        asked = form.get("asked", "").strip()[:ASKED_CHARACTERS_MAX]
        found = await _found(console, session, asked)
        if isinstance(found, str):
            return to(found)
        shown = "" if _is_code(asked) else asked
        return console.draw("search.html", request, session, entry="Search", status=404, asked=shown, nothing=found)

    @router.get("/codes")
    async def codes_page(
        request: Request, last_group: LastGroup | None = None, order_id: OrderId | None = None, after: After = ""
    ) -> Response:
        session, pool = await console.session(request), console.doors.pool
        if order_id is not None:
            codes, what = await codes_of_order(pool, order_id, after=after), {"order_id": order_id}
        else:
            codes, what = await codes_ending(pool, last_group or "", after=after), {"last_group": last_group or ""}
        more = urlencode({**what, "after": codes[CODES_MAX - 1].code_ref}) if len(codes) > CODES_MAX else None
        rows = [(code, standing_of(code, console.doors.clock.now())) for code in codes[:CODES_MAX]]
        return console.draw("codes.html", request, session, entry="Search", rows=rows, more=more, what=what)


def _is_code(asked: str) -> bool:
    """Tell whether this may be a whole code, also a mistyped one: it is not shown again."""
    return bool(FOUR_GROUPS.fullmatch(asked)) or len(re.sub(r"[\W_]", "", asked)) == 20  # noqa: PLR2004 - a code's symbols


async def _found(console: Console, session: Session, asked: str) -> str | Nothing:
    """Return where it is, or why there is nothing."""
    if not asked:
        return Nothing("Nothing was typed.", "Type what you know of the device, the code or the order.")
    try:
        return await _code(console, read_code(asked).ref)
    except MalformedCode as error:
        if FOUR_GROUPS.fullmatch(asked):
            return Nothing(f"This looks like a whole code, but is none: {error.message}", "Ask for the code once more.")
    if CODE_REF.fullmatch(asked):
        return await _code(console, asked)
    return await _ending(console, asked) or await _order(console, asked) or await _device(console, session, asked)


async def _code(console: Console, code_ref: str) -> str | Nothing:
    if await code_of(console.doors.pool, code_ref):
        return f"/console/codes/{code_ref}"
    return Nothing(
        "The code is well formed, but nobody issued it.",
        "Ask where it was bought: it may be another vendor's, or made up.",
    )


async def _ending(console: Console, asked: str) -> str | None:
    last_group = asked.lstrip("•-… ").upper().translate(READ_AS)
    if not LAST_GROUP.fullmatch(last_group):
        return None
    codes = await codes_ending(console.doors.pool, last_group)
    return _one_or_list([code.code_ref for code in codes], {"last_group": last_group})


async def _order(console: Console, asked: str) -> str | None:
    codes = await codes_of_order(console.doors.pool, asked)
    return _one_or_list([code.code_ref for code in codes], {"order_id": asked})


def _one_or_list(refs: list[str | None], what: dict[str, str]) -> str | None:
    if not refs:
        return None
    return f"/console/codes/{refs[0]}" if len(refs) == 1 else f"/console/codes?{urlencode(what)}"


async def _device(console: Console, session: Session, asked: str) -> str | Nothing:
    nothing = Nothing("No device, code or order is called so.")
    if not DEVICE_ID.fullmatch(asked):
        return nothing
    path = f"/console/devices/{quote(asked, safe=':')}"
    if await device_of(console.doors.pool, asked):
        return path
    try:
        await console.devices.ask(session.operator, f"/v1/devices/{asked}/license")
    except DeviceRefused:
        return nothing
    except DeviceAway:
        return Nothing(
            "Nothing is called so here, and the device service does not answer.",
            "If it is a device that never had a code, search again when the device service is back.",
        )
    return path
