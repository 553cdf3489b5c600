"""Activate now: when it is available, and what a click does."""

from datetime import datetime, timedelta

import pytest

from services.device.decider import (
    DECIDER,
    Activate,
    ActivateNowAnswer,
    DeviceEvent,
    days_remaining,
    in_force,
    may_activate_now,
    status,
)
from tests.device.histories import (
    ACTIVATING,
    ACTIVE,
    EXPIRED,
    READY,
    REFUSED,
    RENEWAL_AWAITED,
    RETRYING,
    SEAT_RELEASED,
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
    START,
    B,
    C,
    D,
    asked_now,
    expired,
    refused,
    renewed,
    scenario,
    state_after,
)


def click(at: datetime, shown: str | None = None) -> Activate:
    return Activate(device_id=D, at=at, request_id=ORDER, code_ref=shown)


def answer(history: list[DeviceEvent], at: datetime) -> ActivateNowAnswer:
    return may_activate_now(state_after(DECIDER, history), at)


@pytest.mark.parametrize("history", [RETRYING, REFUSED, RENEWAL_AWAITED])
def test_it_is_available_after_expiry_with_a_reserve_that_did_not_take_over(history: list[DeviceEvent]) -> None:
    """R-55, R-59, R-64."""
    assert answer(history, LATER) == (True, None, None)
    scenario(DECIDER, given=history, when=click(LATER, B), then=[asked_now(B)])


@pytest.mark.parametrize("history", [VERIFYING, READY])
def test_it_is_unavailable_before_expiry_and_says_when_it_will_be_available(history: list[DeviceEvent]) -> None:
    """R-56."""
    assert answer(history, END - MILLISECOND) == (False, "not_expired", END)
    scenario(
        DECIDER,
        given=history,
        when=click(NOON, B),
        then=[refused(B, "not_expired", trigger="manual", request=ORDER, available=END)],
    )


def test_it_is_unavailable_after_the_automatic_activation_and_a_click_changes_nothing() -> None:
    """R-57, R-61: drawn after the expiry, clicked after the switch."""
    assert answer(SWITCHED, LATER) == (False, "already_activated", None)
    for shown in (None, B):
        scenario(
            DECIDER,
            given=SWITCHED,
            when=click(LATER, shown),
            then=[
                refused(shown, "already_activated", trigger="manual", request=ORDER),
            ],
        )


@pytest.mark.parametrize("history", [UNLICENSED, SEAT_RELEASED, EXPIRED])
def test_it_is_unavailable_without_a_reserve(history: list[DeviceEvent]) -> None:
    """R-58."""
    assert answer(history, LATER) == (False, "no_reserve", None)
    scenario(
        DECIDER,
        given=history,
        when=click(LATER),
        then=[refused(None, "no_reserve", trigger="manual", request=ORDER)],
    )


def test_it_is_unavailable_without_a_reserve_before_the_expiry_too() -> None:
    """R-58."""
    assert answer(ACTIVE, NOON) == (False, "no_reserve", None)


def test_a_click_during_the_automatic_attempt_joins_it() -> None:
    """R-55, R-60."""
    assert answer(ACTIVATING, LATER) == (False, "activation_running", None)
    scenario(DECIDER, given=ACTIVATING, when=click(LATER, B), then=[])


def test_a_second_click_joins_the_first() -> None:
    """R-09, R-60."""
    scenario(DECIDER, given=[*REFUSED, asked_now(B)], when=click(LATER, B), then=[])


def test_a_page_drawn_before_the_expiry_and_clicked_after_it_works() -> None:
    """R-61, R-62: the timer has not fired yet, so the click records the expiry and joins its attempt."""
    assert answer(READY, END) == (True, None, None)
    scenario(DECIDER, given=READY, when=click(END, B), then=[expired(reserve=B)])


def test_a_click_on_a_code_that_is_no_longer_the_reserve_uses_no_other_code() -> None:
    """R-54b, R-61."""
    scenario(
        DECIDER,
        given=REFUSED,
        when=click(LATER, C),
        then=[refused(B, "stale", trigger="manual", request=ORDER)],
    )


def test_a_purchase_after_the_expiry_removes_the_button() -> None:
    """R-63."""
    assert answer([*REFUSED, renewed(device=D)], LATER) == (False, "not_expired", NEXT_END)


def test_the_answer_depends_on_server_time() -> None:
    """R-40, R-62."""
    device = state_after(DECIDER, READY)
    assert [in_force(device, at) for at in (START, END - MILLISECOND, END)] == [True, True, False]
    assert [status(device, at) for at in (END - MILLISECOND, END)] == ["active", "expired"]


@pytest.mark.parametrize(
    ("left", "days"),
    [
        (timedelta(days=365), 365),
        (timedelta(hours=48), 2),
        (timedelta(hours=48) - MILLISECOND, 1),
        (timedelta(hours=24), 1),
        (timedelta(hours=24) - MILLISECOND, 0),
        (timedelta(hours=1), 0),
        (timedelta(0), 0),
        (timedelta(days=-3), 0),
    ],
)
def test_the_days_remaining_are_whole_days_of_24_hours(left: timedelta, days: int) -> None:
    """R-12."""
    current = state_after(DECIDER, ACTIVE).license
    assert current is not None
    assert days_remaining(current, END - left) == days


def test_the_days_remaining_follow_a_purchase_and_count_the_leap_day() -> None:
    """R-12, R-90: 2028 has a 29 February."""
    current = state_after(DECIDER, [*ACTIVE, renewed(device=D)]).license
    assert current is not None
    assert days_remaining(current, END) == 366


def test_the_days_remaining_ignore_daylight_saving_time() -> None:
    """R-12: two local noons around a change of the clocks are not 24 hours apart."""
    current = state_after(DECIDER, ACTIVE).license
    assert current is not None
    berlin_noon = datetime.fromisoformat("2026-03-29T12:00:00+02:00")
    noon_before = datetime.fromisoformat("2026-03-28T12:00:00+01:00")
    assert days_remaining(current.but(ends_at=berlin_noon), noon_before) == 0


def test_its_state_is_stored_in_the_same_bytes_and_read_back() -> None:
    """R-118."""
    for history in (UNLICENSED, READY, RETRYING, SWITCHED):
        device = state_after(DECIDER, history)
        again = type(device).from_json(device.to_json())
        assert again == device
        assert again.to_json() == device.to_json()
