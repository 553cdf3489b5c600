"""The window's error pages: it cannot be opened, or a form is not accepted. Pure texts, no rule."""

from dataclasses import dataclass
from typing import Literal

from services.device.window.links import NotOpenedReason
from shared.messages import DeviceId

REOPEN = "Open the Licensing window again from the application: click the days remaining."
NOT_AFFECTED = "Nothing was changed, and the license is not affected."

Failure = Literal["not_our_form", "too_much", "away", "no_key", "nothing_here", "broken"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ErrorPage:
    """A page instead of the window. `status` is the HTTP status; `may_retry` offers to open the device's window."""

    status: int
    title: str
    happened: str
    follows: str
    to_do: str
    device_id: DeviceId | None = None
    may_retry: bool = False


def not_opened_page(what: Literal["link", "session"], reason: NotOpenedReason) -> ErrorPage:
    """Return why a link or session does not open the window. It never reveals whether a device exists (R-109)."""
    status = 403 if reason == "other_device" else 401
    if what == "session" and reason in ("missing", "expired"):
        return ErrorPage(
            status=status,
            title="This window is closed",
            happened=SESSIONS[reason],
            follows=NOT_AFFECTED,
            to_do=REOPEN,
            # the browser sends no cookie when a page of another site led here
            may_retry=reason == "missing",
        )
    return ErrorPage(
        status=status,
        title="This link does not work",
        happened=LINKS[reason],
        follows=NOT_AFFECTED,
        to_do=REOPEN,
    )


SESSIONS = {
    "missing": "This browser has no open Licensing window for this device.",
    "expired": "The window was open for a long time and closed itself.",
}
LINKS: dict[NotOpenedReason, str] = {
    "missing": "The link is incomplete.",
    "forged": "The link is damaged or was never issued.",
    "other_device": "The link is for another device.",
    "expired": "The link is too old: links work for only a few minutes.",
    "replaced": "The link was created before the device got a new token.",
}


def error_page(failure: Failure) -> ErrorPage:
    """Return the page for a failure."""
    return ERROR_PAGES[failure]


ERROR_PAGES: dict[Failure, ErrorPage] = {
    "not_our_form": ErrorPage(
        status=403,
        title="The form was not accepted",
        happened="The form does not belong to this window, or the window has been reopened since.",
        follows="Nothing was done.",
        to_do="Go back to the window and try again there.",
        may_retry=True,
    ),
    "too_much": ErrorPage(
        status=413,
        title="The form was not accepted",
        happened="The form contained more than an activation code.",
        follows="Nothing was done.",
        to_do="Go back to the window and type the 20 letters and digits of the code.",
        may_retry=True,
    ),
    "away": ErrorPage(
        status=503,
        title="No answer at the moment",
        happened="The service did not answer in time. Your request may or may not have been carried out.",
        follows="Nothing is done twice: once the service answers, the window shows what is true.",
        to_do="Wait a moment, then open the window again and check.",
        may_retry=True,
    ),
    "no_key": ErrorPage(
        status=503,
        title="This window cannot be opened",
        happened="The service was started without a key for signing links.",
        follows="The license is not affected.",
        to_do="Tell whoever runs the service; the rest of it works.",
    ),
    "nothing_here": ErrorPage(
        status=404,
        title="Page not found",
        happened="There is no page at this address.",
        follows="Nothing was changed.",
        to_do=REOPEN,
    ),
    "broken": ErrorPage(
        status=500,
        title="Something went wrong",
        happened="The window could not be shown because of an error on our side, which is in our log.",
        follows="The license is not affected.",
        to_do="Open the window again. If that does not help, tell support what you did.",
        may_retry=True,
    ),
}
