"""What the window says of the license, in each of its states. Pure words, no rule."""

from dataclasses import dataclass
from datetime import datetime
from typing import assert_never

from services.device.decider import License, LicenseStatus, Reserve
from services.device.window.sentences.said import NOTHING_TO_DO, ON_ITS_WAY, Said
from shared.pages.texts import Text, text


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """What the API says of the license, as far as a sentence depends on it."""

    status: LicenseStatus
    days_remaining: int
    license: License | None
    reserve: Reserve | None
    works_until: datetime | None
    renewal_expected_by: datetime | None


def headline(standing: Standing) -> str:
    """Return the line that the article calls "License: N days remaining" (R-12)."""
    match standing.status:
        case "active":
            return f"License: {_days(standing.days_remaining)} remaining"
        case "grace" | "expired":
            return "License expired"
        case "blocked":
            return "License blocked"
        case "unlicensed":
            return "No license"
        case _:
            assert_never(standing.status)


def _days(count: int) -> str:
    match count:
        case 0:
            return "less than 1 day"
        case 1:
            return "1 day"
        case _:
            return f"{count} days"


def of_license(standing: Standing) -> Said:
    """Return what is said of the license."""
    current = standing.license
    if current is None:
        return _unlicensed(standing)
    match standing.status:
        case "active":
            return _active(standing, current)
        case "grace":
            return _grace(standing, current)
        case "expired":
            return _expired(standing, current)
        case "blocked":
            return _blocked(standing, current)
        case "unlicensed":
            return _unlicensed(standing)
        case _:
            assert_never(standing.status)


def _unlicensed(standing: Standing) -> Said:
    return Said(
        tone="warn",
        label="No license",
        happened=text("This device has no license."),
        follows=_then_the_code(standing, text("A code that you add now is activated at once.")),
        to_do=_look_below(standing, text("Enter an activation code.")),
    )


def _active(standing: Standing, current: License) -> Said:
    if current.stops_at is not None:
        return _to_be_stopped(standing, current.stops_at)
    if standing.renewal_expected_by is not None:
        return Said(
            tone="calm",
            label="Renewal on its way",
            happened=text("A renewal of this license was bought. It is on its way."),
            follows=text(f"It prolongs this license; the code does not change. {ON_ITS_WAY}"),
            to_do=NOTHING_TO_DO,
        )
    if current.auto_renews:
        return Said(
            tone="calm",
            label="Subscription",
            happened=text("This subscription is in force until {ends}.", ends=current.ends_at),
            follows=text("It renews itself before that; the code does not change."),
            to_do=NOTHING_TO_DO,
        )
    return Said(tone="calm", label="In force", happened=text("The license is in force."), **_next(standing.reserve))


def _next(reserve: Reserve | None) -> dict[str, Text]:
    if reserve is None:
        return {
            "follows": text("When it ends, nothing takes over."),
            "to_do": text("Add a new activation code before that, or buy a renewal, which needs no code."),
        }
    match reserve.status:
        case "ready":
            return {"follows": text("When it ends, the new code takes over by itself."), "to_do": NOTHING_TO_DO}
        case "refused":
            return {
                "follows": text("When it ends, the new code, which was refused before, is checked again."),
                "to_do": text("Look at the reason below, and enter another code if it will not go away."),
            }
        case "verifying" | "activating" | "retrying":
            return {"follows": text("What becomes of the new code is told below."), "to_do": NOTHING_TO_DO}
        case _:
            assert_never(reserve.status)


def _to_be_stopped(standing: Standing, stops_at: datetime) -> Said:
    waits = standing.reserve is not None
    follows = "The new code is tried then, by itself." if waits else "Nothing takes over then."
    return Said(
        tone="bad",
        label="Blocked",
        happened=text("The vendor has blocked the code of this license. It still works until {stops}.", stops=stops_at),
        follows=text(follows),
        to_do=text("Ask the vendor's support for the reason{or}.", **{"or": "" if waits else ", or add another code"}),
    )


def _grace(standing: Standing, current: License) -> Said:
    works = text(
        "It ended on {over}. The product works until {until}.", over=current.over_at, until=standing.works_until
    )
    if standing.renewal_expected_by is not None:
        return Said(
            tone="warn",
            label="Renewal on its way",
            happened=works,
            follows=text(f"A renewal was bought, and is on its way. {ON_ITS_WAY}"),
            to_do=NOTHING_TO_DO,
        )
    return Said(
        tone="warn",
        label="Grace period",
        happened=works,
        follows=_then_the_code(standing, text("After that it does not. A code that you add now is activated at once.")),
        to_do=_look_below(standing, text("Enter an activation code, or buy a renewal before that day.")),
    )


def _expired(standing: Standing, current: License) -> Said:
    return Said(
        tone="bad",
        label="Expired",
        happened=text("It ended on {over}. Since then this device has no license.", over=current.over_at),
        follows=_then_the_code(standing, text(f"A code that you add now is activated at once. {ON_ITS_WAY}")),
        to_do=_look_below(standing, text("Enter an activation code, or buy a renewal.")),
    )


def _blocked(standing: Standing, current: License) -> Said:
    return Said(
        tone="bad",
        label="Blocked",
        happened=text("The vendor has blocked the code of this license. It stopped on {over}.", over=current.over_at),
        follows=_then_the_code(
            standing, text("If the vendor unblocks it before its end, the license goes on by itself.")
        ),
        to_do=_look_below(standing, text("Ask the vendor's support for the reason, or enter another activation code.")),
    )


def _then_the_code(standing: Standing, otherwise: Text) -> Text:
    return otherwise if standing.reserve is None else text("The new activation code decides what comes next.")


def _look_below(standing: Standing, otherwise: Text) -> Text:
    return otherwise if standing.reserve is None else text("Look at it below.")
