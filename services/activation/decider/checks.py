"""The rules that a code must pass, as named values: at the Add, and again at every attempt (R-18, R-44).

Each check has one reason. The checks of a tuple are evaluated in order, and the first broken one is the reason that the
user sees. The checks on the moment of a switch are in `switch_checks`, the one on seats in `seats`.
"""

from datetime import datetime

from services.activation.decider.case import Case, Check, begins_at, current_ends_at, is_short, needs_prior, prior_of
from services.activation.decider.seats import SEATS_EXHAUSTED
from services.activation.decider.state import Code
from shared.rules.checks import moment
from shared.rules.policy import Policy
from shared.rules.versions import is_within


def _is_unknown(case: Case) -> bool:
    return case.code.code_ref is None or case.code.vendor != case.asked.vendor


def _is_another_version(case: Case) -> bool:
    return not is_within(case.asked.product_version, case.code.version_min, case.code.version_max)


def _versions(code: Code) -> str:
    bounds = (("from", code.version_min), ("up to", code.version_max))
    return " ".join(f"{word} {version}" for word, version in bounds if version is not None)


def _is_for_another_region(case: Case) -> bool:
    return bool(case.code.regions) and case.asked.region not in case.code.regions


def _is_too_late_to_start(case: Case) -> bool:
    code = case.code
    return code.started_at is None and code.activate_by is not None and begins_at(case) > code.activate_by


def _has_run_out(case: Case) -> bool:
    return case.code.ends_at is not None and case.asked.at >= case.code.ends_at


def _has_had_its_trials(case: Case) -> bool:
    return case.code.kind == "trial" and case.asked.trials_before >= case.policy.trials_max


def _is_trial(case: Case) -> bool:
    return case.code.kind == "trial" and "trial" not in case.policy.reserve_kinds


def _is_subscription(case: Case) -> bool:
    return case.code.kind == "subscription" and "subscription" not in case.policy.reserve_kinds


def _follows_active_subscription(case: Case) -> bool:
    return renews_itself(case.current)


def renews_itself(code: Code) -> bool:
    """Tell whether the code is a subscription that renews itself (R-27)."""
    return code.kind == "subscription" and code.auto_renews


def renews_until(code: Code, policy: Policy) -> datetime | None:
    """Return until when the renewal of a subscription that renews itself is awaited; None for any other (R-135)."""
    return code.ends_at + policy.auto_renewal_hold if renews_itself(code) and code.ends_at is not None else None


def _ends_too_soon(case: Case) -> bool:
    current_ends = current_ends_at(case)
    return case.code.ends_at is not None and current_ends is not None and case.code.ends_at <= current_ends


def _has_no_prior(case: Case) -> bool:
    return needs_prior(case) and not is_short(case) and prior_of(case).code is None


def _prior_is_used(case: Case) -> bool:
    return _has_no_prior(case) and prior_of(case).is_used


UNKNOWN_CODE = Check(
    reason="unknown_code",
    rule="R-13, R-45, R-108",
    broken=_is_unknown,
    change="a code that the vendor of this product issued",
    ends=True,
)
CODE_BLOCKED = Check(
    reason="code_blocked",
    rule="R-13, R-45, R-46",
    broken=lambda case: case.code.blocked,
    change="the code unblocked by its vendor",
)
WRONG_PRODUCT = Check(
    reason="wrong_product",
    rule="R-13, R-45, R-48",
    broken=lambda case: case.code.product != case.asked.product,
    change=lambda case: f"a code for {case.asked.product}; this one is for {case.code.product}",
)
VERSION_INCOMPATIBLE = Check(
    reason="version_incompatible",
    rule="R-45, R-48",
    broken=_is_another_version,
    change=lambda case: f"a product version {_versions(case.code)}; installed is {case.asked.product_version}",
)
WRONG_REGION = Check(
    reason="wrong_region",
    rule="R-13, R-45",
    broken=_is_for_another_region,
    change=lambda case: f"a device in {' or '.join(case.code.regions)}; this one is in {case.asked.region}",
)
ACTIVATE_BY_PASSED = Check(
    reason="activate_by_passed",
    rule="R-45, R-79",
    broken=_is_too_late_to_start,
    change=lambda case: f"a first activation by {moment(case.code.activate_by)}",
)
TERM_OVER = Check(
    reason="term_over",
    rule="R-13, R-45, R-72",
    broken=_has_run_out,
    change=lambda case: f"an activation before {moment(case.code.ends_at)}, or a renewal of the code",
)
TRIALS_HAD = Check(
    reason="trial_not_allowed",
    rule="R-136",
    broken=_has_had_its_trials,
    change=lambda case: (
        f"a code that was bought; this device has had its trials of {case.asked.product} ({case.policy.trials_max})"
    ),
)

SAME_AS_CURRENT = Check(
    reason="same_as_current",
    rule="R-13, R-22",
    broken=lambda case: case.asked.code_ref == case.asked.current_ref,
    change="another code than the one in use",
)
TRIAL_NOT_ALLOWED = Check(
    reason="trial_not_allowed",
    rule="R-13, R-26",
    broken=_is_trial,
    change="a code that was bought; a trial is for a device without a license",
)
SUBSCRIPTION_NOT_ALLOWED = Check(
    reason="subscription_not_allowed",
    rule="R-13, R-26",
    broken=_is_subscription,
    change="a code of another kind, or this one once no license is in force",
)
SUBSCRIPTION_ACTIVE = Check(
    reason="subscription_active",
    rule="R-27",
    broken=_follows_active_subscription,
    change="automatic renewal of the current subscription switched off",
)
NOT_LATER_THAN_CURRENT = Check(
    reason="not_later_than_current",
    rule="R-13, R-23, R-72",
    broken=_ends_too_soon,
    change=lambda case: f"a code that ends after {moment(current_ends_at(case))}",
)
ALREADY_USED_FOR_RENEWAL = Check(
    reason="already_used_for_renewal",
    rule="R-30",
    broken=_prior_is_used,
    change="a prior license that no other renewal code has followed",
)
NO_PRIOR_LICENSE = Check(
    reason="no_prior_license",
    rule="R-30",
    broken=_has_no_prior,
    change=lambda case: (
        "a prior license of the same product"
        + (f", or the shorter term {case.code.short_term} accepted" if case.code.short_term else "")
    ),
)

GOOD = (
    UNKNOWN_CODE,
    CODE_BLOCKED,
    WRONG_PRODUCT,
    VERSION_INCOMPATIBLE,
    WRONG_REGION,
    ACTIVATE_BY_PASSED,
    TERM_OVER,
    TRIALS_HAD,
)
"""What every code must pass, in every question (R-13, R-45)."""

FIT_AS_RESERVE = (TRIAL_NOT_ALLOWED, SUBSCRIPTION_NOT_ALLOWED)
"""Which kinds may wait in reserve (R-26)."""

HAS_PRIOR = (ALREADY_USED_FOR_RENEWAL, NO_PRIOR_LICENSE)
"""What a discounted renewal code needs until its first activation (R-30)."""

AT_THE_ADD = (
    *GOOD,
    SAME_AS_CURRENT,
    *FIT_AS_RESERVE,
    SUBSCRIPTION_ACTIVE,
    NOT_LATER_THAN_CURRENT,
    *HAS_PRIOR,
)
"""Without seats: they are counted at the activation (R-03, R-86)."""

AT_THE_SWITCH = (*GOOD, SEATS_EXHAUSTED, *FIT_AS_RESERVE, *HAS_PRIOR)
"""A code whose Add was never answered gets its full check here too (R-53)."""

AT_ONCE = (*GOOD, SEATS_EXHAUSTED, *HAS_PRIOR)
"""For a code that never waits in reserve."""
