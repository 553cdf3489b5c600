"""When a code in reserve will end: it moves with the current license, and with what others do to the code."""

from datetime import datetime, timedelta

import pytest

from services.device.decider import DECIDER, DeviceEvent, Reserve
from shared.messages import LicenseActivated, Notice
from tests.device.commands import says
from tests.device.histories import (
    ACTIVE,
    BLOCKED,
    EXPIRED,
    READY,
    REFUSED,
    REPLACING,
    STOP,
    SWITCHED,
    UNLICENSED_ACTIVATING,
    VERIFYING,
)
from tests.scenarios import (
    END,
    NEXT_END,
    NOON,
    OTHER,
    START,
    A,
    B,
    C,
    D,
    activated,
    added,
    foreseen,
    released,
    renewed,
    scenario,
    shortened,
    state_after,
    unblocked,
    verified,
)

DAY = timedelta(days=1)
A_YEAR_AFTER_NOON = datetime(2027, 9, 1, 12, tzinfo=NOON.tzinfo)
ELSEWHERE = activated(B, at=NOON, ends=A_YEAR_AFTER_NOON, device=OTHER)
STARTED: list[DeviceEvent] = [
    *READY,
    foreseen(B, ends=A_YEAR_AFTER_NOON, started=NOON, notices=("less_than_full_term",)),
]
OF_THE_CODE: tuple[Notice, ...] = ("other_edition", "fewer_seats")


def reserve_after(history: list[DeviceEvent]) -> Reserve:
    reserve = state_after(DECIDER, history).reserve
    assert reserve is not None
    return reserve


def test_a_device_with_a_code_in_reserve_records_that_it_was_started_elsewhere() -> None:
    """R-67, R-73, R-78."""
    told = foreseen(B, ends=A_YEAR_AFTER_NOON, started=NOON, notices=("less_than_full_term",))
    scenario(DECIDER, given=READY, when=says(ELSEWHERE), then=[told])
    reserve = reserve_after(STARTED)
    assert (reserve.predicted_ends_at, reserve.started_at) == (A_YEAR_AFTER_NOON, NOON)
    assert reserve.notices == ("less_than_full_term",)


def test_it_is_warned_when_the_code_no_longer_outlasts_its_own_license() -> None:
    """R-72, R-73."""
    short = activated(B, at=START - DAY, ends=END, device=OTHER)
    warning: tuple[Notice, ...] = ("less_than_full_term", "not_later_than_current")
    scenario(DECIDER, given=READY, when=says(short), then=[foreseen(B, ends=END, started=START - DAY, notices=warning)])


def test_it_keeps_the_notices_about_the_code() -> None:
    """R-28, R-29, R-73."""
    noticed: list[DeviceEvent] = [*VERIFYING, verified(B, notices=OF_THE_CODE, devices_left_out=2)]
    told = foreseen(
        B, ends=A_YEAR_AFTER_NOON, started=NOON, notices=("less_than_full_term", "other_edition", "fewer_seats")
    )
    scenario(DECIDER, given=noticed, when=says(ELSEWHERE), then=[told])
    assert reserve_after(noticed).devices_left_out == 2


def test_it_is_recorded_once() -> None:
    """R-73, R-116."""
    scenario(DECIDER, given=STARTED, when=says(ELSEWHERE), then=[])
    second = activated(B, at=END, started=NOON, ends=A_YEAR_AFTER_NOON, device=OTHER)
    scenario(DECIDER, given=STARTED, when=says(second), then=[])


def test_a_renewal_or_a_refund_of_the_code_in_reserve_is_recorded_too() -> None:
    """R-73."""
    longer = renewed(B, ends=A_YEAR_AFTER_NOON + 365 * DAY, previous=A_YEAR_AFTER_NOON)
    told = foreseen(B, ends=longer.ends_at, started=NOON)
    scenario(DECIDER, given=STARTED, when=says(longer), then=[told])
    shorter = shortened(B, ends=END, previous=A_YEAR_AFTER_NOON)
    warning: tuple[Notice, ...] = ("less_than_full_term", "not_later_than_current")
    scenario(DECIDER, given=STARTED, when=says(shorter), then=[foreseen(B, ends=END, started=NOON, notices=warning)])


def test_the_code_that_will_replace_the_reserve_gets_a_prediction_too() -> None:
    """R-20, R-73."""
    both: list[DeviceEvent] = [*READY, added(C), verified(C)]
    other = ELSEWHERE.but(code_ref=C)
    told = foreseen(C, ends=A_YEAR_AFTER_NOON, started=NOON, notices=("less_than_full_term",))
    scenario(DECIDER, given=both, when=says(other), then=[told])
    state = state_after(DECIDER, [*both, told])
    assert state.incoming is not None
    assert (state.incoming.predicted_ends_at, reserve_after(both).predicted_ends_at) == (A_YEAR_AFTER_NOON, NEXT_END)


@pytest.mark.parametrize("history", [ACTIVE, EXPIRED, SWITCHED, VERIFYING])
def test_other_devices_record_nothing(history: list[DeviceEvent]) -> None:
    """R-11, R-73: devices without the code, and one that still waits for the verdict on the Add."""
    scenario(DECIDER, given=history, when=says(ELSEWHERE), then=[])


def test_a_code_that_was_added_to_be_tried_gets_a_prediction_once_it_waits() -> None:
    """R-73."""
    told = foreseen(B, ends=A_YEAR_AFTER_NOON, started=NOON)
    scenario(DECIDER, given=UNLICENSED_ACTIVATING, when=says(ELSEWHERE), then=[told])


def test_without_a_license_in_force_a_full_term_would_begin_today() -> None:
    """R-73, R-78."""
    told = foreseen(B, ends=A_YEAR_AFTER_NOON, started=NOON, notices=("less_than_full_term",))
    scenario(DECIDER, given=REFUSED, when=says(ELSEWHERE, at=NOON + DAY), then=[told])
    full = foreseen(B, ends=A_YEAR_AFTER_NOON, started=NOON)
    scenario(DECIDER, given=REFUSED, when=says(ELSEWHERE, at=NOON), then=[full])


def test_an_unstarted_code_will_end_a_term_after_the_current_license() -> None:
    """R-93: whenever that one's end moves, so does this one's."""
    moved: list[DeviceEvent] = [*READY, renewed(device=D)]
    assert reserve_after(moved).predicted_ends_at == NEXT_END.replace(year=2029)
    back: list[DeviceEvent] = [*moved, shortened(A, ends=END, device=D)]
    assert reserve_after(back).predicted_ends_at == NEXT_END
    assert reserve_after(BLOCKED).predicted_ends_at == STOP.replace(year=2027)
    assert reserve_after([*BLOCKED, unblocked(A, device=D)]).predicted_ends_at == NEXT_END


def test_a_started_code_keeps_its_end_and_the_warnings_change() -> None:
    """R-72, R-93."""
    moved: list[DeviceEvent] = [*STARTED, renewed(device=D)]
    assert reserve_after(moved).predicted_ends_at == A_YEAR_AFTER_NOON
    assert reserve_after(moved).notices == ("less_than_full_term", "not_later_than_current")
    assert reserve_after([*moved, shortened(A, ends=END, device=D)]).notices == ("less_than_full_term",)
    early: list[DeviceEvent] = [*STARTED, shortened(A, ends=NOON, previous=END, device=D)]
    assert reserve_after(early).notices == ()


def test_a_verdict_that_knew_the_old_end_is_corrected() -> None:
    """R-17, R-93: the license was renewed while the code was verified."""
    late: list[DeviceEvent] = [*VERIFYING, renewed(device=D), verified(B)]
    assert reserve_after(late).predicted_ends_at == NEXT_END.replace(year=2029)


def test_the_next_reserve_follows_the_license_that_took_over() -> None:
    """R-20, R-38, R-93."""
    switch: LicenseActivated = activated(B, at=NOON, ends=A_YEAR_AFTER_NOON)
    waiting = reserve_after([*REPLACING, verified(C), switch])
    assert (waiting.code_ref, waiting.predicted_ends_at) == (C, A_YEAR_AFTER_NOON.replace(year=2028))


def test_a_removed_license_changes_no_prediction() -> None:
    """R-25: the verdict on the attempt will set the end."""
    kept: list[DeviceEvent] = [*READY, released(A, keeps_reserve=True)]
    assert reserve_after(kept).predicted_ends_at == NEXT_END
