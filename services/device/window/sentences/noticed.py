"""What the window says of what is unusual: the device's clock, a copy of it, an old display. Pure words, no rule."""

from datetime import datetime, timedelta

from services.device.window.sentences.said import NOTHING_TO_DO, Said
from shared.pages.texts import text
from shared.reasons import EXPLAINED_REASONS

HOUR_SECONDS = 3_600


def of_clock(offset_seconds: int) -> Said:
    """Return what is said of a device's clock that deviates from the server's (R-111)."""
    way = "ahead" if offset_seconds > 0 else "behind"
    return Said(
        tone="warn",
        happened=text(f"The clock of this device is {_length(abs(offset_seconds))} {way}."),
        follows=text("It changes nothing of the license: all that is shown here goes by the server's time."),
        to_do=text("Set the clock of this device right."),
    )


def _length(seconds: int) -> str:
    length = timedelta(seconds=seconds)
    for count, unit in ((length.days, "day"), (seconds // HOUR_SECONDS, "hour"), (seconds // 60, "minute")):
        if count:
            return f"{count} {unit}{'' if count == 1 else 's'}"
    return "less than a minute"


def of_clone() -> Said:
    """Return what is said of a device whose identity may be in use twice (R-88)."""
    return Said(
        tone="warn",
        happened=text("Another device seems to use the identity of this one."),
        follows=text("Both are shown the same license until one of them is enrolled anew."),
        to_do=text("If this device was copied or restored, ask support for a new token."),
    )


def of_throttling(until: datetime) -> Said:
    """Return what is said to a device that must wait before it may add another code (R-107)."""
    entry = EXPLAINED_REASONS["throttled"]
    return Said(
        tone="warn",
        happened=(entry.meaning,),
        follows=text("It may add the next code at {until}. Only this device waits; no code is locked.", until=until),
        to_do=text("Meanwhile compare the code with what you bought."),
    )


def of_old(as_of: datetime) -> Said:
    """Return what is said of a display that is older than a day (R-100, R-104)."""
    return Said(
        tone="warn",
        happened=text("What is shown here is of {as_of}, and may have changed since.", as_of=as_of),
        follows=text("The license itself goes on as it was decided; nothing is decided by an old display."),
        to_do=text("Press Check now."),
    )


def of_recorded() -> Said:
    """Return what is said when the last change is recorded, but not shown yet."""
    return Said(
        tone="calm",
        happened=text("A change of this device is recorded, and not shown here yet."),
        follows=text("It will be shown in a moment."),
        to_do=NOTHING_TO_DO,
    )
