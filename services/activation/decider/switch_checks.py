"""The checks on the moment of an activation, whatever the code, and which checks apply to each question.

No code replaces a license that is in force or about to be renewed (R-33, R-70).
"""

from datetime import datetime

from services.activation.decider.case import Case, Check, begins_at
from services.activation.decider.checks import AT_ONCE, AT_THE_ADD, AT_THE_SWITCH, TRIAL_NOT_ALLOWED, renews_until
from services.activation.decider.commands import Activate, Question
from shared.rules.checks import moment
from shared.rules.dates import lies_ahead


def _ends_trial(case: Case) -> bool:
    """Tell whether the user wants the code now, in place of a trial (R-26)."""
    return isinstance(case.asked, Activate) and case.asked.ends_trial


def _runs_until(case: Case) -> datetime | None:
    """Return when the current license is over. A code that is added again replaces itself."""
    return None if case.asked.current_ref == case.asked.code_ref else case.current.over_at


def _is_stale(case: Case) -> bool:
    runs_until, assumed = _runs_until(case), case.asked.current_ends_at
    return not _ends_trial(case) and runs_until is not None and assumed is not None and runs_until > assumed


def _runs_on(case: Case) -> bool:
    runs_until = _runs_until(case)
    if runs_until is None or (_ends_trial(case) and case.current.kind == "trial"):
        return False
    return case.asked.at < runs_until


def _held_until(case: Case) -> datetime | None:
    """Return until when an announced purchase holds the switch. It would not lift a block, so it does not hold then."""
    holds = [purchase.hold_until for purchase in case.current.pending if case.asked.at < purchase.hold_until]
    return max(holds) if holds and not case.current.blocked else None


def _renews_until(case: Case) -> datetime | None:
    """Return until when a switch waits for a subscription that renews itself."""
    return None if case.current.blocked else renews_until(case.current, case.policy)


def _is_renewing(case: Case) -> bool:
    until = _renews_until(case)
    return until is not None and case.asked.at < until


def _is_out_of_range(case: Case) -> bool:
    asked = case.asked
    if not isinstance(asked, Activate) or asked.activated_at is None:
        return False
    earliest_at = _earliest(case)
    too_late = lies_ahead(asked.activated_at, at=asked.at, policy=case.policy)
    return too_late or begins_at(case) < earliest_at


def _earliest(case: Case) -> datetime:
    """Return the earliest allowed date of an offline activation: no license may have been running (R-41)."""
    earliest_at = case.asked.at - case.policy.offline_report_max
    return max(earliest_at, _runs_until(case) or earliest_at)


ALREADY_ACTIVATED = Check(
    reason="already_activated",
    rule="R-57, R-60, R-83",
    broken=lambda case: case.asked.device_id in case.code.holders,
    change="nothing: the device has a seat on the code",
)
STALE = Check(
    reason="stale",
    rule="R-34, R-70",
    broken=_is_stale,
    change=lambda case: f"no renewal of the current license, which runs until {moment(_runs_until(case))} now",
)
NOT_EXPIRED = Check(
    reason="not_expired",
    rule="R-26, R-33, R-56",
    broken=_runs_on,
    change=lambda case: f"the same request at {moment(_runs_until(case))} or later",
    passes_at=_runs_until,
)
PURCHASE_PENDING = Check(
    reason="purchase_pending",
    rule="R-70",
    broken=lambda case: _held_until(case) is not None,
    change=lambda case: f"the purchase cancelled, or the same request at {moment(_held_until(case))} or later",
    passes_at=_held_until,
)
RENEWAL_DUE = Check(
    reason="renewal_due",
    rule="R-27, R-70",
    broken=_is_renewing,
    change=lambda case: f"no automatic renewal, or the same request at {moment(_renews_until(case))} or later",
    passes_at=_renews_until,
)
DATE_OUT_OF_RANGE = Check(
    reason="date_out_of_range",
    rule="R-41, R-77, R-131",
    broken=_is_out_of_range,
    change=lambda case: f"an activation between {moment(_earliest(case))} and {moment(case.asked.at)}",
)

_FREE = (STALE, NOT_EXPIRED)
_NOT_HELD = (PURCHASE_PENDING, RENEWAL_DUE)
_IMMEDIATE = (*AT_ONCE, *_FREE)
_IN_PLACE_OF_TRIAL = (*AT_ONCE, TRIAL_NOT_ALLOWED, *_FREE)
_OFFLINE = (ALREADY_ACTIVATED, *_FREE, DATE_OUT_OF_RANGE, *AT_ONCE)
_SWITCH = (ALREADY_ACTIVATED, *_FREE, *_NOT_HELD, *AT_THE_SWITCH)

LEAVES_THE_CODE_GOOD = frozenset({STALE.reason, NOT_EXPIRED.reason})
"""Reasons that do not make a code bad: a good code that cannot be the license at once is kept in reserve."""


def checks_for(asked: Question) -> tuple[Check, ...]:
    """Return the checks that apply to a question, in the order of their evaluation."""
    match asked:
        case Activate(trigger="immediate", ends_trial=True):
            return _IN_PLACE_OF_TRIAL
        case Activate(trigger="immediate"):
            return _IMMEDIATE
        case Activate(trigger="offline"):
            return _OFFLINE  # it has already happened, so an announced purchase cannot hold it
        case Activate():
            return _SWITCH
        case _:
            return AT_THE_ADD
