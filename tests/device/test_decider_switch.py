"""The license expires, and the reserve takes over, or does not."""

from datetime import datetime, timedelta

import pytest

from services.device.decider import (
    DECIDER,
    POLICY,
    DeviceEvent,
    Expire,
    RecordVerdict,
    ReportExpiry,
    RetryActivation,
    expires_at,
    retry_at,
    status,
)
from tests.device.histories import (
    ACTIVATING,
    ACTIVE,
    EXPIRED,
    HALF_AN_HOUR_LATER,
    NEVER_VERIFIED,
    READY,
    REFUSED,
    RENEWAL_AWAITED,
    RENEWED_REFUSED,
    RETRYING,
    SWITCHED,
    UNLICENSED,
    VERIFYING,
)
from tests.scenarios import (
    END,
    LATER,
    MILLISECOND,
    NEXT_END,
    NOON,
    ORDER,
    A,
    B,
    C,
    D,
    activated,
    added_at_once,
    adding,
    delayed,
    enrolled,
    expired,
    expiry,
    refused,
    rejected,
    released,
    removed,
    renewed,
    retried,
    retry_after,
    scenario,
    state_after,
    verified,
)


def timer(at: datetime) -> Expire:
    return Expire(device_id=D, at=at)


def claim(ended: datetime, *, at: datetime) -> ReportExpiry:
    return ReportExpiry(device_id=D, at=at, request_id=ORDER, ended_at=ended)


def verdict(event: object) -> RecordVerdict:
    return RecordVerdict.model_validate({"device_id": D, "verdict": event, "at": LATER})


SWITCH = activated(B, at=LATER, ends=NEXT_END, trigger="automatic", request=expiry(), replaced=A)


def test_a_reserve_code_takes_over_when_the_license_expires() -> None:
    """R-31, R-39."""
    scenario(DECIDER, given=READY, when=timer(END), then=[expired(reserve=B)])


def test_a_reserve_that_was_never_verified_is_tried_too() -> None:
    """R-31, R-53."""
    scenario(DECIDER, given=VERIFYING, when=timer(END), then=[expired(reserve=B)])


def test_a_refused_reserve_is_tried_again_at_the_next_expiry() -> None:
    """R-31, R-50."""
    scenario(
        DECIDER,
        given=RENEWED_REFUSED,
        when=timer(NEXT_END),
        then=[expired(reserve=B, ended=NEXT_END, generation=2)],
    )


@pytest.mark.parametrize("history", [EXPIRED, ACTIVATING, RETRYING, REFUSED, RENEWAL_AWAITED])
def test_a_license_expires_once(history: list[DeviceEvent]) -> None:
    """R-32."""
    scenario(DECIDER, given=history, when=timer(LATER), then=[])
    scenario(DECIDER, given=history, when=claim(END, at=LATER), then=[])


def test_one_millisecond_before_its_end_a_license_has_not_expired_and_at_its_end_it_has() -> None:
    """R-40."""
    scenario(DECIDER, given=ACTIVE, when=timer(END - MILLISECOND), then=[])
    scenario(DECIDER, given=ACTIVE, when=timer(END), then=[expired()])
    assert status(state_after(DECIDER, ACTIVE), END - MILLISECOND) == "active"
    assert status(state_after(DECIDER, ACTIVE), END) == "expired"


def test_a_timer_that_is_days_late_records_the_true_end() -> None:
    """R-37, R-43."""
    scenario(
        DECIDER, given=READY, when=timer(END + timedelta(days=9)), then=[expired(reserve=B, at=END + timedelta(days=9))]
    )


def test_a_device_without_a_license_does_not_expire() -> None:
    """R-35."""
    scenario(DECIDER, given=UNLICENSED, when=timer(LATER), then=[])
    scenario(DECIDER, given=UNLICENSED, when=claim(END, at=LATER), then=[])


def test_with_an_empty_slot_the_device_is_expired_and_nothing_is_tried() -> None:
    """R-35."""
    scenario(DECIDER, given=ACTIVE, when=timer(END), then=[expired(reserve=None)])


def test_a_reserve_removed_before_the_expiry_is_not_activated_by_it() -> None:
    """R-24, R-35."""
    scenario(DECIDER, given=[*READY, removed(B)], when=timer(END), then=[expired(reserve=None)])


def test_an_expiry_claimed_before_the_end_is_refused() -> None:
    """R-33."""
    scenario(
        DECIDER,
        given=READY,
        when=claim(END, at=NOON),
        then=[refused(B, "not_expired", request=ORDER, available=END)],
    )


def test_an_expiry_claimed_for_an_end_that_a_renewal_has_moved_is_refused() -> None:
    """R-34."""
    scenario(
        DECIDER,
        given=[*READY, renewed(device=D)],
        when=claim(END, at=LATER),
        then=[refused(B, "stale", request=ORDER)],
    )


def test_a_right_claim_is_the_expiry_itself() -> None:
    """R-31, R-39."""
    scenario(DECIDER, given=READY, when=claim(END, at=LATER), then=[expired(reserve=B, at=LATER)])


def test_after_the_switch_the_code_is_current_and_the_slot_is_empty() -> None:
    """R-38, R-41."""
    scenario(DECIDER, given=ACTIVATING, when=verdict(SWITCH), then=[SWITCH])
    after = state_after(DECIDER, [*ACTIVATING, SWITCH])
    assert after.license is not None
    assert (after.license.code_ref, after.license.ends_at, after.license.expired) == (B, NEXT_END, False)
    assert (after.reserve, after.generation) == (None, 2)


def test_the_same_switch_twice_is_one_switch() -> None:
    """R-32, R-116."""
    scenario(DECIDER, given=[*ACTIVATING, SWITCH], when=verdict(SWITCH), then=[])


def test_the_switch_of_an_attempt_that_a_renewal_overtook_is_still_the_truth() -> None:
    """R-36."""
    overtaken = [*ACTIVATING, renewed(device=D)]
    scenario(DECIDER, given=overtaken, when=verdict(SWITCH), then=[SWITCH])
    late, punctual = (state_after(DECIDER, [*way, SWITCH]).license for way in (overtaken, ACTIVATING))
    assert late is not None
    assert late.but(generation=2) == punctual


def test_a_code_that_ends_the_attempt_on_itself_leaves_the_slot() -> None:
    """R-36, R-38: the expired code is added again while its renewal is on the way."""
    again = activated(A, at=LATER, ends=NEXT_END, started=activated(A).started_at)
    history: list[DeviceEvent] = [*EXPIRED, added_at_once(A, over=A), renewed(device=D)]
    scenario(DECIDER, given=history, when=verdict(again), then=[again])
    assert state_after(DECIDER, [*history, again]).reserve is None


def test_an_attempt_on_the_renewed_code_itself_goes_on() -> None:
    """R-36, R-60, R-63: it is neither put back nor started twice."""
    history: list[DeviceEvent] = [*EXPIRED, added_at_once(A, over=A), renewed(device=D)]
    reserve = state_after(DECIDER, history).reserve
    assert reserve is not None
    assert reserve.status == "activating"
    again = expired(ended=NEXT_END, generation=2, reserve=None)
    scenario(DECIDER, given=history, when=timer(NEXT_END), then=[again])


def test_a_code_tried_at_once_waits_in_reserve_when_the_license_was_renewed() -> None:
    """R-63, R-70: it awaits no verdict on its Add, so it is not shown as being verified."""
    history: list[DeviceEvent] = [*EXPIRED, added_at_once(B, over=A), renewed(device=D)]
    reserve = state_after(DECIDER, history).reserve
    assert reserve is not None
    assert reserve.status == "ready"


def test_a_refused_reserve_is_kept_with_its_reason() -> None:
    """R-46, R-51."""
    scenario(
        DECIDER,
        given=ACTIVATING,
        when=verdict(refused(B, "code_blocked")),
        then=[refused(B, "code_blocked")],
    )
    reserve = state_after(DECIDER, REFUSED).reserve
    assert reserve is not None
    assert (reserve.status, reserve.reason) == ("refused", "code_blocked")


@pytest.mark.parametrize("reason", ["stale", "not_expired"])
def test_a_refusal_because_the_license_runs_on_leaves_the_reserve_ready(reason: str) -> None:
    """R-34, R-36, R-93."""
    event = refused(B, "stale").but(reason=reason)
    scenario(DECIDER, given=ACTIVATING, when=verdict(event), then=[event])
    reserve = state_after(DECIDER, [*ACTIVATING, event]).reserve
    assert reserve is not None
    assert (reserve.status, reserve.reason) == ("ready", None)


def test_no_answer_leaves_an_attempt_running_for_ever() -> None:
    """R-57: the device never learned of a seat that it holds, so its user may take the code out again."""
    event = refused(B, "already_activated")
    scenario(DECIDER, given=ACTIVATING, when=verdict(event), then=[event])
    scenario(DECIDER, given=SWITCHED, when=verdict(event), then=[])
    reserve = state_after(DECIDER, [*ACTIVATING, event]).reserve
    assert reserve is not None
    assert reserve.status == "refused"


@pytest.mark.parametrize("history", [READY, REFUSED, SWITCHED])
def test_a_refusal_of_an_attempt_that_is_over_is_not_recorded(history: list[DeviceEvent]) -> None:
    """R-36."""
    scenario(DECIDER, given=history, when=verdict(refused(B, "seats_exhausted")), then=[])


def test_a_refusal_of_another_attempt_is_not_recorded() -> None:
    """R-36, R-54b."""
    scenario(DECIDER, given=ACTIVATING, when=verdict(refused(C, "code_blocked")), then=[])
    scenario(DECIDER, given=ACTIVATING, when=verdict(refused(B, "code_blocked", request=ORDER)), then=[])


def test_a_delayed_activation_is_tried_again_when_it_is_due() -> None:
    """R-49, R-70."""
    event = delayed(B, until=HALF_AN_HOUR_LATER)
    scenario(DECIDER, given=ACTIVATING, when=verdict(event), then=[event])
    retry = RetryActivation(device_id=D, at=HALF_AN_HOUR_LATER)
    scenario(DECIDER, given=RETRYING, when=retry, then=[retried(B, after=expiry(), at=HALF_AN_HOUR_LATER)])


def test_a_delayed_activation_is_not_tried_before_it_is_due_nor_twice() -> None:
    """R-32, R-49."""
    early = RetryActivation(device_id=D, at=HALF_AN_HOUR_LATER - MILLISECOND)
    scenario(DECIDER, given=RETRYING, when=early, then=[])
    again: list[DeviceEvent] = [*RETRYING, retried(B, after=expiry())]
    scenario(DECIDER, given=again, when=RetryActivation(device_id=D, at=LATER), then=[])


def test_each_retry_has_an_id_of_its_own() -> None:
    """R-50."""
    once: list[DeviceEvent] = [*RETRYING, retried(B, after=expiry())]
    twice: list[DeviceEvent] = [*once, delayed(B, until=LATER, trigger="retry", request=retry_after(expiry()))]
    when = RetryActivation(device_id=D, at=LATER)
    scenario(DECIDER, given=twice, when=when, then=[retried(B, after=retry_after(expiry()))])


def test_the_timers_know_when_they_are_due() -> None:
    """R-39, R-49."""
    assert [expires_at(state_after(DECIDER, h)) for h in (UNLICENSED, READY, EXPIRED)] == [None, END, None]
    assert [retry_at(state_after(DECIDER, h)) for h in (ACTIVE, RETRYING)] == [None, HALF_AN_HOUR_LATER]
    tried: list[DeviceEvent] = [*RETRYING, retried(B, after=expiry(), at=HALF_AN_HOUR_LATER)]
    assert retry_at(state_after(DECIDER, tried)) == HALF_AN_HOUR_LATER + POLICY.answer_patience


def test_a_purchase_moves_the_end_and_keeps_the_reserve() -> None:
    """R-90, R-93."""
    scenario(DECIDER, given=READY, when=verdict(renewed()), then=[renewed(device=D)])
    after = state_after(DECIDER, [*READY, renewed(device=D)])
    assert after.license is not None
    assert (after.license.ends_at, after.license.code_ref, after.generation) == (NEXT_END, A, 2)
    waited = state_after(DECIDER, READY).reserve
    assert waited is not None
    assert after.reserve == waited.but(predicted_ends_at=NEXT_END.replace(year=2029))


@pytest.mark.parametrize("history", [ACTIVATING, RETRYING, RENEWAL_AWAITED])
def test_a_purchase_after_the_expiry_puts_the_reserve_back_in_waiting(history: list[DeviceEvent]) -> None:
    """R-36, R-63, R-93."""
    scenario(DECIDER, given=history, when=verdict(renewed()), then=[renewed(device=D)])
    after = state_after(DECIDER, [*history, renewed(device=D)])
    assert after.license is not None
    assert after.reserve is not None
    assert (after.license.expired, after.reserve.status, retry_at(after)) == (False, "ready", None)


def test_a_purchase_does_not_make_a_code_verified() -> None:
    """R-16, R-93."""
    reserve = state_after(DECIDER, [*NEVER_VERIFIED, renewed(device=D)]).reserve
    assert reserve is not None
    assert reserve.status == "verifying"


def test_a_purchase_for_the_old_code_does_not_flip_the_device_back() -> None:
    """R-94."""
    scenario(DECIDER, given=SWITCHED, when=verdict(renewed(A)), then=[])


def test_a_purchase_that_comes_twice_is_one_renewal() -> None:
    """R-95, R-116."""
    scenario(DECIDER, given=[*READY, renewed(device=D)], when=verdict(renewed()), then=[])


def test_a_seat_that_the_switch_freed_takes_nothing_away() -> None:
    """R-36, R-87."""
    scenario(DECIDER, given=ACTIVATING, when=verdict(released(A, "switched")), then=[])
    scenario(DECIDER, given=SWITCHED, when=verdict(released(A, "switched")), then=[])


def test_a_seat_released_remotely_takes_the_license_away() -> None:
    """R-84."""
    scenario(DECIDER, given=ACTIVE, when=verdict(released(A)), then=[released(A)])
    scenario(DECIDER, given=SWITCHED, when=verdict(released(A)), then=[])
    assert status(state_after(DECIDER, [*ACTIVE, released(A)]), NOON) == "unlicensed"


def test_removing_the_current_license_tries_the_reserve() -> None:
    """R-25."""
    scenario(
        DECIDER,
        given=READY,
        when=verdict(released(A)),
        then=[released(A), retried(B, after=adding(B), over=None, prior=A)],
    )


def test_the_renewal_of_a_license_that_was_taken_away_is_not_waited_for() -> None:
    """R-25, R-36: the seat was released while the attempt was under way, and others renewed the code."""
    event = refused(B, "stale")
    scenario(
        DECIDER,
        given=[*ACTIVATING, released(A)],
        when=verdict(event),
        then=[event, retried(B, after=expiry(), over=None, prior=A)],
    )


def test_a_first_code_that_is_refused_leaves_the_slot_empty() -> None:
    """R-04, R-15."""
    history: list[DeviceEvent] = [enrolled(), added_at_once(B)]
    event = rejected(B, "seats_exhausted")
    scenario(DECIDER, given=history, when=verdict(event), then=[event])
    assert state_after(DECIDER, [*history, event]).reserve is None


def test_a_late_verdict_on_the_add_does_not_stop_the_attempt_that_runs() -> None:
    """R-17, R-18."""
    scenario(DECIDER, given=NEVER_VERIFIED, when=verdict(verified(B)), then=[verified(B)])
    reserve = state_after(DECIDER, [*NEVER_VERIFIED, verified(B)]).reserve
    assert reserve is not None
    assert (reserve.status, reserve.predicted_ends_at) == ("activating", NEXT_END)
