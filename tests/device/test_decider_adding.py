"""A code is added to a device, or leaves it."""

from datetime import datetime

import pytest

from services.device.decider import DECIDER, AddCode, DeviceEvent, EnrollDevice, RecordVerdict, RemoveReserve
from shared.rules.decider import Refused
from tests.device.histories import (
    ACTIVATING,
    ACTIVATING_REPLACED,
    ACTIVATING_REPLACING,
    ACTIVE,
    EXPIRED,
    READY,
    REFUSED,
    REJECTED_REPLACING,
    REPLACING,
    RETRYING,
    SEAT_RELEASED,
    SWITCHED,
    UNKNOWN,
    UNLICENSED,
    VERIFYING,
)
from tests.scenarios import (
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
    enrolled,
    expired,
    expiry,
    refused,
    rejected,
    removed,
    retried,
    scenario,
    state_after,
    unremovable,
    verified,
)


def add(code: str, *, at: datetime = NOON, replace: bool = False) -> AddCode:
    return AddCode(
        device_id=D, at=at, request_id=adding(code), code_ref=code, last_group=code[:5].upper(), replace=replace
    )


def remove(at: datetime = NOON) -> RemoveReserve:
    return RemoveReserve(device_id=D, at=at, request_id=ORDER)


def verdict(event: object) -> RecordVerdict:
    return RecordVerdict.model_validate({"device_id": D, "verdict": event, "at": LATER})


def enroll() -> EnrollDevice:
    return EnrollDevice(device_id=D, at=NOON, request_id=ORDER, product="security", region="DE")


def test_a_device_is_enrolled_once() -> None:
    scenario(DECIDER, given=UNKNOWN, when=enroll(), then=[enrolled()])
    scenario(DECIDER, given=ACTIVE, when=enroll(), then=[])


def test_a_command_to_an_unknown_device_is_refused_without_a_trace() -> None:
    with pytest.raises(Refused) as refusal:
        decided(DECIDER, UNKNOWN, add(A))
    assert refusal.value.code == "unknown_device"


def test_a_code_added_while_a_license_is_in_force_waits_in_reserve() -> None:
    """R-01."""
    scenario(DECIDER, given=ACTIVE, when=add(B), then=[added(B)])


def test_a_code_in_reserve_changes_nothing_about_the_current_license() -> None:
    """R-01, R-02."""
    assert state_after(DECIDER, READY).license == state_after(DECIDER, ACTIVE).license


@pytest.mark.parametrize("history", [UNLICENSED, SEAT_RELEASED])
def test_a_code_added_without_a_license_is_tried_at_once(history: list[DeviceEvent]) -> None:
    """R-04."""
    scenario(DECIDER, given=history, when=add(B), then=[added_at_once(B)])


def test_a_code_added_after_the_expiry_is_tried_at_once_and_needs_no_second_expiry() -> None:
    """R-04, R-35."""
    scenario(DECIDER, given=EXPIRED, when=add(B, at=LATER), then=[added_at_once(B, over=A)])


def test_a_code_added_after_the_end_that_no_timer_noticed_yet_finds_the_license_expired() -> None:
    """R-04, R-40, R-62."""
    scenario(DECIDER, given=ACTIVE, when=add(B, at=LATER), then=[expired(at=LATER), added_at_once(B, over=A)])


def test_the_code_shows_its_predicted_end_in_the_licensing_window() -> None:
    """R-10, R-13."""
    reserve = state_after(DECIDER, READY).reserve
    assert reserve is not None
    assert (reserve.status, reserve.last_group, reserve.predicted_ends_at) == ("ready", "BBBBB", NEXT_END)


def test_a_code_is_not_shown_as_verified_before_the_verdict_is_there() -> None:
    """R-16."""
    reserve = state_after(DECIDER, VERIFYING).reserve
    assert reserve is not None
    assert (reserve.status, reserve.predicted_ends_at) == ("verifying", None)


def test_a_verdict_is_recorded_whenever_it_arrives() -> None:
    """R-13, R-17."""
    scenario(DECIDER, given=VERIFYING, when=verdict(verified(B)), then=[verified(B)])


def test_a_verdict_on_a_code_that_left_the_slot_is_not_recorded() -> None:
    """R-17, R-36."""
    scenario(DECIDER, given=[*VERIFYING, removed(B)], when=verdict(verified(B)), then=[])


def test_a_verdict_on_an_earlier_add_of_the_same_code_is_not_recorded() -> None:
    """R-36."""
    earlier = verified(B).but(request_id=ORDER)
    scenario(DECIDER, given=VERIFYING, when=verdict(earlier), then=[])


def test_a_rejected_code_leaves_the_slot_and_its_reason_is_kept() -> None:
    """R-15."""
    scenario(
        DECIDER,
        given=VERIFYING,
        when=verdict(rejected(B, "wrong_product")),
        then=[rejected(B, "wrong_product")],
    )
    assert state_after(DECIDER, [*VERIFYING, rejected(B, "wrong_product")]).reserve is None


def test_a_rejected_replacement_leaves_the_reserve_where_it_is() -> None:
    """R-15."""
    after = state_after(DECIDER, [*REPLACING, rejected(C, "code_blocked")])
    assert (after.reserve, after.incoming) == (state_after(DECIDER, READY).reserve, None)


def test_a_second_code_is_refused_while_the_slot_is_full() -> None:
    """R-20."""
    scenario(DECIDER, given=READY, when=add(C), then=[rejected(C, "reserve_exists")])
    scenario(DECIDER, given=REFUSED, when=add(C, at=LATER), then=[rejected(C, "reserve_exists")])


def test_a_replacement_leaves_the_reserve_until_it_is_good() -> None:
    """R-15, R-20."""
    scenario(DECIDER, given=READY, when=add(C, replace=True), then=[added(C)])
    assert state_after(DECIDER, REPLACING).reserve == state_after(DECIDER, READY).reserve


def test_a_good_replacement_frees_the_old_code() -> None:
    """R-20."""
    scenario(DECIDER, given=REPLACING, when=verdict(verified(C)), then=[verified(C), removed(B, "replaced")])
    after = state_after(DECIDER, [*REPLACING, verified(C), removed(B, "replaced")])
    assert (after.reserve and after.reserve.code_ref, after.incoming) == (C, None)


def test_a_second_replacement_frees_the_first() -> None:
    """R-20."""
    scenario(
        DECIDER,
        given=[*VERIFYING, added(C)],
        when=add("d" * 32, replace=True),
        then=[removed(C, "replaced"), added("d" * 32)],
    )


def test_a_replacement_after_the_expiry_frees_the_old_code_and_is_tried_at_once() -> None:
    """R-04, R-20."""
    for history in (REFUSED, RETRYING):
        scenario(
            DECIDER,
            given=history,
            when=add(C, at=LATER, replace=True),
            then=[removed(B, "replaced"), added_at_once(C, over=A)],
        )


def test_a_code_whose_activation_runs_is_not_replaced() -> None:
    """R-20, R-60."""
    scenario(
        DECIDER,
        given=ACTIVATING,
        when=add(C, at=LATER, replace=True),
        then=[rejected(C, "reserve_exists")],
    )


def test_a_replacement_that_becomes_good_during_an_attempt_waits_for_its_outcome() -> None:
    """R-15, R-20, R-54b."""
    scenario(DECIDER, given=ACTIVATING_REPLACING, when=verdict(verified(C)), then=[verified(C)])


def test_a_replacement_is_the_next_reserve_when_the_old_one_took_over() -> None:
    """R-20, R-38."""
    switch = activated(B, at=LATER, ends=NEXT_END, trigger="automatic", request=expiry())
    scenario(DECIDER, given=ACTIVATING_REPLACED, when=verdict(switch), then=[switch])
    after = state_after(DECIDER, [*ACTIVATING_REPLACED, switch])
    assert (after.reserve and after.reserve.code_ref, after.incoming) == (C, None)


def test_a_replacement_is_tried_at_once_when_the_old_reserve_was_refused() -> None:
    """R-20, R-31."""
    scenario(
        DECIDER,
        given=ACTIVATING_REPLACED,
        when=verdict(refused(B, "code_blocked")),
        then=[refused(B, "code_blocked"), removed(B, "replaced"), retried(C, after=adding(C))],
    )


def test_a_replacement_whose_verdict_comes_after_the_expiry_is_tried_at_once() -> None:
    """R-16, R-31."""
    scenario(
        DECIDER,
        given=REJECTED_REPLACING,
        when=verdict(verified(C)),
        then=[verified(C), retried(C, after=adding(C))],
    )


@pytest.mark.parametrize("history", [VERIFYING, READY])
def test_the_same_code_added_twice_is_added_once(history: list[DeviceEvent]) -> None:
    """R-09, R-21."""
    scenario(DECIDER, given=history, when=add(B), then=[])
    scenario(DECIDER, given=history, when=add(B, replace=True), then=[])


def test_the_same_replacement_added_twice_is_added_once() -> None:
    """R-21."""
    scenario(DECIDER, given=REPLACING, when=add(C, replace=True), then=[])


def test_the_current_code_is_refused_as_its_own_reserve() -> None:
    """R-22."""
    scenario(DECIDER, given=READY, when=add(A), then=[rejected(A, "same_as_current")])
    scenario(DECIDER, given=SWITCHED, when=add(B, at=LATER), then=[rejected(B, "same_as_current")])


@pytest.mark.parametrize("history", [VERIFYING, READY])
def test_the_reserve_can_be_removed_before_the_expiry(history: list[DeviceEvent]) -> None:
    """R-24."""
    scenario(DECIDER, given=history, when=remove(), then=[removed(B)])


def test_removing_an_empty_slot_changes_nothing() -> None:
    """R-24."""
    scenario(DECIDER, given=ACTIVE, when=remove(), then=[])


def test_removing_the_reserve_removes_its_replacement_too() -> None:
    """R-24."""
    scenario(DECIDER, given=REPLACING, when=remove(), then=[removed(C), removed(B)])
    after = state_after(DECIDER, [*REPLACING, removed(C), removed(B)])
    assert (after.reserve, after.incoming) == (None, None)


def test_a_refused_reserve_can_be_removed_after_the_expiry() -> None:
    """R-24, R-46."""
    scenario(DECIDER, given=REFUSED, when=remove(LATER), then=[removed(B)])


def test_a_code_whose_activation_runs_is_not_removed() -> None:
    """R-24, R-60."""
    running = unremovable("activation_running", B)
    scenario(DECIDER, given=ACTIVATING, when=remove(LATER), then=[running])
    scenario(DECIDER, given=READY, when=remove(LATER), then=[expired(reserve=B, at=LATER), running])
