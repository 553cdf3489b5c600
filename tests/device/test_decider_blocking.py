"""Blocks with notice, grace, announced purchases, refunds: when a license is over, and what is shown."""

from datetime import timedelta
from typing import Any

import pytest

from services.device.decider import (
    DECIDER,
    POLICY,
    Device,
    DeviceEvent,
    days_remaining,
    expires_at,
    in_force,
    may_activate_now,
    renewal_announced,
    renewal_due,
    status,
    stops_at,
    takes_over_at,
    works_until,
)
from shared.messages import HoldersEvent
from tests.device.commands import add, click, expiry_timer, says
from tests.device.histories import (
    ACTIVATING,
    ACTIVE,
    AFTER_THE_STOP,
    ANNOUNCED,
    BLOCKED,
    EXPIRED,
    HELD,
    HELD_UNTIL,
    NO_LONGER_RENEWS,
    READY,
    REMOVED,
    RENEWAL_AWAITED,
    RENEWAL_DUE,
    STOP,
    STOPPED,
    STOPPED_ACTIVATING,
    SUBSCRIBED,
    SWITCHED,
    UNLICENSED,
)
from tests.scenarios import (
    END,
    LATER,
    MILLISECOND,
    NEXT_END,
    NOON,
    A,
    B,
    D,
    activated,
    added_at_once,
    announced,
    asked_now,
    blocked,
    cancelled,
    decided,
    delayed,
    expired,
    expiry,
    refused,
    renewed,
    renews_itself,
    retried,
    scenario,
    shortened,
    state_after,
    unblocked,
)

DAY = timedelta(days=1)
GRACE: list[DeviceEvent] = [*UNLICENSED, activated(A, grace_days=7)]
AUTO_RENEWS: dict[str, Any] = {"kind": "subscription", "auto_renews": True}
RENEWS: list[DeviceEvent] = [*UNLICENSED, activated(A, **AUTO_RENEWS)]


def after(history: list[DeviceEvent]) -> Device:
    return state_after(DECIDER, history)


def test_a_blocked_license_keeps_working_until_it_stops() -> None:
    """R-105."""
    fact = blocked(A, stops=STOP)
    scenario(DECIDER, given=READY, when=says(fact), then=[blocked(A, stops=STOP, device=D)])
    state = after(BLOCKED)
    assert (status(state, STOP - MILLISECOND), status(state, STOP)) == ("active", "blocked")
    assert (stops_at(state), expires_at(state), works_until(state), takes_over_at(state)) == (STOP,) * 4


def test_the_reserve_takes_over_when_a_block_stops_the_license() -> None:
    """R-31, R-105."""
    stop = expired(reserve=B, ended=STOP, generation=2, cause="blocked")
    scenario(DECIDER, given=BLOCKED, when=expiry_timer(STOP - MILLISECOND), then=[])
    scenario(DECIDER, given=BLOCKED, when=expiry_timer(STOP), then=[stop])


def test_a_license_that_ends_before_the_block_stops_it_is_just_over() -> None:
    """R-105."""
    late: list[DeviceEvent] = [*READY, blocked(A, stops=END + DAY, device=D)]
    scenario(DECIDER, given=late, when=expiry_timer(END), then=[expired(reserve=B, generation=2)])
    assert (status(after(late), END), status(after(late), END + DAY)) == ("expired", "blocked")


def test_a_stopped_license_is_over_for_all_decisions() -> None:
    """R-04, R-55, R-105: a code is tried at once, and the button is there."""
    at_once = added_at_once(B, over=A, ends=STOP, at=AFTER_THE_STOP)
    scenario(DECIDER, given=STOPPED, when=add(B, at=AFTER_THE_STOP), then=[at_once])
    failed: list[DeviceEvent] = [*STOPPED_ACTIVATING, refused(B, "seats_exhausted", request=expiry(2))]
    assert may_activate_now(after(failed), AFTER_THE_STOP).allowed
    asked = asked_now(B, ends=STOP, at=AFTER_THE_STOP)
    scenario(DECIDER, given=failed, when=click(AFTER_THE_STOP), then=[asked])


def test_a_block_that_comes_twice_is_one_block() -> None:
    """R-116."""
    scenario(DECIDER, given=BLOCKED, when=says(blocked(A, stops=STOP + DAY)), then=[])


def test_the_days_shown_are_those_until_the_stop() -> None:
    """R-12, R-105."""
    state = after(BLOCKED)
    assert state.license is not None
    assert days_remaining(state.license, NOON) == 8


def test_unblocking_restores_what_was_shown_before() -> None:
    """R-106."""
    scenario(DECIDER, given=BLOCKED, when=says(unblocked(A)), then=[unblocked(A, device=D)])
    restored, before = after([*BLOCKED, unblocked(A, device=D)]), after(READY)
    assert before.license is not None
    assert restored == before.but(license=before.license.but(generation=3), generation=3)


def test_unblocking_restores_a_license_that_was_stopped() -> None:
    """R-106: and its reserve waits again."""
    state = after([*STOPPED_ACTIVATING, unblocked(A, device=D)])
    assert in_force(state, AFTER_THE_STOP)
    assert state.reserve is not None
    assert (state.reserve.status, expires_at(state)) == ("ready", END)
    assert after([*STOPPED, unblocked(A, device=D)]).reserve is None


def test_unblocking_restores_nothing_that_was_replaced() -> None:
    """R-94, R-106."""
    switch = activated(B, at=STOP, ends=NEXT_END, trigger="automatic", request=expiry(2), replaced=A)
    scenario(DECIDER, given=[*STOPPED_ACTIVATING, switch], when=says(unblocked(A)), then=[])


def test_an_unblocked_license_whose_term_is_over_expires_again_with_its_true_end() -> None:
    """R-43, R-106."""
    state: list[DeviceEvent] = [*STOPPED, unblocked(A, device=D)]
    scenario(DECIDER, given=state, when=expiry_timer(LATER), then=[expired(ended=END, generation=3, at=LATER)])


def test_a_purchase_does_not_lift_a_block() -> None:
    """R-105."""
    state = after([*STOPPED, renewed(device=D)])
    assert state.license is not None
    assert (state.license.ends_at, state.license.over_at, state.license.expired) == (NEXT_END, STOP, True)
    assert status(state, AFTER_THE_STOP) == "blocked"


def test_a_block_of_another_code_is_not_recorded_on_a_device() -> None:
    """R-46: a code that is not its license."""
    for history in (UNLICENSED, SWITCHED, REMOVED):
        scenario(DECIDER, given=history, when=says(blocked(A, stops=STOP)), then=[])
    scenario(DECIDER, given=READY, when=says(blocked(B, stops=STOP)), then=[])


def test_after_the_end_the_product_works_for_the_days_of_grace() -> None:
    """R-65."""
    state = after(GRACE)
    assert works_until(state) == END + 7 * DAY
    assert [status(state, at) for at in (END - MILLISECOND, END, END + 7 * DAY)] == ["active", "grace", "expired"]
    assert works_until(after(UNLICENSED)) is None


def test_for_all_decisions_the_license_is_over_during_grace() -> None:
    """R-04, R-56, R-65."""
    assert not in_force(after(GRACE), END)
    scenario(DECIDER, given=GRACE, when=expiry_timer(END), then=[expired()])
    waiting: list[DeviceEvent] = [*GRACE, *READY[-2:], expired(reserve=B), refused(B, "seats_exhausted")]
    assert may_activate_now(after(waiting), END).allowed
    assert may_activate_now(after(waiting[:-2]), END - MILLISECOND) == (False, "not_expired", END)


def test_a_block_ends_the_grace_too() -> None:
    """R-65, R-105."""
    state = after([*GRACE, blocked(A, stops=END + DAY, device=D)])
    assert [status(state, at) for at in (END, END + DAY)] == ["grace", "blocked"]
    assert works_until(state) == END + DAY


def test_an_announced_renewal_protects_the_device_and_is_shown() -> None:
    """R-98, R-103."""
    fact = announced(A, until=HELD_UNTIL)
    scenario(DECIDER, given=EXPIRED, when=says(fact), then=[announced(A, until=HELD_UNTIL, device=D)])
    state = after(ANNOUNCED)
    assert [status(state, at) for at in (LATER, HELD_UNTIL)] == ["grace", "expired"]
    assert [renewal_announced(state, at) for at in (LATER, HELD_UNTIL)] == [HELD_UNTIL, None]
    assert renewal_announced(after(EXPIRED), LATER) is None
    assert renewal_announced(after(UNLICENSED), LATER) is None


@pytest.mark.parametrize("history", [RENEWS, [*RENEWS, expired()]])
def test_a_subscription_that_renews_itself_is_protected_until_the_policy_s_hold_is_over(
    history: list[DeviceEvent],
) -> None:
    """R-98, R-135."""
    state = after(history)
    assert works_until(state) == END + POLICY.auto_renewal_hold == END + DAY
    moments = (END, END + DAY - MILLISECOND, END + DAY)
    assert [status(state, at) for at in moments] == ["grace", "grace", "expired"]
    due = [renewal_due(state, at) for at in (END - MILLISECOND, *moments)]
    assert due == [None, END + DAY, END + DAY, None]


def test_the_hold_is_that_of_the_vendor_s_policy_and_no_shorter_than_the_grace() -> None:
    """R-65, R-135."""
    policy = POLICY.model_copy(update={"auto_renewal_hold": 3 * DAY})
    assert works_until(after(RENEWS), policy) == END + 3 * DAY
    assert status(after(RENEWS), END + 2 * DAY, policy) == "grace"
    assert works_until(after([*UNLICENSED, activated(A, **AUTO_RENEWS, grace_days=7)])) == END + 7 * DAY


@pytest.mark.parametrize(
    "history",
    [
        [*RENEWS, renews_itself(A, on=False, device=D)],
        [*RENEWS, expired(), renews_itself(A, on=False, device=D)],
        [*UNLICENSED, activated(A, kind="paid", auto_renews=True)],
        ACTIVE,
        UNLICENSED,
    ],
)
def test_what_does_not_renew_itself_is_not_held(history: list[DeviceEvent]) -> None:
    """R-135."""
    state = after(history)
    assert works_until(state) in (END, None)
    assert renewal_due(state, END) is None


def test_a_block_ends_the_hold_of_a_subscription_too() -> None:
    """R-105, R-135."""
    state = after([*RENEWS, blocked(A, stops=END + DAY / 2, device=D)])
    assert [status(state, at) for at in (END, END + DAY / 2)] == ["grace", "blocked"]
    assert renewal_due(state, END) is None


def test_a_renewal_within_the_hold_ends_it() -> None:
    """R-135: the license goes on, and the hold is after its new end."""
    state = after([*RENEWS, expired(), renewed(device=D)])
    assert (status(state, LATER), renewal_due(state, LATER)) == ("active", None)
    assert works_until(state) == NEXT_END + DAY


def test_an_announcement_that_comes_twice_is_one() -> None:
    """R-95, R-116."""
    scenario(DECIDER, given=ANNOUNCED, when=says(announced(A, until=HELD_UNTIL)), then=[])


def test_a_renewal_that_has_arrived_is_no_longer_announced() -> None:
    """R-63, R-103."""
    state = after([*ANNOUNCED, renewed(device=D)])
    assert (status(state, LATER), renewal_announced(state, LATER)) == ("active", None)
    other = after([*ANNOUNCED, renewed(device=D, order="order-2")])
    assert renewal_announced(other, LATER) == HELD_UNTIL


def test_a_code_added_again_is_still_protected_by_its_purchase() -> None:
    """R-98."""
    again = activated(A, at=LATER, started=NOON, ends=NEXT_END)
    assert renewal_announced(after([*ANNOUNCED, again]), LATER) == HELD_UNTIL
    assert renewal_announced(after([*ANNOUNCED, activated(B, at=LATER, ends=NEXT_END)]), LATER) is None


def test_a_cancelled_purchase_is_no_longer_waited_for() -> None:
    """R-70: the reserve is tried at once."""
    fact = cancelled(A, device=D)
    scenario(DECIDER, given=HELD, when=says(cancelled(A)), then=[fact, retried(B, after=expiry())])
    scenario(DECIDER, given=ANNOUNCED, when=says(cancelled(A)), then=[fact])
    assert status(after([*ANNOUNCED, fact]), LATER) == "expired"
    scenario(DECIDER, given=ACTIVE, when=says(cancelled(A)), then=[])
    scenario(DECIDER, given=ANNOUNCED, when=says(cancelled(A, order="order-2")), then=[])


def test_a_subscription_that_no_longer_renews_itself_is_not_waited_for() -> None:
    """R-27, R-70."""
    fact = renews_itself(A, on=False, device=D)
    scenario(DECIDER, given=RENEWAL_DUE, when=says(fact), then=[fact, retried(B, after=expiry())])
    scenario(DECIDER, given=SUBSCRIBED, when=says(fact), then=[fact])
    scenario(DECIDER, given=NO_LONGER_RENEWS, when=says(fact), then=[])
    current = after(NO_LONGER_RENEWS).license
    assert current is not None
    assert not current.auto_renews


@pytest.mark.parametrize(
    "fact", [announced(A, until=HELD_UNTIL), cancelled(A), blocked(A, stops=STOP), renews_itself(A)]
)
def test_no_event_of_the_old_code_starts_an_attempt_while_its_renewal_is_on_its_way(fact: HoldersEvent) -> None:
    """R-36, R-70."""
    kinds = {type(event).__name__ for event in decided(DECIDER, RENEWAL_AWAITED, says(fact))}
    assert "ActivationRetried" not in kinds


def test_a_refund_shortens_the_license() -> None:
    """R-96."""
    history: list[DeviceEvent] = [*READY, renewed(device=D)]
    fact = shortened(A, ends=END, previous=NEXT_END)
    scenario(DECIDER, given=history, when=says(fact), then=[fact.but(device_id=D)])
    state = after([*history, shortened(A, ends=END, device=D)])
    assert (expires_at(state), takes_over_at(state)) == (END, END)


def test_a_refund_that_comes_twice_is_one_and_one_of_another_code_is_none() -> None:
    """R-94, R-116."""
    scenario(DECIDER, given=READY, when=says(shortened(A, ends=END, previous=NEXT_END)), then=[])
    scenario(DECIDER, given=SWITCHED, when=says(shortened(A, ends=NOON)), then=[])


def test_a_refund_does_not_restore_a_license_that_is_over() -> None:
    """R-96."""
    state = after([*EXPIRED, shortened(A, ends=END - DAY, previous=END, device=D)])
    assert state.license is not None
    assert (state.license.expired, state.license.ends_at) == (True, END - DAY)


def test_the_reserve_takes_over_at_the_end_after_the_refund() -> None:
    """R-31, R-96."""
    sooner = END - 30 * DAY
    history: list[DeviceEvent] = [*READY, shortened(A, ends=sooner, previous=END, device=D)]
    scenario(DECIDER, given=history, when=expiry_timer(sooner), then=[expired(reserve=B, ended=sooner, generation=2)])


def test_an_attempt_is_delayed_by_what_the_activation_service_waits_for() -> None:
    """R-27, R-70."""
    fact = delayed(B, until=END + DAY, cause="renewal_due")
    scenario(DECIDER, given=ACTIVATING, when=says(fact), then=[fact])
    reserve = after([*ACTIVATING, fact]).reserve
    assert reserve is not None
    assert (reserve.status, reserve.delay, reserve.retry_at) == ("retrying", "renewal_due", END + DAY)
