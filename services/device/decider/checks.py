"""The device service's own rules, as named values: what it can refuse without asking the activation service.

The checks of a tuple are evaluated in order, and the first broken one is the reason that the user sees.
"""

from datetime import datetime
from typing import Any

from services.device.decider.case import Case, Check, has_current, runs, runs_until
from services.device.decider.commands import (
    AddCode,
    RemoveLicense,
    RemoveReserve,
    ReportExpiry,
    ReportOfflineActivation,
)
from services.device.decider.queries import in_force
from services.device.decider.state import Device
from shared.rules.checks import moment
from shared.rules.dates import lies_ahead


def ends_trial(device: Device, command: AddCode) -> bool:
    """Tell whether the user wants the code now, in place of a running trial (R-26)."""
    trial = device.license is not None and device.license.kind == "trial"
    return command.when == "now" and trial and in_force(device, command.at)


def _throttled_until(case: Case[Any]) -> datetime | None:
    return case.device.throttled_until


def _guesses_too_soon(case: Case[Any]) -> bool:
    until = case.device.throttled_until
    return until is not None and case.asked.at < until


def _wants_it_now(case: Case[AddCode]) -> bool:
    return case.asked.when == "now" and runs(case) and not ends_trial(case.device, case.asked)


def _awaits_answer(case: Case[Any]) -> bool:
    # the code may be the license already: removed from the slot, it would hold a seat that nobody knows of
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


def _is_dated_ahead(case: Case[RemoveLicense]) -> bool:
    removed_at = case.asked.removed_at
    return removed_at is not None and lies_ahead(removed_at, at=case.asked.at, policy=case.policy)


STALE_CLAIM = Check[ReportExpiry](
    reason="stale",
    rule="R-34",
    broken=lambda case: case.asked.ended_at != runs_until(case),
    change=lambda case: f"a claim of the end at {moment(runs_until(case))}",
)
NOT_OVER = Check[ReportExpiry](
    reason="not_expired",
    rule="R-33, R-40",
    broken=runs,
    change=lambda case: f"the same claim at {moment(runs_until(case))} or later",
    passes_at=runs_until,
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
    reason="same_as_current", rule="R-22", broken=has_current, change="another code than that of the license in force"
)
NO_TRIAL = Check[AddCode](
    reason="not_expired",
    rule="R-26",
    broken=_wants_it_now,
    change=lambda case: f"a trial in force, or the same request at {moment(runs_until(case))} or later",
    passes_at=runs_until,
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
DATED_AHEAD = Check[RemoveLicense](
    reason="date_out_of_range",
    rule="R-111, R-131",
    broken=_is_dated_ahead,
    change=lambda case: f"a removal at {moment(case.asked.at)} or earlier",
)
REMOVE_LICENSE: tuple[Check[RemoveLicense], ...] = (NO_LICENSE, REMOVED_BEFORE, DATED_AHEAD, ANSWER_AWAITED)

REPORTED_ALREADY = Check[ReportOfflineActivation](
    reason="already_activated",
    rule="R-57, R-77",
    broken=has_current,
    change="nothing: the code is the license of this device",
)
STILL_RUNS = Check[ReportOfflineActivation](
    reason="not_expired",
    rule="R-41, R-77",
    broken=runs,
    change=lambda case: f"no license in force, as from {moment(runs_until(case))} on",
    passes_at=runs_until,
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
