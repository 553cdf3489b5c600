"""A device activated a code offline, and reports it later."""

import pytest

from services.device.decider import DECIDER, POLICY, DeviceEvent, retry_at, status
from tests.device.commands import retry_timer, says, tell
from tests.device.histories import (
    ACTIVATING,
    ACTIVE,
    EARLIER,
    EXPIRED,
    READY,
    REFUSED,
    REMOVED,
    REPORTED,
    REPORTED_OVER_REFUSED,
    SOON,
    TRIAL,
    UNLICENSED,
)
from tests.scenarios import (
    END,
    LATER,
    NEXT_END,
    NOON,
    ORDER,
    A,
    B,
    C,
    activated,
    added,
    delayed,
    expired,
    refused,
    reported,
    retry_after,
    scenario,
    state_after,
)


@pytest.mark.parametrize("history", [UNLICENSED, REMOVED])
def test_a_device_reports_what_it_activated_offline(history: list[DeviceEvent]) -> None:
    """R-77."""
    report = reported(B, activated=NOON, over=None)
    scenario(DECIDER, given=history, when=tell(B, activated=NOON), then=[report])
    reserve = state_after(DECIDER, [*history, report]).reserve
    assert reserve is not None
    assert (reserve.code_ref, reserve.status, reserve.activated_at) == (B, "activating", NOON)


def test_a_device_with_a_license_in_force_cannot_have_activated_anything() -> None:
    """R-41, R-77."""
    no = refused(B, "not_expired", trigger="offline", request=ORDER, available=END)
    for history in (READY, TRIAL):
        scenario(DECIDER, given=history, when=tell(B, activated=NOON, at=NOON), then=[no])


def test_a_report_of_the_license_itself_is_no_news() -> None:
    """R-57, R-77."""
    no = refused(A, "already_activated", trigger="offline", request=ORDER)
    scenario(DECIDER, given=ACTIVE, when=tell(A, activated=NOON, at=NOON), then=[no])


def test_the_license_that_was_reported_is_in_force() -> None:
    """R-77."""
    license_ = activated(C, at=END, ends=NEXT_END, trigger="offline", request=EARLIER)
    scenario(DECIDER, given=REPORTED, when=says(license_), then=[license_])
    assert status(state_after(DECIDER, [*REPORTED, license_]), LATER) == "active"


def test_the_reserve_that_waited_is_the_reserve_of_the_license_that_was_reported() -> None:
    """R-38, R-77."""
    license_ = activated(C, at=END, ends=NEXT_END, trigger="offline", request=EARLIER)
    after = state_after(DECIDER, [*REPORTED_OVER_REFUSED, license_])
    assert after.reserve is not None
    assert (after.reserve.code_ref, after.reserve.status, after.incoming) == (B, "refused", None)


def test_a_report_that_is_refused_leaves_everything_as_it_was() -> None:
    """R-51, R-77."""
    no = refused(C, "date_out_of_range", trigger="offline", request=EARLIER)
    for history, before in ((REPORTED, EXPIRED), (REPORTED_OVER_REFUSED, REFUSED)):
        scenario(DECIDER, given=history, when=says(no), then=[no])
        assert state_after(DECIDER, [*history, no]) == state_after(DECIDER, before)


def test_the_reserve_itself_may_have_been_activated_offline() -> None:
    """R-77: refused, it stays the reserve."""
    report = reported(B, activated=END)
    scenario(DECIDER, given=REFUSED, when=tell(B, activated=END), then=[report])
    after = state_after(DECIDER, [*REFUSED, report, refused(B, "date_out_of_range", trigger="offline", request=ORDER)])
    assert after.reserve is not None
    assert (after.reserve.code_ref, after.reserve.reason, after.incoming) == (B, "date_out_of_range", None)


def test_a_report_without_an_answer_is_repeated_with_its_date() -> None:
    """R-49, R-77."""
    assert retry_at(state_after(DECIDER, REPORTED)) == SOON + POLICY.answer_patience
    silence = delayed(C, until=LATER, trigger="offline", request=EARLIER, cause="no_answer")
    again = reported(C, activated=END, request=retry_after(EARLIER))
    scenario(DECIDER, given=[*REPORTED, silence], when=retry_timer(LATER), then=[again])


def test_while_another_attempt_is_unanswered_nothing_else_is_reported() -> None:
    """R-60, R-77."""
    no = refused(C, "activation_running", trigger="offline", request=ORDER)
    scenario(DECIDER, given=ACTIVATING, when=tell(C, activated=END, at=SOON), then=[no])


def test_the_same_report_twice_is_one() -> None:
    """R-116."""
    scenario(DECIDER, given=REPORTED, when=tell(C, activated=END, at=SOON), then=[])


def test_there_is_no_third_place_for_a_code() -> None:
    """R-20, R-77."""
    both: list[DeviceEvent] = [*REFUSED[:-1], added(C), refused(B, "code_blocked")]
    third = "d" * 32
    no = refused(third, "reserve_exists", trigger="offline", request=ORDER)
    scenario(DECIDER, given=both, when=tell(third, activated=END), then=[no])


def test_an_expiry_that_is_due_comes_before_the_report() -> None:
    """R-43, R-77."""
    scenario(DECIDER, given=ACTIVE, when=tell(B, activated=END), then=[expired(at=LATER), reported(B, activated=END)])
