"""A code that is added during a trial: it takes over at its end, or now."""

from datetime import timedelta

import pytest

from services.device.decider import DECIDER, Command, CorrectRegion, DeviceEvent, in_force, may_activate_now
from shared.messages import Attempt, InstallationChanged
from tests.device.commands import add, click, expiry_timer, retry_timer, says, take_away, tell
from tests.device.histories import ACTIVE, EXPIRED, READY, SUBSCRIBED, TRIAL, TRIAL_ENDING, TRIAL_READY, UNLICENSED
from tests.scenarios import (
    END,
    LATER,
    NEXT_END,
    NOON,
    ORDER,
    A,
    B,
    C,
    D,
    activated,
    added,
    added_at_once,
    adding,
    decided,
    delayed,
    expired,
    given_back,
    refused,
    rejected,
    removed,
    renewed,
    retried,
    scenario,
    state_after,
)

NOW = added_at_once(B, over=A, at=NOON, ends_trial=True).but(trials_before=1)


def test_a_code_added_during_a_trial_waits_for_its_end_unless_its_user_says_now() -> None:
    """R-26."""
    scenario(DECIDER, given=TRIAL, when=add(B), then=[added(B).but(trials_before=1)])
    scenario(DECIDER, given=TRIAL, when=add(B, when="now"), then=[NOW])


@pytest.mark.parametrize("history", [ACTIVE, SUBSCRIBED])
def test_now_is_only_for_trials(history: list[DeviceEvent]) -> None:
    """R-26."""
    scenario(DECIDER, given=history, when=add(C, when="now"), then=[rejected(C, "not_expired")])


def test_now_is_what_happens_without_a_license_in_force() -> None:
    """R-04, R-26."""
    scenario(DECIDER, given=EXPIRED, when=add(B, at=LATER, when="now"), then=[added_at_once(B, over=A)])


def test_the_trial_stays_in_force_until_the_verdict() -> None:
    """R-26."""
    state = state_after(DECIDER, TRIAL_ENDING)
    assert in_force(state, NOON)
    assert state.reserve is not None
    assert state.reserve.status == "activating"
    assert may_activate_now(state, NOON).reason == "not_expired"


def test_a_refusal_leaves_the_trial_as_it_was() -> None:
    """R-26, R-51."""
    scenario(DECIDER, given=TRIAL_ENDING, when=says(rejected(B, "code_blocked")), then=[rejected(B, "code_blocked")])
    after = state_after(DECIDER, [*TRIAL_ENDING, rejected(B, "code_blocked")])
    assert after == state_after(DECIDER, TRIAL)


def test_the_code_replaces_the_trial() -> None:
    """R-26, R-87."""
    switch = activated(B, at=NOON, ends=NEXT_END, replaced=A)
    scenario(DECIDER, given=TRIAL_ENDING, when=says(switch), then=[switch])
    after = state_after(DECIDER, [*TRIAL_ENDING, switch])
    assert after.license is not None
    assert (after.license.code_ref, after.license.kind, after.reserve) == (B, "paid", None)


def test_a_code_that_waits_for_the_end_of_the_trial_may_be_wanted_now() -> None:
    """R-26."""
    scenario(DECIDER, given=TRIAL_READY, when=add(B, when="now"), then=[removed(B, "replaced"), NOW])
    scenario(DECIDER, given=TRIAL_ENDING, when=add(B, when="now"), then=[])
    scenario(DECIDER, given=READY, when=add(B, when="now"), then=[])


def test_the_slot_must_be_free_for_it() -> None:
    """R-20, R-26."""
    scenario(DECIDER, given=TRIAL_READY, when=add(C, when="now"), then=[rejected(C, "reserve_exists")])
    scenario(
        DECIDER,
        given=TRIAL_READY,
        when=add(C, when="now", replace=True),
        then=[removed(B, "replaced"), added_at_once(C, over=A, at=NOON, ends_trial=True).but(trials_before=1)],
    )


def test_without_an_answer_the_trial_has_yet_to_be_ended() -> None:
    """R-26, R-49."""
    overdue = NOON + timedelta(minutes=1)
    silence = delayed(
        B, until=overdue + timedelta(minutes=1), trigger="immediate", request=adding(B), cause="no_answer"
    )
    scenario(DECIDER, given=TRIAL_ENDING, when=retry_timer(overdue), then=[silence])
    again = retried(B, after=adding(B), at=silence.retry_at, ends_trial=True).but(trials_before=1)
    scenario(DECIDER, given=[*TRIAL_ENDING, silence], when=retry_timer(silence.retry_at), then=[again])


def test_a_trial_that_ends_meanwhile_starts_no_second_attempt() -> None:
    """R-26, R-60."""
    scenario(DECIDER, given=TRIAL_ENDING, when=expiry_timer(END), then=[expired(reserve=None).but(trials_before=1)])


def test_a_trial_that_is_renewed_meanwhile_stops_no_attempt() -> None:
    """R-26."""
    reserve = state_after(DECIDER, [*TRIAL_ENDING, expired(), renewed(device="device-1")]).reserve
    assert reserve is not None
    assert reserve.status == "activating"


# --- how many trials a device has had --------------------------------------------------------------------

HAD_A_TRIAL: list[DeviceEvent] = [*TRIAL, given_back()]
"""A trial was begun and given back at once."""


def trials_told(history: list[DeviceEvent], command: Command) -> list[int]:
    """Return how many trials before the requests for an attempt tell of."""
    return [event.trials_before for event in decided(DECIDER, history, command) if isinstance(event, Attempt)]


def test_every_request_tells_how_many_other_trials_of_the_product_the_device_has_had() -> None:
    """R-136: whatever it removed or had since."""
    bought_since: list[DeviceEvent] = [*HAD_A_TRIAL, added_at_once(B), activated(B, at=NOON, ends=NEXT_END)]
    assert trials_told(UNLICENSED, add(B)) == [0]
    assert trials_told(HAD_A_TRIAL, add(B)) == [1]
    assert trials_told(bought_since, add(C)) == [1]
    assert trials_told(bought_since, take_away()) == [1]
    assert trials_told([*TRIAL, expired()], tell(B, activated=LATER)) == [1]
    assert trials_told(TRIAL_READY, expiry_timer(END)) == [1]
    assert trials_told([*TRIAL_READY, expired(reserve=B), refused(B, "code_blocked")], click(LATER)) == [1]
    moved = CorrectRegion(device_id=D, at=NOON, request_id=ORDER, region="FR")
    assert trials_told(TRIAL_READY, moved) == [1]
    second: list[DeviceEvent] = [*HAD_A_TRIAL, added_at_once(B), activated(B, at=NOON, kind="trial")]
    assert trials_told(second, add(C)) == [2]


def test_the_same_trial_again_is_no_other_one() -> None:
    """R-83, R-136: its end is what it was."""
    again = [*HAD_A_TRIAL, added_at_once(A), activated(A, kind="trial")]
    assert trials_told(HAD_A_TRIAL, add(A)) == [0]
    assert trials_told(again, add(B)) == [1]


def test_a_trial_of_another_product_does_not_count() -> None:
    """R-48, R-136: and one of the product that is back does."""
    other = InstallationChanged(device_id=D, product="backup", region="DE")
    back = InstallationChanged(device_id=D, product="security", region="DE")
    assert trials_told([*HAD_A_TRIAL, other], add(B)) == [0]
    assert trials_told([*HAD_A_TRIAL, other, back], add(B)) == [1]
