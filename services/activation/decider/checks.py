"""The rules that a code must pass, as named values: the same at the Add and afresh at every attempt (R-18, R-44).

A check answers for one reason only; a tuple of checks is looked at in its order, and the first that is
broken is the reason that the user sees.
"""

from collections.abc import Callable
from dataclasses import dataclass

from services.activation.decider.commands import Question
from services.activation.decider.state import Code
from shared.messages import Reason


@dataclass(frozen=True, slots=True)
class Check:
    """One rule: `broken` tells whether the code fails it for this question, with this `reason`."""

    reason: Reason
    broken: Callable[[Code, Question], bool]


def _is_unknown(code: Code, _asked: Question) -> bool:
    return code.code_ref is None


def _is_blocked(code: Code, _asked: Question) -> bool:
    return code.blocked


def _is_for_another_product(code: Code, asked: Question) -> bool:
    return code.product != asked.product


def _is_for_another_region(code: Code, asked: Question) -> bool:
    return bool(code.regions) and asked.region not in code.regions


def _is_too_late_to_start(code: Code, asked: Question) -> bool:
    return code.started_at is None and code.activate_by is not None and asked.at > code.activate_by


def _has_run_out(code: Code, asked: Question) -> bool:
    return code.ends_at is not None and asked.at >= code.ends_at


def _has_no_seat(code: Code, asked: Question) -> bool:
    return asked.device_id not in code.holders and code.seats_taken >= code.seats


def _is_trial(code: Code, _asked: Question) -> bool:
    return code.kind == "trial"


def _is_subscription(code: Code, _asked: Question) -> bool:
    return code.kind == "subscription"


def _is_current(_code: Code, asked: Question) -> bool:
    return asked.code_ref == asked.current_ref


def _ends_too_soon(code: Code, asked: Question) -> bool:
    if code.ends_at is None or asked.current_ends_at is None:
        return False
    return code.ends_at <= asked.current_ends_at


UNKNOWN_CODE = Check("unknown_code", _is_unknown)
CODE_BLOCKED = Check("code_blocked", _is_blocked)
WRONG_PRODUCT = Check("wrong_product", _is_for_another_product)
WRONG_REGION = Check("wrong_region", _is_for_another_region)
ACTIVATE_BY_PASSED = Check("activate_by_passed", _is_too_late_to_start)
TERM_OVER = Check("term_over", _has_run_out)
SEATS_EXHAUSTED = Check("seats_exhausted", _has_no_seat)
TRIAL_NOT_ALLOWED = Check("trial_not_allowed", _is_trial)
SUBSCRIPTION_NOT_ALLOWED = Check("subscription_not_allowed", _is_subscription)
SAME_AS_CURRENT = Check("same_as_current", _is_current)
NOT_LATER_THAN_CURRENT = Check("not_later_than_current", _ends_too_soon)

GOOD = (UNKNOWN_CODE, CODE_BLOCKED, WRONG_PRODUCT, WRONG_REGION, ACTIVATE_BY_PASSED, TERM_OVER)
"""What every code must be, whenever it is asked about (R-13, R-45)."""

FIT_AS_RESERVE = (TRIAL_NOT_ALLOWED, SUBSCRIPTION_NOT_ALLOWED)
"""The kinds that may wait in reserve (R-26)."""

AT_THE_ADD = (*GOOD, *FIT_AS_RESERVE, SAME_AS_CURRENT, NOT_LATER_THAN_CURRENT)
"""Seats are not asked for: they are counted at the activation (R-03, R-86)."""

AT_THE_SWITCH = (*GOOD, SEATS_EXHAUSTED, *FIT_AS_RESERVE)
"""Also for a code whose Add was never answered: it gets its full check here (R-53)."""

AT_ONCE = (*GOOD, SEATS_EXHAUSTED)
"""For a code that never waits in reserve."""


def first_broken(checks: tuple[Check, ...], code: Code, asked: Question) -> Reason | None:
    """Return the reason of the first check that `code` fails."""
    return next((check.reason for check in checks if check.broken(code, asked)), None)
