"""What the window says of a code that waits or is being activated, in each of its states. Pure words, no rule."""

from datetime import datetime
from typing import assert_never

from services.device.decider import Reserve
from services.device.window.sentences.said import NOTHING_TO_DO, Said
from shared.pages.texts import text
from shared.reasons import EXPLAINED_REASONS


def of_slot(slot: Reserve, *, takes_over_at: datetime | None, in_force: bool) -> Said:
    """Return what is said of a code in reserve, or of one that is being activated.

    `takes_over_at` is when it will be tried by itself, if it will; `in_force`: the license before it still runs.
    """
    match slot.status:
        case "verifying":
            return _verifying()
        case "ready":
            return _ready(slot, takes_over_at, in_force=in_force)
        case "activating":
            return _activating(slot)
        case "retrying":
            return _retrying(slot)
        case "refused":
            return _refused(slot, in_force=in_force)
        case _:
            assert_never(slot.status)


def of_incoming(slot: Reserve, *, takes_over_at: datetime | None, in_force: bool) -> Said:
    """Return what is said of a code that comes second: it will replace the one in reserve, or waits behind it."""
    match slot.status:
        case "verifying":
            return Said(
                tone="calm",
                label="Being verified",
                happened=text("This code is being verified."),
                follows=text(
                    "If it is good, it replaces the code before it, which is free again then. If not, that one stays."
                ),
                to_do=text("Nothing needs to be done. You can close this window; the result is shown here later too."),
            )
        case "ready":
            return Said(
                tone="calm",
                label="Verified, comes next",
                happened=text("This code is good."),
                follows=text("It waits until it is known what becomes of the code before it."),
                to_do=NOTHING_TO_DO,
            )
        case _:
            return of_slot(slot, takes_over_at=takes_over_at, in_force=in_force)


def _verifying() -> Said:
    return Said(
        tone="calm",
        label="Being verified",
        happened=text("The code was sent to the activation service for verification."),
        follows=text("The result is shown here, also if you close this window meanwhile."),
        to_do=NOTHING_TO_DO,
    )


def _ready(slot: Reserve, takes_over_at: datetime | None, *, in_force: bool) -> Said:
    if slot.held or takes_over_at is None:
        gone = "was taken from this device" if slot.held else "may have been renewed meanwhile"
        return Said(
            tone="warn",
            label="Verified, not activated",
            happened=text(f"The code is good. The license before it {gone}."),
            follows=text("The code does not take over by itself, and nothing of it is spent."),
            to_do=text("Press Activate now if this device shall use it."),
        )
    if not in_force:
        return Said(
            tone="calm",
            label="About to take over",
            happened=text("The code is good, and the license before it has ended."),
            follows=text("It is checked once more and takes over in a moment, by itself."),
            to_do=text("Nothing needs to be done; if you do not want to wait, press Activate now."),
        )
    return Said(
        tone="calm",
        label="Verified, waits in reserve",
        happened=text("The code is good. Adding it has spent nothing, and changes nothing of the current license."),
        follows=text("On {day} it is checked once more, and takes over by itself.", day=takes_over_at),
        to_do=NOTHING_TO_DO,
    )


def _activating(slot: Reserve) -> Said:
    reported = "This device reported that it activated the code while it was away; the report is being checked."
    tried = "The code is being checked and activated."
    return Said(
        tone="calm",
        label="Being activated",
        happened=text(reported if slot.purpose == "offline" else tried),
        follows=text("The result is shown here in a moment."),
        to_do=NOTHING_TO_DO,
    )


def _retrying(slot: Reserve) -> Said:
    again = text("It is tried again at {at}, by itself.", at=slot.retry_at)
    match slot.delay:
        case "purchase_pending":
            happened = (
                "A renewal of the license before was bought, but is not settled; the new code is not spent meanwhile."
            )
        case "renewal_due":
            happened = "The subscription before is about to renew itself; the new code is not spent meanwhile."
        case "no_answer" | None:
            happened = "The activation service has not answered yet."
        case _:
            assert_never(slot.delay)
    return Said(
        tone="warn",
        label="Waits",
        happened=text(happened),
        follows=again,
        to_do=text("Nothing needs to be done; if you do not want to wait, press Activate now."),
    )


def _refused(slot: Reserve, *, in_force: bool) -> Said:
    entry = EXPLAINED_REASONS.get(slot.reason) if slot.reason else None
    meaning = f" {entry.meaning}" if entry else ""
    remedy = f"{entry.what_to_do} " if entry else ""
    again = "when the current license ends" if in_force else "at each attempt"
    return Said(
        tone="warn" if in_force else "bad",
        label="Refused",
        happened=(f"The code was not activated.{meaning}",),
        follows=text(f"Nothing of it is spent, and it stays here. It is checked anew {again}."),
        to_do=(remedy.strip() if in_force and remedy else f"{remedy}Activate now tries it again.",),
    )
