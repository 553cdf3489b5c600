"""The window's warnings: a wrong clock, a copied device, a stale display. Pure texts, no rule."""

from datetime import datetime, timedelta

from services.device.window.sentences.message import NOTHING_TO_DO, Message
from shared.pages.texts import text
from shared.reasons import EXPLAINED_REASONS

HOUR_SECONDS = 3_600


def clock_warning(offset_seconds: int) -> Message:
    """Return the warning that the device's clock differs from the server's (R-111)."""
    direction = "ahead" if offset_seconds > 0 else "behind"
    return Message(
        tone="warn",
        happened=text(f"This device's clock is {_length(abs(offset_seconds))} {direction}."),
        follows=text("The license is not affected: everything here uses the server's time."),
        to_do=text("Correct the device's clock."),
    )


def _length(seconds: int) -> str:
    length = timedelta(seconds=seconds)
    for count, unit in ((length.days, "day"), (seconds // HOUR_SECONDS, "hour"), (seconds // 60, "minute")):
        if count:
            return f"{count} {unit}{'' if count == 1 else 's'}"
    return "less than a minute"


def clone_warning() -> Message:
    """Return the warning that two devices may be using the same identity (R-88)."""
    return Message(
        tone="warn",
        happened=text("Another device seems to be using this device's identity."),
        follows=text(
            "Both see the same license. This warning ends with a new token, or when only one of them is left."
        ),
        to_do=text("If this device was copied or restored, ask support for a new token."),
    )


def throttling_warning(until: datetime) -> Message:
    """Return the warning that the device must wait before it may add another code (R-107)."""
    entry = EXPLAINED_REASONS["throttled"]
    return Message(
        tone="warn",
        happened=(entry.meaning,),
        follows=text(
            "It can add the next code on {until}. Only this device must wait; no code is locked.", until=until
        ),
        to_do=text("In the meantime, compare the code with the one you bought."),
    )


def stale_warning(as_of: datetime) -> Message:
    """Return the warning that what is shown is more than a day old (R-100, R-104)."""
    return Message(
        tone="warn",
        happened=text("This page shows the state as of {as_of}, which may have changed since.", as_of=as_of),
        follows=text("The license is not affected: an outdated page decides nothing."),
        to_do=text("Press Check now."),
    )


def unshown_change_message() -> Message:
    """Return the message that the last change is recorded but not shown yet."""
    return Message(
        tone="calm",
        happened=text("A change to this device has been recorded but is not shown here yet."),
        follows=text("It will appear in a moment."),
        to_do=NOTHING_TO_DO,
    )
