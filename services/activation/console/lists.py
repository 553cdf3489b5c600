"""Goes out: lists of devices and codes with filters, page by page and as files, and of refusals and renewals."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Annotated, Any, Literal
from urllib.parse import urlencode

from fastapi import APIRouter, Depends, Query, Request, Response

from services.activation.console.as_of import AsOf
from services.activation.console.code_list import AskedCodes, CodeAfter, CodePage, CodeStatus, list_codes
from services.activation.console.console import Console, redirect_to
from services.activation.console.device_client import DeviceRefused, DeviceUnavailable, JsonObject
from services.activation.console.device_license import SLOT, STATUS
from services.activation.console.event_sentences import meaning_of
from services.activation.console.exports import PAGE_ROWS, Form, Page, exported
from services.activation.console.search import found_codes
from services.activation.console.sessions import Session
from services.activation.console.values import Pill, masked, moment
from services.activation.decider import Code
from shared.calendar import instant
from shared.messages import LastGroup, OrderId, Reason

LIST_ROWS = 50
DEVICE_STATUSES = {
    "active": "Active",
    "unlicensed": "No license",
    "over": "License over (any)",
    "grace": "Grace period",
    "expired": "Expired",
    "blocked": "Blocked",
}
CODE_STATUSES = {
    "never_activated": "Never activated",
    "in_use": "In use",
    "renewal_due": "Renewal due",
    "expired": "Expired",
    "blocked": "Blocked",
}
DEVICE_COLUMNS = (
    "device_id",
    "status",
    "product",
    "region",
    "vendor",
    "code_ref",
    "last_group",
    "ends_at",
    "works_until",
    "reserve",
)
CODE_COLUMNS = (
    "code_ref",
    "last_group",
    "status",
    "product",
    "vendor",
    "kind",
    "term",
    "seats",
    "seats_taken",
    "started_at",
    "ends_at",
)

DeviceStatus = Literal["active", "unlicensed", "over", "grace", "expired", "blocked"]
DeviceAfter = Annotated[str, Query(max_length=84)]
Typed = Annotated[str, Query(max_length=64)]
Before = Annotated[str, Query(max_length=40)]


def add_lists(router: APIRouter, console: Console) -> None:
    """Add the routes."""
    _add_devices(router, console)
    _add_codes(router, console)
    _add_told(router, console)


@dataclass(frozen=True, slots=True)
class DeviceFilters:
    """The filters of the list of devices, as typed into its fields."""

    status: DeviceStatus | Literal[""] = ""
    product: Typed = ""
    vendor: Typed = ""
    expiring_from: Before = ""
    expiring_before: Before = ""

    @property
    def typed(self) -> dict[str, str]:
        """What was typed, by field."""
        return _filled(**asdict(self))

    @property
    def problem(self) -> str | None:
        """What is wrong with the times."""
        return next((end.problem for end in self._ends.values() if end.problem), None)

    @property
    def params(self) -> dict[str, str]:
        """The query parameters for the API, where a time has a zone."""
        return self.typed | {name: instant(end.at) for name, end in self._ends.items() if end.at}

    @property
    def _ends(self) -> dict[str, AsOf]:
        return {name: AsOf.of(getattr(self, name), "true") for name in ("expiring_from", "expiring_before")}


@dataclass(frozen=True, slots=True)
class CodeFilters:
    """The filters of the list of codes, as typed into its fields."""

    status: CodeStatus | Literal[""] = ""
    product: Typed = ""
    vendor: Typed = ""
    expiring_before: Before = ""

    @property
    def typed(self) -> dict[str, str]:
        """What was typed, by field."""
        return _filled(**asdict(self))

    @property
    def until(self) -> AsOf:
        """Before when the codes end."""
        return AsOf.of(self.expiring_before, "true")


AskedForDevices = Annotated[DeviceFilters, Depends()]
AskedForCodes = Annotated[CodeFilters, Depends()]


def _add_devices(router: APIRouter, console: Console) -> None:
    @router.get("/devices")
    async def devices_page(request: Request, filters: AskedForDevices, after: DeviceAfter = "") -> Response:
        session, page, problem = await console.session(request), None, filters.problem
        try:
            page = None if problem else await _devices(console, session, filters.params, after, LIST_ROWS)
        except DeviceRefused as refused:
            problem = _wrong_filters(refused)
        return console.render(
            "devices.html",
            request,
            session,
            entry="Devices",
            filters=filters.typed,
            statuses=DEVICE_STATUSES,
            problem=problem,
            rows=[device_row(row) for row in page[0]] if page else None,
            more=_more(filters.typed, page[1]) if page else None,
            export=urlencode(filters.typed),
        )

    @router.get("/export/devices.{form}")
    async def export_devices(request: Request, form: Form, filters: AskedForDevices) -> Response:
        session = await console.session(request)
        the_page = redirect_to(f"/console/devices?{urlencode(filters.typed)}")  # it says what is the matter
        if filters.problem:
            return the_page

        async def next_page(after: str) -> Page:
            params = {**filters.params, "after": after, "limit": PAGE_ROWS}
            answer = await console.devices.request(session.operator, "/v1/devices", params=params)
            return answer["devices"], answer["next"]

        try:
            return await exported("devices", form, DEVICE_COLUMNS, next_page)
        except (DeviceUnavailable, DeviceRefused):
            return the_page


async def _devices(
    console: Console, session: Session, params: Mapping[str, Any], after: str, limit: int
) -> tuple[Sequence[JsonObject], str | None] | None:
    """Return a page of the device service's list; None if the service is unavailable. Raises `DeviceRefused`."""
    try:
        answer = await console.devices.request(
            session.operator, "/v1/devices", params={**params, "after": after, "limit": limit}
        )
    except DeviceUnavailable:
        return None
    return answer["devices"], answer["next"]


def _wrong_filters(refused: DeviceRefused) -> str:
    names = [str(field["field"]) for field in refused.problem.get("fields", ())]
    return f"No device can have this {' or '.join(names)}." if names else refused.detail


def device_row(entry: JsonObject) -> dict[str, Any]:
    """Return a device as the list shows it."""
    return {
        **entry,
        "pill": Pill(*STATUS.get(entry["status"], (entry["status"], "warn"))),
        "ends": moment(_at(entry["ends_at"])),
        "code": masked(entry["last_group"]) if entry["last_group"] else None,
        "waits": Pill(*SLOT.get(entry["reserve"], (entry["reserve"], "warn"))) if entry["reserve"] else None,
    }


def _add_codes(router: APIRouter, console: Console) -> None:
    @router.get("/codes")
    async def codes_page(
        request: Request,
        filters: AskedForCodes,
        last_group: LastGroup | None = None,
        order_id: OrderId | None = None,
        after: CodeAfter = "",
    ) -> Response:
        session = await console.session(request)
        if last_group or order_id:
            return await found_codes(console, request, last_group=last_group, order_id=order_id, after=after)
        page = None if filters.until.problem else await _codes(console, _asked(console, filters), after, LIST_ROWS)
        return console.render(
            "code_list.html",
            request,
            session,
            entry="Codes",
            filters=filters.typed,
            statuses=CODE_STATUSES,
            problem=filters.until.problem,
            rows=page.codes if page else None,
            more=_more(filters.typed, page.following) if page else None,
            export=urlencode(filters.typed),
        )

    @router.get("/export/codes.{form}")
    async def export_codes(request: Request, form: Form, filters: AskedForCodes) -> Response:
        await console.session(request)
        if filters.until.problem:
            return redirect_to(f"/console/codes?{urlencode(filters.typed)}")  # it says what is the matter

        asked = _asked(console, filters)  # of one moment, however long the file takes

        async def next_page(after: str) -> Page:
            page = await _codes(console, asked, after, PAGE_ROWS)
            return [_code_row(code, status) for code, status in page.codes], page.following

        return await exported("codes", form, CODE_COLUMNS, next_page)


async def _codes(console: Console, asked: AskedCodes, after: str, limit: int) -> CodePage:
    return await list_codes(console.doors.pool, asked, console.doors.policy, after=after, limit=limit)


def _asked(console: Console, filters: CodeFilters) -> AskedCodes:
    named: dict[str, Any] = {name: filters.typed.get(name) for name in ("status", "product", "vendor")}
    return AskedCodes(now=console.doors.clock.now(), expiring_before=filters.until.at, **named)


def _code_row(code: Code, status: Pill) -> dict[str, Any]:
    return {**code.to_dict(), "status": status.label.lower().replace(" ", "_")}


def _add_told(router: APIRouter, console: Console) -> None:
    @router.get("/refusals")
    async def refusals(
        request: Request, reason: Reason | None = None, since: Before = "", before: Before = "", after: DeviceAfter = ""
    ) -> Response:
        filters = _filled(reason=reason, since=since, before=before)
        return await _told(console, request, "refusals", filters, after)

    @router.get("/renewals")
    async def renewals(request: Request, after: DeviceAfter = "") -> Response:
        return await _told(console, request, "renewals", {}, after)


async def _told(console: Console, request: Request, what: str, filters: Mapping[str, str], after: str) -> Response:
    session = await console.session(request)
    times = {name: AsOf.of(filters.get(name, ""), "true").at for name in ("since", "before")}
    params = {**filters, **{name: instant(at) for name, at in times.items() if at}, "after": after, "limit": LIST_ROWS}
    try:
        answer = await console.devices.request(session.operator, f"/v1/{what}", params=params)
    except DeviceUnavailable:
        answer = None
    return console.render(
        "told.html",
        request,
        session,
        what=what,
        reason=filters.get("reason"),
        rows=[_told_row(event) for event in answer["events"]] if answer else None,
        more=_more(filters, answer["next"]) if answer else None,
    )


def _told_row(event: JsonObject) -> dict[str, Any]:
    why = meaning_of(event["reason"]) if event["reason"] else ""
    return {**event, "at": moment(_at(event["occurred_at"])), "why": why}


def _filled(**filters: str | None) -> dict[str, str]:
    return {name: value.strip() for name, value in filters.items() if value and value.strip()}


def _more(filters: Mapping[str, str], following: str | None) -> str | None:
    return urlencode({**filters, "after": following}) if following else None


def _at(written: str | None) -> datetime | None:
    return datetime.fromisoformat(written) if written else None
