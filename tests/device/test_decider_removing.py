"""A license leaves a device: given back by its user, released remotely, moved to another device."""

from datetime import timedelta

import pytest

from services.device.decider import DECIDER, POLICY, DeviceEvent, may_activate_now, status
from shared.messages import LicenseRemoved
from tests.device.commands import add, click, expiry_timer, retry_timer, says, take_away
from tests.device.histories import (
    ACTIVATING,
    ACTIVE,
    EXPIRED,
    OVERTAKEN,
    READY,
    REFUSED,
    REMOVED,
    REMOVED_ACTIVATING,
    RESERVE_KEPT,
    RETRYING,
    TRIAL_ENDING,
    UNANSWERED,
    UNLICENSED,
    VERIFYING,
)
from tests.scenarios import (
    LATER,
    MILLISECOND,
    NEXT_END,
    NOON,
    ORDER,
    START,
    A,
    B,
    C,
    D,
    activated,
    added_at_once,
    adding,
    asked_now,
    decided,
    given_back,
    refused,
    rejected,
    released,
    retried,
    scenario,
    state_after,
    unremovable,
    verified,
)


def test_a_license_is_given_back() -> None:
    """R-25, R-84."""
    scenario(DECIDER, given=ACTIVE, when=take_away(), then=[given_back()])
    assert status(state_after(DECIDER, REMOVED), NOON) == "unlicensed"


@pytest.mark.parametrize("history", [READY, VERIFYING])
def test_giving_the_license_back_tries_the_reserve(history: list[DeviceEvent]) -> None:
    """R-25."""
    scenario(DECIDER, given=history, when=take_away(), then=[given_back(reserve=B)])
    reserve = state_after(DECIDER, [*history, given_back(reserve=B)]).reserve
    assert reserve is not None
    assert (reserve.status, reserve.attempt_trigger, reserve.attempt_request_id) == ("activating", "removal", ORDER)


def test_a_refused_reserve_is_tried_again_when_the_license_is_given_back() -> None:
    """R-25, R-50."""
    scenario(DECIDER, given=REFUSED, when=take_away(at=LATER), then=[given_back(reserve=B, at=LATER)])


def test_the_license_given_back_stays_the_prior_one_of_the_reserve() -> None:
    """R-30: a discounted renewal that waits follows the license that goes."""
    named: list[DeviceEvent] = [*ACTIVE, *decided(DECIDER, ACTIVE, add(B, prior_ref=C, accepts_short_term=True))]
    (event,) = decided(DECIDER, named, take_away())
    assert isinstance(event, LicenseRemoved)
    assert (event.prior_ref, event.accepts_short_term) == (C, True)
    reserve = state_after(DECIDER, REMOVED_ACTIVATING).reserve
    assert reserve is not None
    assert reserve.prior_ref == A


def test_after_the_license_was_given_back_the_reserve_takes_over() -> None:
    """R-25, R-38."""
    switch = activated(B, at=NOON, ends=NEXT_END, trigger="removal", request=ORDER)
    scenario(DECIDER, given=REMOVED_ACTIVATING, when=says(switch), then=[switch])
    after = state_after(DECIDER, [*REMOVED_ACTIVATING, switch])
    assert after.license is not None
    assert (after.license.code_ref, after.reserve) == (B, None)


def test_there_must_be_a_license_to_be_removed() -> None:
    """R-25."""
    scenario(DECIDER, given=UNLICENSED, when=take_away(), then=[unremovable("no_license")])
    scenario(DECIDER, given=REMOVED, when=take_away(), then=[unremovable("no_license")])
    scenario(DECIDER, given=ACTIVE, when=take_away(code=B), then=[unremovable("no_license", A)])


def test_an_expired_license_can_be_given_back_too() -> None:
    """R-84: its seat is free for another device."""
    scenario(DECIDER, given=EXPIRED, when=take_away(at=LATER), then=[given_back(at=LATER)])


@pytest.mark.parametrize("history", [ACTIVATING, UNANSWERED, OVERTAKEN])
def test_while_an_attempt_is_unanswered_the_license_stays(history: list[DeviceEvent]) -> None:
    """R-25, R-60: the reserve may be the license already; remove and activate at once are decided one by one."""
    scenario(DECIDER, given=history, when=take_away(at=LATER), then=[unremovable("activation_running", A)])


def test_a_trial_that_is_being_replaced_is_not_removed() -> None:
    """R-26, R-60."""
    scenario(DECIDER, given=TRIAL_ENDING, when=take_away(), then=[unremovable("activation_running", A)])


def test_an_expiry_that_is_due_comes_before_the_removal() -> None:
    """R-43: what truly came later is decided later."""
    kinds = [type(event).__name__ for event in decided(DECIDER, ACTIVE, take_away(at=LATER))]
    assert kinds == ["LicenseExpired", "LicenseRemoved"]


def test_an_offline_removal_keeps_its_date() -> None:
    """R-114."""
    away = NOON - timedelta(days=3)
    (event,) = decided(DECIDER, ACTIVE, take_away(code=A, removed=away))
    assert isinstance(event, LicenseRemoved)
    assert (event.removed_at, event.cause) == (away, "deactivated_offline")


def test_a_clock_that_is_a_little_fast_dates_no_removal_in_the_future() -> None:
    """R-111, R-114, R-131."""
    (event,) = decided(DECIDER, ACTIVE, take_away(code=A, removed=NOON + POLICY.clock_tolerance))
    assert isinstance(event, LicenseRemoved)
    assert event.removed_at == NOON


def test_a_removal_that_is_dated_ahead_of_its_time_is_refused() -> None:
    """R-111, R-131."""
    ahead = take_away(code=A, removed=NOON + POLICY.clock_tolerance + MILLISECOND)
    scenario(DECIDER, given=ACTIVE, when=ahead, then=[unremovable("date_out_of_range", A)])


def test_an_old_proof_does_not_remove_the_license_that_came_after() -> None:
    """R-114: the same code came to the device once more."""
    scenario(
        DECIDER,
        given=ACTIVE,
        when=take_away(code=A, removed=START - MILLISECOND),
        then=[unremovable("date_out_of_range", A)],
    )


def test_the_release_of_the_seat_that_was_given_back_is_not_news() -> None:
    """R-36, R-84: the device gave it back itself; a code added since is not taken away."""
    echo = says(released(A, "removed"))
    again: list[DeviceEvent] = [*REMOVED, added_at_once(A), activated(A, at=NOON)]
    scenario(DECIDER, given=REMOVED, when=echo, then=[])
    scenario(DECIDER, given=again, when=echo, then=[])


def test_a_seat_is_moved_by_releasing_it_here_and_adding_the_code_there() -> None:
    """R-84: a transfer is a removal and an Add on another device."""
    scenario(DECIDER, given=ACTIVE, when=says(released(A)), then=[released(A)])
    there = add(A).model_copy(update={"device_id": "device-2"})
    states = {D: state_after(DECIDER, [*ACTIVE, released(A)]), "device-2": state_after(DECIDER, UNLICENSED)}
    (event,) = DECIDER.decide(there, states)
    assert (event.device_id, getattr(event, "purpose", None)) == ("device-2", "immediate")


def test_a_refused_or_delayed_reserve_is_tried_when_the_license_is_taken_away() -> None:
    """R-25, R-50, R-84."""
    for history in (REFUSED, RETRYING):
        event = says(released(A))
        (fact, attempt) = decided(DECIDER, history, event)
        assert (fact, type(attempt).__name__) == (released(A), "ActivationRetried")


def test_a_release_that_keeps_the_reserve_tries_nothing_automatically() -> None:
    """R-25, R-84: the device is lost, and no code shall be spent on it."""
    kept = released(A, keeps_reserve=True)
    scenario(DECIDER, given=READY, when=says(kept), then=[kept])
    after = state_after(DECIDER, RESERVE_KEPT)
    assert after.reserve is not None
    assert (status(after, NOON), after.reserve.status) == ("unlicensed", "ready")
    for timer in (expiry_timer(LATER), retry_timer(LATER)):
        scenario(DECIDER, given=RESERVE_KEPT, when=timer, then=[])


def test_a_kept_reserve_is_tried_only_by_its_user() -> None:
    """R-25, R-55."""
    assert may_activate_now(state_after(DECIDER, RESERVE_KEPT), NOON).allowed
    asked = asked_now(B, over=None, at=NOON).but(prior_ref=A)
    scenario(DECIDER, given=RESERVE_KEPT, when=click(NOON), then=[asked])


def test_a_kept_reserve_that_was_never_verified_is_not_tried_by_its_verdict() -> None:
    """R-25."""
    kept = released(A, keeps_reserve=True)
    scenario(DECIDER, given=[*VERIFYING, kept], when=says(verified(B)), then=[verified(B)])
    scenario(
        DECIDER,
        given=[*VERIFYING, released(A)],
        when=says(verified(B)),
        then=[verified(B), retried(B, after=adding(B), over=None, prior=A)],
    )


def test_a_kept_reserve_no_longer_waits_for_a_purchase() -> None:
    """R-25, R-49."""
    after = state_after(DECIDER, [*RETRYING, released(A, keeps_reserve=True)])
    assert after.reserve is not None
    assert (after.reserve.status, after.reserve.retry_at) == ("ready", None)


def test_a_rejected_code_leaves_a_removed_device_empty() -> None:
    """R-15, R-25: the Add was refused while the attempt ran, and so is the attempt."""
    history: list[DeviceEvent] = [*VERIFYING, given_back(reserve=B), rejected(B, "wrong_region")]
    assert state_after(DECIDER, history).reserve is not None
    assert (
        state_after(DECIDER, [*history, refused(B, "wrong_region", trigger="removal", request=ORDER)]).reserve is None
    )
