"""Trials, subscriptions, discounted renewals, and codes for certain versions or vendors only."""

from datetime import datetime, timedelta
from typing import Any

import pytest

from services.activation.decider import DECIDER, POLICY, CodeEvent, SetAutoRenewal, decide, decider
from shared.messages import ActivationRefused, CodeRejected, LicenseActivated
from shared.rules.decider import Refused
from tests.activation.questions import add, add_at_once, done_offline
from tests.scenarios import (
    END,
    LATER,
    MILLISECOND,
    NEXT_END,
    NOON,
    OTHER,
    A,
    B,
    C,
    D,
    activated,
    adding,
    decided,
    delayed,
    expired,
    expiry,
    followed,
    issued,
    on,
    refused,
    rejected,
    released,
    renewed,
    renews_itself,
    retried,
    retry_after,
    scenario,
    state_after,
    verified,
)

TRIAL: list[CodeEvent] = [issued(A, kind="trial"), activated(A, kind="trial")]
SUBSCRIPTION: list[CodeEvent] = [
    issued(A, kind="subscription", auto_renews=True),
    activated(A, kind="subscription", auto_renews=True),
]
PAID: list[CodeEvent] = [issued(A), activated(A)]
AGAINST_A_TRIAL = add_at_once(at=NOON, ends_trial=True)

# --- trials --------------------------------------------------------------------------------------------


def test_a_paid_code_added_during_a_trial_waits_for_its_end_by_default() -> None:
    """R-26."""
    scenario(DECIDER, given=[*TRIAL, issued(B)], when=add(), then=[verified(B)])


def test_a_paid_code_replaces_a_trial_at_once_if_the_user_wants_it() -> None:
    """R-26, R-87: nothing of the trial is carried over (R-41)."""
    now = activated(B, at=NOON, ends=NOON.replace(year=2027), replaced=A)
    scenario(DECIDER, given=[*TRIAL, issued(B)], when=AGAINST_A_TRIAL, then=[now, released(A, "switched")])


@pytest.mark.parametrize("current", [PAID, SUBSCRIPTION])
def test_nothing_but_a_trial_is_ended_before_its_time(current: list[CodeEvent]) -> None:
    """R-26, R-33: whatever the device believes of its license."""
    early = refused(B, "not_expired", trigger="immediate", request=adding(B), available=END)
    scenario(DECIDER, given=[*current, issued(B)], when=AGAINST_A_TRIAL, then=[early])


def test_a_refusal_leaves_the_trial_as_it_is() -> None:
    """R-26, R-51."""
    blocked_region: list[CodeEvent] = [*TRIAL, issued(B, regions=("FR",))]
    scenario(DECIDER, given=blocked_region, when=AGAINST_A_TRIAL, then=[rejected(B, "wrong_region", asked=NOON)])


def test_a_trial_does_not_follow_a_trial() -> None:
    """R-26: neither in reserve nor in its place."""
    given: list[CodeEvent] = [*TRIAL, issued(B, kind="trial")]
    for when in (add(), AGAINST_A_TRIAL):
        scenario(DECIDER, given=given, when=when, then=[rejected(B, "trial_not_allowed", asked=NOON)])


def test_a_device_gets_one_trial_of_a_product() -> None:
    """R-136: by an Add, an attempt or a report of what it did offline; a paid code is not meant."""
    trial, paid = [*PAID, issued(B, kind="trial")], [*PAID, issued(B)]
    at_once = add_at_once(trials_before=1)
    scenario(DECIDER, given=trial, when=at_once, then=[rejected(B, "trial_not_allowed", asked=LATER)])
    for when in (
        on(done_offline(activated=END, trials_before=1), LATER),
        on(retried(B, after=expiry()).but(trials_before=1), LATER),
    ):
        (event,) = decided(DECIDER, trial, when)
        assert isinstance(event, ActivationRefused)
        assert event.reason == "trial_not_allowed"
    for given, when in ((trial, add_at_once()), (paid, at_once)):
        assert isinstance(decided(DECIDER, given, when)[0], LicenseActivated)


def test_the_policy_says_how_many_trials_a_device_gets() -> None:
    """R-136."""
    for trials_max in (0, 1, 3):
        ours = decider(POLICY.model_copy(update={"version": 7, "trials_max": trials_max}))
        for trials_before in range(5):
            when = add_at_once(trials_before=trials_before)
            (event, *_) = decided(ours, [*PAID, issued(B, kind="trial")], when)
            assert isinstance(event, LicenseActivated) is (trials_before < trials_max)


def test_what_would_help_a_device_that_had_its_trials_is_told() -> None:
    """R-54, R-136."""
    (event,) = decided(DECIDER, [*PAID, issued(B, kind="trial")], add_at_once(trials_before=1))
    assert isinstance(event, CodeRejected)
    (finding,) = [each for each in event.findings if not each.passed]
    assert (finding.rule, finding.change) == (
        "R-136",
        "a code that was bought; this device has had its trials of security (1)",
    )


def test_the_vendor_decides_which_kinds_may_wait_in_reserve() -> None:
    """R-26."""
    generous = decider(POLICY.model_copy(update={"version": 7, "reserve_kinds": ("paid", "trial", "subscription")}))
    for kind in ("trial", "subscription"):
        (event,) = decided(generous, [*PAID, issued(B, kind=kind)], add())
        assert event == verified(B, kind=kind).but(policy_version=7)


# --- subscriptions ---------------------------------------------------------------------------------------


def test_no_reserve_is_accepted_while_a_subscription_renews_itself() -> None:
    """R-27."""
    given: list[CodeEvent] = [*SUBSCRIPTION, issued(B)]
    scenario(DECIDER, given=given, when=add(), then=[rejected(B, "subscription_active", asked=NOON)])
    scenario(DECIDER, given=[*given, renews_itself(A, on=False)], when=add(), then=[verified(B)])


def set_auto_renewal(*, on: bool, at: datetime = NOON) -> SetAutoRenewal:
    return SetAutoRenewal(code_ref=A, at=at, auto_renews=on)


def test_automatic_renewal_is_switched_off_and_on_once() -> None:
    """R-27."""
    off, on_again = renews_itself(A, on=False), renews_itself(A, on=True)
    scenario(DECIDER, given=SUBSCRIPTION, when=set_auto_renewal(on=False), then=[off])
    scenario(DECIDER, given=[*SUBSCRIPTION, off], when=set_auto_renewal(on=False), then=[])
    scenario(DECIDER, given=[*SUBSCRIPTION, off], when=set_auto_renewal(on=True), then=[on_again])
    scenario(DECIDER, given=[*SUBSCRIPTION, off, on_again], when=set_auto_renewal(on=True), then=[])


def test_only_a_subscription_renews_itself() -> None:
    """R-27."""
    with pytest.raises(Refused) as refusal:
        decided(DECIDER, PAID, set_auto_renewal(on=True))
    assert refusal.value.code == "not_a_subscription"


def test_a_switch_waits_for_a_time_for_a_subscription_that_renews_itself() -> None:
    """R-27, R-70: the payment of the new term is on its way."""
    given: list[CodeEvent] = [*SUBSCRIPTION, issued(B)]
    until = END + POLICY.auto_renewal_hold
    waits = delayed(B, until=until, cause="renewal_due")
    scenario(DECIDER, given=given, when=on(expired(reserve=B), END), then=[waits])
    retry = retried(B, after=expiry())
    again = delayed(B, until=until, cause="renewal_due", trigger="retry", request=retry_after(expiry()))
    scenario(DECIDER, given=given, when=on(retry, until - MILLISECOND), then=[again])
    (license_, seat) = decided(DECIDER, given, on(retry, until))
    assert (license_.code_ref, seat) == (B, released(A, "switched"))


def test_a_subscription_that_was_renewed_meanwhile_keeps_the_reserve_unused() -> None:
    """R-27, R-34."""
    given: list[CodeEvent] = [*SUBSCRIPTION, issued(B), renewed(A)]
    scenario(DECIDER, given=given, when=on(expired(reserve=B), LATER), then=[refused(B, "stale")])


def test_a_subscription_that_does_not_renew_itself_is_followed_at_its_end() -> None:
    """R-27, R-31."""
    given: list[CodeEvent] = [*SUBSCRIPTION, renews_itself(A, on=False), issued(B)]
    (license_, _) = decided(DECIDER, given, on(expired(reserve=B), END))
    assert isinstance(license_, LicenseActivated)


# --- discounted renewals ---------------------------------------------------------------------------------

DISCOUNTED = issued(B, kind="renewal", seats=2)
SHORTER = issued(B, kind="renewal", short_term="P6M")
PRIOR_ENDS = NOON - timedelta(days=40)


def test_a_discounted_code_follows_the_current_license() -> None:
    """R-30."""
    given: list[CodeEvent] = [*PAID, DISCOUNTED]
    scenario(DECIDER, given=given, when=add(), then=[verified(B, kind="renewal")])
    then = activated(
        B, at=END, ends=NEXT_END, trigger="automatic", request=expiry(), replaced=A, kind="renewal", prior_ref=A
    )
    scenario(
        DECIDER,
        given=given,
        when=on(expired(reserve=B), END),
        then=[then, released(A, "switched"), followed(A, B)],
    )


def test_without_a_license_the_user_may_name_the_prior_one() -> None:
    """R-30."""
    prior: list[CodeEvent] = [issued(C), activated(C, ends=PRIOR_ENDS), DISCOUNTED]
    then = activated(B, at=NOON, ends=NOON.replace(year=2027), kind="renewal", prior_ref=C)
    named = add_at_once(at=NOON, over=None, prior_ref=C)
    scenario(DECIDER, given=prior, when=named, then=[then, followed(C, B)])
    scenario(
        DECIDER,
        given=prior,
        when=add_at_once(at=NOON, over=None),
        then=[rejected(B, "no_prior_license", asked=NOON)],
    )


NO_PRIORS: dict[str, list[CodeEvent]] = {
    "never issued": [],
    "never started": [issued(C)],
    "of another product": [issued(C, product="backup"), activated(C)],
    "of another vendor": [issued(C, vendor="rival"), activated(C)],
}


@pytest.mark.parametrize("prior", NO_PRIORS.values(), ids=list(NO_PRIORS))
def test_what_does_not_count_as_a_prior_license(prior: list[CodeEvent]) -> None:
    """R-30, R-108."""
    given: list[CodeEvent] = [*prior, DISCOUNTED]
    no = rejected(B, "no_prior_license", asked=NOON)
    scenario(DECIDER, given=given, when=add(over=None, prior_ref=C), then=[no])
    scenario(DECIDER, given=given, when=add_at_once(at=NOON, over=None, prior_ref=C), then=[no])


def test_a_code_is_not_its_own_prior_license() -> None:
    """R-30."""
    scenario(
        DECIDER,
        given=[DISCOUNTED],
        when=add_at_once(at=NOON, over=None, prior_ref=B),
        then=[rejected(B, "no_prior_license", asked=NOON)],
    )


def test_a_license_is_the_prior_one_of_only_one_renewal() -> None:
    """R-30."""
    used: list[CodeEvent] = [*PAID, DISCOUNTED, followed(A, C)]
    scenario(DECIDER, given=used, when=add(), then=[rejected(B, "already_used_for_renewal", asked=NOON)])
    at_the_switch = refused(B, "already_used_for_renewal")
    scenario(DECIDER, given=used, when=on(expired(reserve=B), END), then=[at_the_switch])
    same: list[CodeEvent] = [*PAID, DISCOUNTED, followed(A, B)]
    scenario(DECIDER, given=same, when=add(), then=[verified(B, kind="renewal")])


def test_a_named_prior_license_helps_if_the_current_one_is_used() -> None:
    """R-30."""
    given: list[CodeEvent] = [*PAID, followed(A, "d" * 32), DISCOUNTED, issued(C), activated(C, ends=PRIOR_ENDS)]
    scenario(DECIDER, given=given, when=add(prior_ref=C), then=[verified(B, kind="renewal")])


def test_without_a_prior_license_the_shorter_term_may_be_accepted() -> None:
    """R-30: with a notice at the Add, and less time afterwards."""
    wishes: dict[str, Any] = {"over": None, "accepts_short_term": True}
    half_a_year = datetime.fromisoformat("2027-03-01T12:00:00Z")
    told = verified(B, ends=half_a_year, notices=("shorter_term",), term="P6M", kind="renewal")
    scenario(DECIDER, given=[SHORTER], when=add(**wishes), then=[told])
    started = activated(B, at=NOON, ends=half_a_year, kind="renewal")
    scenario(DECIDER, given=[SHORTER], when=add_at_once(at=NOON, **wishes), then=[started])


def test_a_prior_license_gives_the_full_term_even_if_less_was_accepted() -> None:
    """R-30."""
    scenario(DECIDER, given=[*PAID, SHORTER], when=add(accepts_short_term=True), then=[verified(B, kind="renewal")])


def test_a_shorter_term_is_neither_given_unasked_nor_where_there_is_none() -> None:
    """R-30."""
    no = rejected(B, "no_prior_license", asked=NOON)
    scenario(DECIDER, given=[SHORTER], when=add(over=None), then=[no])
    scenario(DECIDER, given=[DISCOUNTED], when=add(over=None, accepts_short_term=True), then=[no])


def test_a_discounted_code_needs_a_prior_license_only_at_its_first_activation() -> None:
    """R-30, R-66, R-67."""
    started: list[CodeEvent] = [DISCOUNTED, activated(B, at=NOON, ends=END, device=OTHER, kind="renewal")]
    second = add_at_once(at=LATER - timedelta(days=30), over=None)
    (license_,) = decided(DECIDER, started, second)
    assert isinstance(license_, LicenseActivated)
    assert (license_.started_at, license_.ends_at, license_.prior_ref) == (NOON, END, None)


def test_a_prior_license_that_was_used_is_kept_in_the_state_of_its_own_code() -> None:
    """R-30, R-126: so that two concurrent renewals are decided one after the other."""
    assert state_after(DECIDER, [*PAID, followed(A, B)]).renewed_by == B


# --- versions and vendors --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("installed", "lowest", "highest", "fits"),
    [
        (None, "21", "22", True),
        ("21.3", None, None, True),
        ("21.3", "21.3", "21.3", True),
        ("21.3.1", "21.3", "21.4", True),
        ("21.10", "21.9", None, True),
        ("21", "21.0", "21.0.0", True),
        ("21.0", None, "21", True),
        ("20.9", "21", None, False),
        ("21.3.1", None, "21.3", False),
        ("100", None, "99.9.9.9", False),
        ("21.2", "21.2.0.1", None, False),
    ],
)
def test_a_code_fits_the_versions_it_was_issued_for(
    installed: str | None, lowest: str | None, highest: str | None, fits: bool
) -> None:
    """R-45, R-48: at the Add, at the switch and at once; a version that is not reported is never a reason."""
    given: list[CodeEvent] = [*PAID, issued(B, version_min=lowest, version_max=highest)]
    late = expired(reserve=B).but(product_version=installed)
    for command in (
        add(product_version=installed),
        on(late, LATER),
        add_at_once(product_version=installed),
    ):
        event = decided(DECIDER, given, command)[0]
        assert getattr(event, "reason", None) == (None if fits else "version_incompatible")


def test_an_update_between_the_add_and_the_switch_is_found_at_the_switch() -> None:
    """R-18, R-48, R-51."""
    given: list[CodeEvent] = [*PAID, issued(B, version_max="21.9"), verified(B)]
    updated = expired(reserve=B).but(product_version="22.0")
    scenario(DECIDER, given=given, when=on(updated, END), then=[refused(B, "version_incompatible")])


def test_one_vendor_learns_nothing_of_the_codes_of_another() -> None:
    """R-108: whatever else is wrong or right with the code, and though it is the same product."""
    foreign: list[CodeEvent] = [*PAID, issued(B, product="backup", regions=("FR",), kind="trial")]
    unknown = rejected(B, "unknown_code", asked=NOON)
    scenario(DECIDER, given=foreign, when=add(vendor="rival"), then=[unknown])
    for at_hand in ([*PAID], [*PAID, issued(B)]):
        scenario(DECIDER, given=at_hand, when=add(vendor="rival"), then=[unknown])
    there: list[CodeEvent] = [*PAID, issued(B, vendor="rival")]
    scenario(DECIDER, given=there, when=add(), then=[unknown])
    scenario(DECIDER, given=there, when=add(vendor="rival"), then=[verified(B)])


def test_a_code_of_another_vendor_is_unknown_at_the_switch_too() -> None:
    """R-108."""
    given: list[CodeEvent] = [*PAID, issued(B, vendor="rival")]
    scenario(DECIDER, given=given, when=on(expired(reserve=B), END), then=[refused(B, "unknown_code")])
    unknown = rejected(B, "unknown_code", asked=LATER)
    scenario(DECIDER, given=given, when=add_at_once(), then=[unknown])


# --- what a license tells --------------------------------------------------------------------------------


def test_a_license_carries_what_the_device_must_know_of_its_code() -> None:
    """R-26, R-27, R-28, R-65."""
    what: dict[str, Any] = {"edition": "plus", "features": ("backup", "vpn"), "grace_days": 5, "kind": "subscription"}
    given: list[CodeEvent] = [issued(B, **what, auto_renews=True)]
    (license_,) = decided(DECIDER, given, add_at_once(at=END, over=None))
    assert license_ == activated(B, at=END, ends=NEXT_END, **what, auto_renews=True)


def test_each_decision_names_its_policy() -> None:
    """R-54: one place stamps it, whatever is decided."""
    strict = POLICY.model_copy(update={"version": 12})
    states = {A: state_after(DECIDER, PAID), B: state_after(DECIDER, [issued(B)])}
    events = decide(on(expired(reserve=B), END), states, strict)
    assert [event.policy_version for event in events] == [12, 12]
    assert decider(strict).decide(add(), states)[0].policy_version == 12
    assert {event.policy_version for event in DECIDER.decide(add(device=D), states)} == {POLICY.version}
