"""What the window says when it cannot be opened, or a form not be taken. Pure words, no rule."""

from dataclasses import dataclass
from typing import Literal

from services.device.window.links import Why
from shared.messages import DeviceId

AGAIN = "Open the Licensing window from the application again: click the days remaining."

Closing = Literal["not_our_form", "too_much", "away", "no_key", "nothing_here", "broken"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Closed:
    """A page that is no window: `status` is HTTP's. With `may_retry` it offers to open the window of the device."""

    status: int
    title: str
    happened: str
    follows: str
    to_do: str
    device_id: DeviceId | None = None
    may_retry: bool = False


def not_opened(what: Literal["link", "session"], why: Why) -> Closed:
    """Return why a link or a session opens no window. No answer tells whether a device exists (R-109)."""
    status = 403 if why == "other_device" else 401
    if what == "session" and why in ("missing", "over"):
        return Closed(
            status=status,
            title="This window is closed",
            happened=SESSIONS[why],
            follows="Nothing was changed, and the license goes on as it is.",
            to_do=AGAIN,
            # a page of another site may have led here, which the browser takes for a stranger's call
            may_retry=why == "missing",
        )
    return Closed(
        status=status,
        title="This link opens nothing",
        happened=LINKS[why],
        follows="Nothing was changed, and the license goes on as it is.",
        to_do=AGAIN,
    )


SESSIONS = {
    "missing": "This browser has no open Licensing window for this device.",
    "over": "The window was open for a long time, and closed itself.",
}
LINKS: dict[Why, str] = {
    "missing": "The link is incomplete.",
    "forged": "The link is damaged, or was never given.",
    "other_device": "The link belongs to the window of another device.",
    "over": "The link is too old: it opens the window for a few minutes only.",
    "replaced": "The link was made before the device got a new token.",
}


def closed(word: Closing) -> Closed:
    """Return the page for what went wrong."""
    return CLOSED[word]


CLOSED: dict[Closing, Closed] = {
    "not_our_form": Closed(
        status=403,
        title="The form was not taken",
        happened="The form was not made by this window, or the window was opened anew since.",
        follows="Nothing was done.",
        to_do="Go back to the window, and do there what you wanted to do.",
        may_retry=True,
    ),
    "too_much": Closed(
        status=413,
        title="The form was not taken",
        happened="More was sent than an activation code has.",
        follows="Nothing was done.",
        to_do="Go back to the window, and type the 20 letters and digits of the code.",
        may_retry=True,
    ),
    "away": Closed(
        status=503,
        title="No answer at the moment",
        happened="The service did not answer in time. What you asked for may have been done, or not.",
        follows="Nothing is done twice: once the service answers, the window shows what is true.",
        to_do="Wait a moment, then open the window again and look.",
        may_retry=True,
    ),
    "no_key": Closed(
        status=503,
        title="This window cannot be opened",
        happened="The service was started without a key to sign links with.",
        follows="The license goes on as it is.",
        to_do="Tell whoever runs the service; its other doors work.",
    ),
    "nothing_here": Closed(
        status=404,
        title="There is nothing here",
        happened="The address leads nowhere.",
        follows="Nothing was changed.",
        to_do=AGAIN,
    ),
    "broken": Closed(
        status=500,
        title="Something went wrong",
        happened="The window could not be shown because of an error of ours; it is in our log.",
        follows="The license goes on as it is.",
        to_do="Open the window again. If it does not help, tell support what you did.",
        may_retry=True,
    ),
}
