"""The window's texts for a code in reserve or being activated, in each of its states. Pure texts, no rule."""

from datetime import datetime
from typing import assert_never

from services.device.decider import Reserve
from services.device.outlook import Outlook
from services.device.window.sentences.message import NOTHING_TO_DO, Message
from shared.pages.texts import text
from shared.reasons import EXPLAINED_REASONS


def reserve_message(slot: Reserve, *, takes_over_at: datetime | None, in_force: bool) -> Message:
    """Return the message about a code in reserve or being activated.

    `takes_over_at`: when it will be tried automatically, if at all. `in_force`: the license before it is still active.
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


def outlook_message(outlook: Outlook) -> Message:
    """Return the message about a code that will be refused at the switch, or perhaps will be (R-141)."""
    if outlook.contenders:
        many, few = f"{outlook.contenders:,}", f"{outlook.seats:,}"
        return Message(
            tone="warn",
            label="Contested",
            happened=text(
                f"The code is valid, but {many} devices want it at the same time, and it has free seats for {few}."
            ),
            follows=text(f"On {{day}} {few} of {many} will get it, whichever come first.", day=outlook.at),
            to_do=text("Remove a license of this code from a device that no longer needs it, or enter another code."),
        )
    return Message(
        tone="bad",
        label="Will be refused",
        happened=(f"The code was valid when it was added. {_obstacle(outlook)}",),
        follows=text("As things stand, it is refused on {day}, and this device then has no license.", day=outlook.at),
        to_do=text(_remedy(outlook)),
    )


def _obstacle(outlook: Outlook) -> str:
    if outlook.reason == "seats_exhausted":
        return "All its seats are taken, or will be taken by devices that come before this one."
    return EXPLAINED_REASONS[outlook.reason].meaning


def _remedy(outlook: Outlook) -> str:
    """Return what to do before the switch; the catalogue's advice is for afterwards where it says to try again."""
    match outlook.reason:
        case "seats_exhausted":
            return "Remove the license from a device that no longer needs it before that day, or enter another code."
        case "version_incompatible":
            return "Install a version that the code supports before that day, or enter another code."
        case reason:
            return EXPLAINED_REASONS[reason].what_to_do


def incoming_message(slot: Reserve, *, takes_over_at: datetime | None, in_force: bool) -> Message:
    """Return the message about a second code: it will replace the one in reserve, or waits behind it."""
    match slot.status:
        case "verifying":
            return Message(
                tone="calm",
                label="Being verified",
                happened=text("This code is being verified."),
                follows=text(
                    "If it is valid, it replaces the earlier code, which is then free again. If not, that one stays."
                ),
                to_do=text("You do not need to do anything. You can close this window and see the result here later."),
            )
        case "ready":
            return Message(
                tone="calm",
                label="Verified, next in line",
                happened=text("This code is valid."),
                follows=text("It waits until the outcome of the earlier code is known."),
                to_do=NOTHING_TO_DO,
            )
        case _:
            return reserve_message(slot, takes_over_at=takes_over_at, in_force=in_force)


def _verifying() -> Message:
    return Message(
        tone="calm",
        label="Being verified",
        happened=text("The code was sent to the activation service for verification."),
        follows=text("The result will be shown here, even if you close this window in the meantime."),
        to_do=NOTHING_TO_DO,
    )


def _ready(slot: Reserve, takes_over_at: datetime | None, *, in_force: bool) -> Message:
    if slot.held or takes_over_at is None:
        previous = "was taken off this device" if slot.held else "may have been renewed in the meantime"
        return Message(
            tone="warn",
            label="Verified, not activated",
            happened=text(f"The code is valid. The license before it {previous}."),
            follows=text("The code does not take over automatically, and it has not been used."),
            to_do=text("To use it on this device, press Activate now."),
        )
    if not in_force:
        return Message(
            tone="calm",
            label="About to take over",
            happened=text("The code is valid, and the license before it has ended."),
            follows=text("It is checked once more and takes over automatically in a moment."),
            to_do=text("You do not need to do anything. If you do not want to wait, press Activate now."),
        )
    return Message(
        tone="calm",
        label="Verified, in reserve",
        happened=text("The code is valid. Adding it did not use it or change the current license."),
        follows=text("On {day} it is checked once more and takes over automatically.", day=takes_over_at),
        to_do=NOTHING_TO_DO,
    )


def _activating(slot: Reserve) -> Message:
    reported = "This device reported that it activated the code while offline; the report is being checked."
    attempted = "The code is being checked and activated."
    return Message(
        tone="calm",
        label="Being activated",
        happened=text(reported if slot.purpose == "offline" else attempted),
        follows=text("The result will be shown here in a moment."),
        to_do=NOTHING_TO_DO,
    )


def _retrying(slot: Reserve) -> Message:
    next_attempt = text("It is tried again automatically on {at}.", at=slot.retry_at)
    match slot.delay:
        case "purchase_pending":
            happened = (
                "A renewal of the previous license was bought but is not paid yet; meanwhile the new code stays unused."
            )
        case "renewal_due":
            happened = "The previous subscription is about to renew; meanwhile the new code stays unused."
        case "no_answer" | None:
            happened = "The activation service has not answered yet."
        case _:
            assert_never(slot.delay)
    return Message(
        tone="warn",
        label="Waiting",
        happened=text(happened),
        follows=next_attempt,
        to_do=text("You do not need to do anything. If you do not want to wait, press Activate now."),
    )


def _refused(slot: Reserve, *, in_force: bool) -> Message:
    entry = EXPLAINED_REASONS.get(slot.reason) if slot.reason else None
    meaning = f" {entry.meaning}" if entry else ""
    remedy = f"{entry.what_to_do} " if entry else ""
    again = "when the current license ends" if in_force else "at each attempt"
    return Message(
        tone="warn" if in_force else "bad",
        label="Refused",
        happened=(f"The code was not activated.{meaning}",),
        follows=text(f"It has not been used and stays here. It is checked again {again}."),
        to_do=(remedy.strip() if in_force and remedy else f"{remedy}To try again, press Activate now.",),
    )
