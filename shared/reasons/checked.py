"""What each check looks at, in words that hold whether it passes or not: what passed is not told as a failure."""

from collections.abc import Mapping

from shared.messages import Hold, Reason

CHECKED: Mapping[Reason | Hold, str] = {
    "malformed": "the form of the code",
    "unknown_code": "whether the code was issued",
    "code_blocked": "whether the code is blocked",
    "wrong_product": "the product",
    "wrong_region": "the region",
    "term_over": "whether the term is over",
    "activate_by_passed": "the activate-by date",
    "seats_exhausted": "a seat on the code",
    "same_as_current": "whether the code is in use here",
    "not_later_than_current": "a later end than that of the license",
    "trial_not_allowed": "whether a trial is allowed",
    "subscription_not_allowed": "whether a subscription may wait",
    "subscription_active": "whether a subscription renews itself",
    "already_used_for_renewal": "whether the prior license was renewed",
    "no_prior_license": "a prior license",
    "version_incompatible": "the product version",
    "reserve_exists": "room for another code",
    "not_expired": "whether a license is in force",
    "stale": "the license as the device knew it",
    "no_reserve": "a code in reserve",
    "already_activated": "an earlier activation",
    "activation_running": "whether an activation is running",
    "not_activated": "whether the code was activated",
    "no_license": "a license",
    "throttled": "the pause between attempts",
    "unknown_order": "the order",
    "refund_exceeds_purchase": "how much was purchased",
    "already_settled": "whether the order is settled",
    "date_out_of_range": "the date",
    "purchase_pending": "whether a purchase is awaited",
    "renewal_due": "whether a renewal is due",
}


def words_of_check(reason: str, *, passed: bool) -> str:
    """Return what a check looked at; if it failed, the reason that it gave. A word of a newer release stays itself."""
    told = CHECKED.get(reason) if passed else None  # type: ignore[call-overload] # any word may come from a service
    return told or reason.replace("_", " ")
