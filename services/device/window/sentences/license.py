"""The window's texts for the license, in each of its states. Pure texts, no rule."""

from dataclasses import dataclass
from datetime import datetime
from typing import assert_never

from services.device.decider import License, LicenseStatus, Reserve
from services.device.outlook import Outlook
from services.device.window.sentences.message import NOTHING_TO_DO, RENEWAL_DELAY, Message, Tone
from shared.pages.texts import Text, text


@dataclass(frozen=True, slots=True, kw_only=True)
class LicenseState:
    """The part of the API's answer that the texts depend on, and what stands in the way of the code in reserve."""

    status: LicenseStatus
    days_remaining: int
    license: License | None
    reserve: Reserve | None
    works_until: datetime | None
    renewal_expected_by: datetime | None
    renewal_due_until: datetime | None = None
    outlook: Outlook | None = None


def headline(state: LicenseState) -> str:
    """Return the line that the article calls "License: N days remaining" (R-12)."""
    match state.status:
        case "active":
            return f"License: {_days(state.days_remaining)} remaining"
        case "grace" if state.renewal_due_until is not None:
            return "Subscription renewing"
        case "grace" | "expired":
            return "License expired"
        case "blocked":
            return "License blocked"
        case "unlicensed":
            return "No license"
        case _:
            assert_never(state.status)


def _days(count: int) -> str:
    match count:
        case 0:
            return "less than 1 day"
        case 1:
            return "1 day"
        case _:
            return f"{count} days"


def license_message(state: LicenseState) -> Message:
    """Return the message about the license."""
    current = state.license
    if current is None:
        return _unlicensed(state)
    match state.status:
        case "active":
            return _active(state, current)
        case "grace":
            return _grace(state, current)
        case "expired":
            return _expired(state, current)
        case "blocked":
            return _blocked(state, current)
        case "unlicensed":
            return _unlicensed(state)
        case _:
            assert_never(state.status)


def _unlicensed(state: LicenseState) -> Message:
    return Message(
        tone="warn",
        label="No license",
        happened=text("This device has no license."),
        follows=_unless_new_code(state, text("A code you add now is activated right away.")),
        to_do=_or_see_below(state, text("Enter an activation code.")),
    )


def _active(state: LicenseState, current: License) -> Message:
    if current.stops_at is not None:
        return _to_be_stopped(state, current.stops_at)
    if state.renewal_expected_by is not None:
        return Message(
            tone="calm",
            label="Renewal on its way",
            happened=text("A renewal of this license has been bought and is on its way."),
            follows=text(f"It extends this license; the code stays the same. {RENEWAL_DELAY}"),
            to_do=_unless_refused(state, NOTHING_TO_DO),
        )
    if current.auto_renews:
        return Message(
            tone="calm",
            label="Subscription",
            happened=text("This subscription runs until {ends}.", ends=current.ends_at),
            follows=text("It renews automatically before then; the code stays the same."),
            to_do=_unless_refused(state, NOTHING_TO_DO),
        )
    tone: Tone = "calm" if state.outlook is None else "warn"
    return Message(tone=tone, label="Active", happened=text("The license is active."), **_next(state))


def _unless_refused(state: LicenseState, otherwise: Text) -> Text:
    """Return what to do, unless the code in reserve will perhaps be refused (R-141)."""
    return otherwise if state.outlook is None else text("See below what to do about the new code.")


def _next(state: LicenseState) -> dict[str, Text]:
    reserve = state.reserve
    if state.outlook is not None:
        contested = "When it ends, it is not certain that the new code takes over."
        fails = "When it ends, the new code will be refused, as things stand."
        return {
            "follows": text(contested if state.outlook.contenders else fails),
            "to_do": _unless_refused(state, NOTHING_TO_DO),
        }
    if reserve is None:
        return {
            "follows": text("When it ends, no code takes over."),
            "to_do": text("Add a new activation code before then, or buy a renewal, which needs no code."),
        }
    match reserve.status:
        case "ready":
            return {"follows": text("When it ends, the new code takes over automatically."), "to_do": NOTHING_TO_DO}
        case "refused":
            return {
                "follows": text("When it ends, the new code, which was refused before, is checked again."),
                "to_do": text("See the reason below. If you cannot fix it, enter another code."),
            }
        case "verifying" | "activating" | "retrying":
            return {"follows": text("The status of the new code is shown below."), "to_do": NOTHING_TO_DO}
        case _:
            assert_never(reserve.status)


def _to_be_stopped(state: LicenseState, stops_at: datetime) -> Message:
    waiting = state.reserve is not None
    follows = "The new code is then tried automatically." if waiting else "After that, no code takes over."
    return Message(
        tone="bad",
        label="Blocked",
        happened=text("The vendor has blocked the code of this license. It still works until {stops}.", stops=stops_at),
        follows=text(follows),
        to_do=text(f"Ask the vendor's support for the reason{'' if waiting else ', or add another code'}."),
    )


def _grace(state: LicenseState, current: License) -> Message:
    works = text(
        "It ended on {over}. The product still works until {until}.",
        over=current.over_at,
        until=state.works_until,
    )
    if state.renewal_expected_by is not None:
        return Message(
            tone="warn",
            label="Renewal on its way",
            happened=works,
            follows=text(f"A renewal has been bought and is on its way. {RENEWAL_DELAY}"),
            to_do=_unless_refused(state, NOTHING_TO_DO),
        )
    if state.renewal_due_until is not None:
        return Message(
            tone="calm",
            label="Renewal due",
            happened=works,
            follows=text(f"This subscription renews automatically; the code stays the same. {RENEWAL_DELAY}"),
            to_do=text("If it has not renewed by then, check the payment of your subscription."),
        )
    return Message(
        tone="warn",
        label="Grace period",
        happened=works,
        follows=_unless_new_code(state, text("After that it stops. A code you add now is activated right away.")),
        to_do=_or_see_below(state, text("Enter an activation code, or buy a renewal before then.")),
    )


def _expired(state: LicenseState, current: License) -> Message:
    return Message(
        tone="bad",
        label="Expired",
        happened=text("It ended on {over}. Since then this device has had no license.", over=current.over_at),
        follows=_unless_new_code(state, text(f"A code you add now is activated right away. {RENEWAL_DELAY}")),
        to_do=_or_see_below(state, text("Enter an activation code, or buy a renewal.")),
    )


def _blocked(state: LicenseState, current: License) -> Message:
    return Message(
        tone="bad",
        label="Blocked",
        happened=text("The vendor has blocked the code of this license. It ended on {over}.", over=current.over_at),
        follows=_unless_new_code(
            state, text("If the vendor unblocks it before its end date, the license continues automatically.")
        ),
        to_do=_or_see_below(state, text("Ask the vendor's support for the reason, or enter another activation code.")),
    )


def _unless_new_code(state: LicenseState, otherwise: Text) -> Text:
    return otherwise if state.reserve is None else text("What happens next depends on the new activation code.")


def _or_see_below(state: LicenseState, otherwise: Text) -> Text:
    return otherwise if state.reserve is None else text("See below.")
