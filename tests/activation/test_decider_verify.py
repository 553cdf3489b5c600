"""A code is checked when it is added: is it good as a reserve?"""

from datetime import timedelta

import pytest

from services.activation.decider import DECIDER, POLICY, Code, CodeEvent
from services.activation.decider.checks import AT_ONCE, AT_THE_ADD, AT_THE_SWITCH
from tests.scenarios import (
    END,
    MILLISECOND,
    NEXT_END,
    NOON,
    OTHER,
    START,
    A,
    B,
    C,
    activated,
    added,
    announced,
    blocked,
    cancelled,
    decided,
    followed,
    issued,
    on,
    rejected,
    released,
    renewed,
    scenario,
    state_after,
    unblocked,
    verified,
)

MARCH = START
SEPTEMBER = NOON


def test_a_good_code_is_verified_with_its_predicted_end() -> None:
    """R-13: the term starts when the current license ends."""
    scenario(DECIDER, given=[issued(B)], when=on(added(B), NOON), then=[verified(B, ends=NEXT_END)])


def test_without_a_known_end_the_prediction_starts_now() -> None:
    """R-13."""
    next_noon = NOON.replace(year=2027)
    scenario(DECIDER, given=[issued(B)], when=on(added(B, over=None), NOON), then=[verified(B, ends=next_noon)])


def test_verifying_has_no_effect_on_the_code() -> None:
    """R-02, R-14, R-68, R-86."""
    before = state_after(DECIDER, [issued(B)])
    answers: list[CodeEvent] = [verified(B), rejected(B, "wrong_region")]
    assert state_after(DECIDER, [issued(B), *answers]) == before


def test_each_add_is_verified_again() -> None:
    """R-13, R-18."""
    given: list[CodeEvent] = [issued(B), verified(B), blocked(B)]
    scenario(DECIDER, given=given, when=on(added(B), NOON), then=[rejected(B, "code_blocked", asked=NOON)])
    scenario(DECIDER, given=[*given, unblocked(B)], when=on(added(B), NOON), then=[verified(B)])


REJECTIONS: dict[str, list[CodeEvent]] = {
    "unknown_code": [],
    "code_blocked": [issued(B), blocked(B)],
    "wrong_product": [issued(B, product="backup")],
    "wrong_region": [issued(B, regions=("FR", "IT"))],
    "activate_by_passed": [issued(B, activate_by=NOON - MILLISECOND)],
    "term_over": [issued(B), activated(B, at=START, ends=NOON, device=OTHER)],
    "trial_not_allowed": [issued(B, kind="trial")],
    "subscription_not_allowed": [issued(B, kind="subscription")],
    "not_later_than_current": [issued(B), activated(B, at=START, ends=END, device=OTHER)],
    "version_incompatible": [issued(B, version_min="22")],
    "subscription_active": [issued(A, kind="subscription", auto_renews=True), activated(A), issued(B)],
    "already_used_for_renewal": [issued(A), activated(A), followed(A, C), issued(B, kind="renewal")],
    "no_prior_license": [issued(B, kind="renewal")],
}


@pytest.mark.parametrize("reason", REJECTIONS)
def test_a_code_is_rejected_with_its_reason(reason: str) -> None:
    """R-13, R-15, R-19, R-23, R-26, R-27, R-30, R-72, R-79, R-107: guesses are counted by its time."""
    expected = rejected(B, "unknown_code", asked=NOON).but(reason=reason)
    scenario(DECIDER, given=REJECTIONS[reason], when=on(added(B, version="21.3"), NOON), then=[expected])
    given: list[CodeEvent] = [issued(B), expected]
    assert state_after(DECIDER, given) == state_after(DECIDER, given[:1])


def test_the_current_code_is_rejected_as_its_own_reserve() -> None:
    """R-22."""
    same = on(added(B, over=B, ends=None), NOON)
    scenario(DECIDER, given=[issued(B)], when=same, then=[rejected(B, "same_as_current", asked=NOON)])


def test_every_reason_of_the_add_and_of_the_switch_has_its_check() -> None:
    """R-13, R-19, R-45."""
    assert {*REJECTIONS, "same_as_current"} == {check.reason for check in AT_THE_ADD}
    recheck = {check.reason for check in AT_THE_SWITCH}
    assert recheck - {check.reason for check in AT_THE_ADD} == {"seats_exhausted"}
    assert {check.reason for check in AT_ONCE} < recheck
    recheck_of_45 = {"unknown_code", "code_blocked", "term_over", "activate_by_passed", "seats_exhausted"}
    assert recheck_of_45 | {"wrong_product", "version_incompatible", "wrong_region"} < {c.reason for c in AT_ONCE}


@pytest.mark.parametrize(
    "given",
    [
        [issued(B, regions=("DE", "FR"))],
        [issued(B, activate_by=NOON)],
        [issued(B, activate_by=START), activated(B, ends=NEXT_END, device=OTHER)],
        [issued(B), activated(B, ends=END + MILLISECOND, device=OTHER)],
    ],
)
def test_a_code_at_the_edge_of_a_rule_is_good(given: list[CodeEvent]) -> None:
    """R-13, R-23, R-79."""
    (event,) = decided(DECIDER, given, on(added(B), NOON))
    assert type(event).__name__ == "CodeVerified"


def test_the_first_broken_rule_is_the_reason() -> None:
    """R-19: what is wrong with the code comes before what is wrong with the device."""
    given: list[CodeEvent] = [issued(B, product="backup", kind="trial", regions=("FR",)), blocked(B)]
    scenario(DECIDER, given=given, when=on(added(B), NOON), then=[rejected(B, "code_blocked", asked=NOON)])


def test_a_code_whose_seats_are_taken_is_verified_with_a_warning() -> None:
    """R-03, R-86."""
    given: list[CodeEvent] = [issued(B), activated(B, at=NOON, ends=NEXT_END, device=OTHER)]
    (event,) = decided(DECIDER, given, on(added(B, ends=NOON + timedelta(1)), NOON))
    assert "seats_exhausted" in getattr(event, "notices", ())


def test_two_devices_may_hold_the_same_code_in_reserve() -> None:
    """R-03, R-80."""
    given: list[CodeEvent] = [issued(B), verified(B, device=OTHER)]
    scenario(DECIDER, given=given, when=on(added(B), NOON), then=[verified(B)])


def test_a_code_that_is_in_use_since_march_is_predicted_to_end_with_its_own_term() -> None:
    """R-67, R-78."""
    given: list[CodeEvent] = [issued(B, seats=2), activated(B, at=MARCH, ends=END, device=OTHER)]
    scenario(
        DECIDER,
        given=given,
        when=on(added(B, ends=SEPTEMBER + timedelta(days=1)), SEPTEMBER),
        then=[verified(B, ends=END, started=MARCH, notices=("less_than_full_term",))],
    )


def test_a_code_in_use_that_was_renewed_for_more_than_a_term_has_no_warning() -> None:
    """R-78, R-90."""
    far = NEXT_END + timedelta(days=400)
    given: list[CodeEvent] = [issued(B, seats=2), activated(B, device=OTHER), renewed(B, ends=far)]
    scenario(DECIDER, given=given, when=on(added(B), NOON), then=[verified(B, ends=far, started=START)])


def test_a_verdict_names_its_policy() -> None:
    """R-54."""
    (event,) = decided(DECIDER, [issued(B)], on(added(B), NOON))
    assert event.policy_version == POLICY.version


def test_a_redelivered_request_is_decided_as_of_the_time_it_was_recorded() -> None:
    """R-76."""
    given: list[CodeEvent] = [issued(B, activate_by=NOON)]
    assert decided(DECIDER, given, on(added(B), NOON)) == decided(DECIDER, given, on(added(B), NOON))
    assert on(added(B), NOON).at == NOON


def test_the_state_of_a_code_is_stored_without_its_holders_and_in_the_same_bytes() -> None:
    """R-118: the seats have rows of their own."""
    history: list[CodeEvent] = [issued(B, seats=3), activated(B, device=OTHER), activated(B), renewed(B)]
    orders: list[CodeEvent] = [announced(B, until=END, order="4"), announced(B, until=END, order="3")]
    given_up: list[CodeEvent] = [cancelled(B, order="6"), cancelled(B, order="5")]
    one, other = (state_after(DECIDER, [*history, *orders[::way], *given_up[::way]]) for way in (1, -1))
    assert one.to_json() == other.to_json()
    stored = Code.from_json(one.to_json())
    assert (stored.holders, stored.seats_taken) == (frozenset(), 2)
    assert stored.but(holders=one.holders) == one


def test_seats_are_counted_although_only_the_devices_in_question_are_loaded() -> None:
    """R-82, R-84: the shell loads the holders that a command speaks of, never all."""
    crowded = Code(code_ref=B, seats=9, seats_taken=7)
    taken = DECIDER.evolve(crowded, activated(B))
    assert (taken.seats_taken, DECIDER.evolve(taken, activated(B)).seats_taken) == (8, 8)
    assert DECIDER.evolve(taken, released(B)).seats_taken == 7
    assert DECIDER.evolve(crowded, released(B)).seats_taken == 7
