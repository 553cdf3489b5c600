"""Attempts that are not answered, and the throttle of manual attempts."""

from datetime import datetime, timedelta

import pytest

from services.device.decider import DECIDER, POLICY, DeviceEvent, ReserveStatus, decider, may_activate_now, retry_at
from shared.messages import Event
from tests.device.commands import add, click, expiry_timer, retry_timer, says, take_away
from tests.device.histories import (
    ACTIVATING,
    ACTIVE,
    CLICKED,
    CLICKED_TWICE,
    EARLIER,
    HALF_AN_HOUR_LATER,
    NEVER_VERIFIED,
    OVERTAKEN,
    READY,
    REFUSED,
    RETRYING,
    UNANSWERED,
    UNLICENSED,
    VERIFYING,
)
from tests.scenarios import (
    END,
    LATER,
    MILLISECOND,
    NEXT_END,
    ORDER,
    A,
    B,
    C,
    D,
    activated,
    added_at_once,
    adding,
    asked_now,
    decided,
    delayed,
    expired,
    expiry,
    refused,
    rejected,
    renewed,
    retried,
    retry_after,
    scenario,
    state_after,
    verified,
)

MINUTE = timedelta(minutes=1)
PATIENT_UNTIL = END + POLICY.answer_patience
SWITCH = activated(B, at=LATER, ends=NEXT_END, trigger="automatic", request=expiry(), replaced=A)


def reserve_status(history: list[DeviceEvent]) -> ReserveStatus | None:
    reserve = state_after(DECIDER, history).reserve
    return None if reserve is None else reserve.status


def answer_by(events: list[DeviceEvent] | object) -> datetime | None:
    (*_, event) = events  # type: ignore[misc]
    return getattr(event, "answer_by", None)


def test_every_attempt_has_a_deadline_for_its_answer() -> None:
    """R-49."""
    for history, order, at in (
        (READY, expiry_timer(LATER), LATER),
        (READY, take_away(), take_away().at),
        (REFUSED, click(LATER), LATER),
        (RETRYING, retry_timer(LATER), LATER),
        (UNLICENSED, add(B), add(B).at),
    ):
        events = decided(DECIDER, history, order)
        assert answer_by(events) == at + POLICY.answer_patience
    assert answer_by(decided(DECIDER, ACTIVE, add(B))) is None
    assert answer_by(decided(DECIDER, ACTIVE, expiry_timer(END))) is None


def test_the_timer_fires_when_the_answer_is_overdue() -> None:
    """R-49."""
    assert retry_at(state_after(DECIDER, ACTIVATING)) == PATIENT_UNTIL
    scenario(DECIDER, given=ACTIVATING, when=retry_timer(PATIENT_UNTIL - MILLISECOND), then=[])
    silence = delayed(B, until=PATIENT_UNTIL + MINUTE, cause="no_answer")
    scenario(DECIDER, given=ACTIVATING, when=retry_timer(PATIENT_UNTIL), then=[silence])


def test_a_transient_failure_is_no_verdict() -> None:
    """R-49: the reserve stays, and Activate now is offered."""
    state = state_after(DECIDER, UNANSWERED)
    assert state.reserve is not None
    assert (state.reserve.status, state.reserve.reason) == ("retrying", None)
    assert may_activate_now(state, LATER).allowed


def test_an_unanswered_attempt_is_retried_with_backoff() -> None:
    """R-49: the delays grow as in the policy, up to the last one."""
    history: list[DeviceEvent] = list(ACTIVATING)
    at, waits = PATIENT_UNTIL, []
    for _ in range(7):
        (silence,) = decided(DECIDER, history, retry_timer(at))
        due = getattr(silence, "retry_at", at)
        waits.append(due - at)
        scenario(DECIDER, given=[*history, silence], when=retry_timer(due - MILLISECOND), then=[])
        (again,) = decided(DECIDER, [*history, silence], retry_timer(due))
        history += [silence, again]
        at = due + POLICY.answer_patience
    assert waits == [*POLICY.retry_delays, *POLICY.retry_delays[-1:] * 2]


def test_an_answer_ends_the_backoff() -> None:
    """R-49."""
    history: list[DeviceEvent] = [*UNANSWERED, delayed(B, until=LATER), retried(B, after=expiry())]
    state = state_after(DECIDER, history)
    assert state.reserve is not None
    assert state.reserve.unanswered == 0


def test_a_late_success_of_an_earlier_attempt_counts() -> None:
    """R-49, R-36."""
    second: list[DeviceEvent] = [*UNANSWERED, retried(B, after=expiry(), at=HALF_AN_HOUR_LATER)]
    for history in (UNANSWERED, second):
        scenario(DECIDER, given=history, when=says(SWITCH), then=[SWITCH])
        assert reserve_status([*history, SWITCH]) is None


def test_a_late_refusal_of_an_earlier_attempt_does_not() -> None:
    """R-49, R-54b."""
    second: list[DeviceEvent] = [*UNANSWERED, retried(B, after=expiry(), at=HALF_AN_HOUR_LATER)]
    scenario(DECIDER, given=second, when=says(refused(B, "seats_exhausted")), then=[])


def test_a_late_refusal_of_the_last_attempt_is_its_answer() -> None:
    """R-49."""
    event = refused(B, "seats_exhausted")
    scenario(DECIDER, given=UNANSWERED, when=says(event), then=[event])
    assert reserve_status([*UNANSWERED, event]) == "refused"


@pytest.mark.parametrize("history", [ACTIVATING, UNANSWERED, OVERTAKEN])
def test_a_code_that_may_be_the_license_already_is_not_replaced(history: list[DeviceEvent]) -> None:
    """R-20, R-60: it would hold a seat that nobody knows of."""
    scenario(DECIDER, given=history, when=add(C, at=LATER, replace=True), then=[rejected(C, "reserve_exists")])


def test_the_answer_to_an_attempt_that_a_renewal_overtook_is_still_heard() -> None:
    """R-36, R-60."""
    event = refused(B, "stale")
    scenario(DECIDER, given=OVERTAKEN, when=says(event), then=[event])
    state = state_after(DECIDER, [*OVERTAKEN, event])
    assert state.reserve is not None
    assert (state.reserve.status, state.reserve.awaits) == ("ready", False)


def test_a_purchase_that_holds_what_a_renewal_overtook_holds_nothing() -> None:
    """R-70, R-93: the license is in force again, so the next attempt is at its end."""
    state = state_after(DECIDER, [*OVERTAKEN, delayed(B, until=NEXT_END)])
    assert state.reserve is not None
    assert (state.reserve.status, state.reserve.retry_at) == ("ready", None)


def test_a_verdict_on_the_add_does_not_remove_a_code_that_is_being_tried() -> None:
    """R-15, R-17, R-18: it is recorded, and the attempt's own check decides."""
    event = rejected(B, "wrong_region")
    scenario(DECIDER, given=NEVER_VERIFIED, when=says(event), then=[event])
    scenario(DECIDER, given=[*NEVER_VERIFIED, event], when=says(event), then=[])
    assert reserve_status([*NEVER_VERIFIED, event]) == "activating"
    assert reserve_status([*NEVER_VERIFIED, event, SWITCH]) is None
    assert state_after(DECIDER, [*NEVER_VERIFIED, event, refused(B, "wrong_region")]).reserve is None
    assert state_after(DECIDER, [*NEVER_VERIFIED, event, delayed(B, until=LATER)]).reserve is None


def test_a_first_code_that_is_rejected_late_leaves_when_its_last_attempt_is_refused() -> None:
    """R-15, R-49."""
    unanswered = delayed(B, until=LATER, trigger="immediate", request=adding(B), cause="no_answer")
    history: list[DeviceEvent] = [*UNLICENSED, added_at_once(B), unanswered]
    assert reserve_status([*history, rejected(B, "seats_exhausted")]) is None
    again: list[DeviceEvent] = [*history, retried(B, after=adding(B), over=None), rejected(B, "seats_exhausted")]
    assert reserve_status(again) == "activating"
    assert reserve_status([*again, refused(B, "seats_exhausted", request=retry_after(adding(B)))]) is None


def test_a_renewal_rules_out_an_attempt_before_the_new_end() -> None:
    """R-33, R-63: what was put off is put back when the license is renewed."""
    for history in (UNANSWERED, RETRYING):
        state = state_after(DECIDER, [*history, renewed(device=D)])
        assert state.reserve is not None
        assert (state.reserve.status, retry_at(state)) == ("ready", None)


def test_the_first_click_is_free_and_the_next_ones_must_wait() -> None:
    """R-64."""
    scenario(DECIDER, given=REFUSED, when=click(LATER), then=[asked_now(B)])
    scenario(DECIDER, given=CLICKED, when=click(LATER), then=[asked_now(B, again=LATER + timedelta(seconds=10))])
    again_at = LATER + timedelta(seconds=10)
    too_soon = refused(B, "throttled", trigger="manual", request=ORDER, available=again_at)
    scenario(DECIDER, given=CLICKED_TWICE, when=click(again_at - MILLISECOND), then=[too_soon])
    scenario(
        DECIDER, given=CLICKED_TWICE, when=click(again_at), then=[asked_now(B, at=again_at, again=again_at + MINUTE)]
    )


def test_a_throttled_button_says_when_it_is_available_again() -> None:
    """R-64, R-61."""
    answer = may_activate_now(state_after(DECIDER, CLICKED_TWICE), LATER)
    assert answer == (False, "throttled", LATER + timedelta(seconds=10))


def test_an_attempt_of_the_timer_is_not_throttled() -> None:
    """R-64, R-49."""
    waiting: list[DeviceEvent] = [*CLICKED_TWICE[:-1], delayed(B, until=LATER, trigger="manual", request=EARLIER)]
    (event,) = decided(DECIDER, waiting, retry_timer(LATER))
    assert type(event).__name__ == "ActivationRetried"


def test_another_reserve_begins_without_a_throttle() -> None:
    """R-64."""
    events = decided(DECIDER, CLICKED_TWICE, add(C, at=LATER, replace=True))
    state = state_after(DECIDER, [*CLICKED_TWICE, *events])
    assert state.reserve is not None
    assert (state.reserve.code_ref, state.reserve.manual_attempts, state.reserve.again_at) == (C, 0, None)


def test_the_vendor_decides_the_deadline_and_the_delays() -> None:
    """R-54: and each event names the policy it was decided under."""
    hasty = POLICY.model_copy(update={"version": 9, "answer_patience": MINUTE * 3, "manual_delays": (MINUTE * 7,)})
    rules = decider(hasty)
    (event,) = rules.decide(click(LATER), {D: state_after(DECIDER, REFUSED)})
    assert (event.policy_version, getattr(event, "answer_by", None), getattr(event, "again_at", None)) == (
        9,
        LATER + MINUTE * 3,
        LATER + MINUTE * 7,
    )


def test_a_verdict_keeps_the_policy_that_decided_it() -> None:
    """R-54."""
    other = decider(POLICY.model_copy(update={"version": 9}))
    events: list[Event] = list(other.decide(says(verified(B)), {D: state_after(DECIDER, VERIFYING)}))
    assert [event.policy_version for event in events] == [POLICY.version]
    assert [event.policy_version for event in other.decide(expiry_timer(END), {D: state_after(DECIDER, READY)})] == [9]
    assert expired(reserve=B).policy_version == POLICY.version
