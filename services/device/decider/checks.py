"""The device service's own rules as named values: what stands against an order before anybody else is asked.

Each tuple is looked at in its order, and the first check that is broken is the reason that the user sees.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple

from services.device.decider.answers import in_force
from services.device.decider.case import Case, Check
from services.device.decider.commands import (
    AddCode,
    RemoveLicense,
    RemoveReserve,
    ReportExpiry,
    ReportOfflineActivation,
)
from services.device.decider.state import Device
from shared.looking import first_broken, moment
from shared.messages import CodeRef, Reason


@dataclass(frozen=True, slots=True, kw_only=True)
class Click:
    """Somebody would press Activate now, on a page that showed the code `code_ref`, if it showed one (R-61)."""

    at: datetime
    code_ref: CodeRef | None = None


class ActivateNowAnswer(NamedTuple):
    """Whether Activate now is available; if not, why, and from when on it will be."""

    allowed: bool
    reason: Reason | None = None
    available_at: datetime | None = None


def may_activate_now(device: Device, now: datetime, shown: CodeRef | None = None) -> ActivateNowAnswer:
    """Return whether Activate now is available at `now` to a page that showed the code `shown` (R-55)."""
    broken = first_broken(ACTIVATE_NOW, Case(device=device, asked=Click(at=now, code_ref=shown)))
    return ActivateNowAnswer(True) if broken is None else ActivateNowAnswer(False, broken.reason, broken.passes_at)


def ends_trial(device: Device, order: AddCode) -> bool:
    """Whether the user wants the code now, in place of the trial that is in force (R-26)."""
    trial = device.license is not None and device.license.kind == "trial"
    return order.when == "now" and trial and in_force(device, order.at)


def _runs_until(case: Case[Any]) -> datetime | None:
    return None if case.device.license is None else case.device.license.over_at


def _runs(case: Case[Any]) -> bool:
    return in_force(case.device, case.asked.at)


def _has_current(case: Case[Any]) -> bool:
    current = case.device.license
    return _runs(case) and current is not None and current.code_ref == case.asked.code_ref


def _has_switched(case: Case[Click]) -> bool:
    current, device = case.device.license, case.device
    return _has_current(case) or (
        _runs(case) and device.reserve is None and current is not None and current.trigger != "immediate"
    )


def _shows_another(case: Case[Click]) -> bool:
    reserve = case.device.reserve
    # never spend a code that the user did not see
    return reserve is not None and case.asked.code_ref not in (None, reserve.code_ref)


def _is_trying(case: Case[Click]) -> bool:
    return case.device.reserve is not None and case.device.reserve.status == "activating"


def _again_at(case: Case[Click]) -> datetime | None:
    return None if case.device.reserve is None else case.device.reserve.again_at


def _clicks_too_soon(case: Case[Click]) -> bool:
    again_at = _again_at(case)
    return again_at is not None and case.asked.at < again_at


def _throttled_until(case: Case[Any]) -> datetime | None:
    return case.device.throttled_until


def _guesses_too_soon(case: Case[Any]) -> bool:
    until = case.device.throttled_until
    return until is not None and case.asked.at < until


def _wants_it_now(case: Case[AddCode]) -> bool:
    return case.asked.when == "now" and _runs(case) and not ends_trial(case.device, case.asked)


def _awaits_answer(case: Case[Any]) -> bool:
    # the code may be the license already: what leaves the slot would hold a seat that nobody knows of
    return case.device.reserve is not None and case.device.reserve.awaits


def _is_full(case: Case[AddCode]) -> bool:
    reserve = case.device.reserve
    if reserve is None:
        return False
    replaceable = case.asked.replace or reserve.code_ref == case.asked.code_ref
    return reserve.awaits or not replaceable


def _makes_room(case: Case[AddCode]) -> str:
    return "an answer to the attempt that runs" if _awaits_answer(case) else "the same request with `replace`"


def _is_full_of_others(case: Case[ReportOfflineActivation]) -> bool:
    return case.device.incoming is not None


def _has_no_such_license(case: Case[RemoveLicense]) -> bool:
    current = case.device.license
    return current is None or case.asked.code_ref not in (None, current.code_ref)


def _was_removed_before(case: Case[RemoveLicense]) -> bool:
    current, removed_at = case.device.license, case.asked.removed_at
    return current is not None and removed_at is not None and removed_at < current.activated_at


ALREADY_ACTIVATED = Check[Click](
    reason="already_activated",
    rule="R-57",
    broken=_has_switched,
    change="nothing: the code is the license of this device",
)
NO_RESERVE = Check[Click](
    reason="no_reserve", rule="R-58", broken=lambda case: case.device.reserve is None, change="a code in reserve"
)
NOT_EXPIRED = Check[Click](
    reason="not_expired",
    rule="R-56, R-65",
    broken=_runs,
    change=lambda case: f"the same request at {moment(_runs_until(case))} or later",
    passes_at=_runs_until,
)
STALE = Check[Click](
    reason="stale", rule="R-61", broken=_shows_another, change="a page that shows the code that is in reserve by now"
)
ACTIVATION_RUNNING = Check[Click](
    reason="activation_running", rule="R-55, R-60", broken=_is_trying, change="an answer to the attempt that runs"
)
THROTTLED = Check[Click](
    reason="throttled",
    rule="R-64",
    broken=_clicks_too_soon,
    change=lambda case: f"the same request at {moment(_again_at(case))} or later",
    passes_at=_again_at,
)
ACTIVATE_NOW = (ALREADY_ACTIVATED, NO_RESERVE, NOT_EXPIRED, STALE, ACTIVATION_RUNNING, THROTTLED)

STALE_CLAIM = Check[ReportExpiry](
    reason="stale",
    rule="R-34",
    broken=lambda case: case.asked.ended_at != _runs_until(case),
    change=lambda case: f"a claim of the end at {moment(_runs_until(case))}",
)
NOT_OVER = Check[ReportExpiry](
    reason="not_expired",
    rule="R-33, R-40",
    broken=_runs,
    change=lambda case: f"the same claim at {moment(_runs_until(case))} or later",
    passes_at=_runs_until,
)
CLAIM_EXPIRY = (STALE_CLAIM, NOT_OVER)

GUESSES_THROTTLED = Check[Any](
    reason="throttled",
    rule="R-107",
    broken=_guesses_too_soon,
    change=lambda case: f"the same request at {moment(_throttled_until(case))} or later",
    passes_at=_throttled_until,
)
SAME_AS_CURRENT = Check[AddCode](
    reason="same_as_current", rule="R-22", broken=_has_current, change="another code than that of the license in force"
)
NO_TRIAL = Check[AddCode](
    reason="not_expired",
    rule="R-26",
    broken=_wants_it_now,
    change=lambda case: f"a trial in force, or the same request at {moment(_runs_until(case))} or later",
    passes_at=_runs_until,
)
RESERVE_EXISTS = Check[AddCode](reason="reserve_exists", rule="R-20, R-60", broken=_is_full, change=_makes_room)
ADD_CODE: tuple[Check[AddCode], ...] = (GUESSES_THROTTLED, SAME_AS_CURRENT, NO_TRIAL, RESERVE_EXISTS)

ANSWER_AWAITED = Check[Any](
    reason="activation_running", rule="R-24, R-60", broken=_awaits_answer, change="an answer to the attempt that runs"
)
REMOVE_RESERVE: tuple[Check[RemoveReserve], ...] = (ANSWER_AWAITED,)

NO_LICENSE = Check[RemoveLicense](
    reason="no_license", rule="R-25", broken=_has_no_such_license, change="the named license on this device"
)
REMOVED_BEFORE = Check[RemoveLicense](
    reason="date_out_of_range",
    rule="R-114",
    broken=_was_removed_before,
    change="a removal after the license came to this device",
)
REMOVE_LICENSE: tuple[Check[RemoveLicense], ...] = (NO_LICENSE, REMOVED_BEFORE, ANSWER_AWAITED)

REPORTED_ALREADY = Check[ReportOfflineActivation](
    reason="already_activated",
    rule="R-57, R-77",
    broken=_has_current,
    change="nothing: the code is the license of this device",
)
STILL_RUNS = Check[ReportOfflineActivation](
    reason="not_expired",
    rule="R-41, R-77",
    broken=_runs,
    change=lambda case: f"no license in force, as from {moment(_runs_until(case))} on",
    passes_at=_runs_until,
)
SLOTS_FULL = Check[ReportOfflineActivation](
    reason="reserve_exists", rule="R-20, R-77", broken=_is_full_of_others, change="a verdict on the code added last"
)
REPORT_OFFLINE: tuple[Check[ReportOfflineActivation], ...] = (
    GUESSES_THROTTLED,
    REPORTED_ALREADY,
    STILL_RUNS,
    ANSWER_AWAITED,
    SLOTS_FULL,
)
