"""A device activated a code offline, and reports it when it is back."""

from datetime import datetime, timedelta

import pytest

from services.activation.decider import DECIDER, HOLDERS_NAMED_MAX, POLICY, CodeEvent, decider
from shared.messages import EarlierActivationReported, LicenseActivated
from tests.activation.questions import done_offline
from tests.scenarios import (
    END,
    MILLISECOND,
    NEXT_END,
    NOON,
    ORDER,
    OTHER,
    START,
    A,
    B,
    activated,
    announced,
    blocked,
    decided,
    followed,
    issued,
    on,
    refused,
    released,
    renewed,
    renews_itself,
    scenario,
    state_after,
    told_late,
)

THEN = END + timedelta(days=2)
"""When the device did it."""
BACK = END + timedelta(days=9)
"""When it reported it."""
ENDS = THEN.replace(year=2028)
CURRENT: list[CodeEvent] = [issued(A), activated(A)]
REPORT = on(done_offline(activated=THEN), BACK)
OFFLINE = activated(B, at=THEN, ends=ENDS, trigger="offline", request=ORDER, replaced=A)


def test_an_activation_made_offline_starts_the_code_when_it_was_made() -> None:
    """R-66, R-77, R-87."""
    given: list[CodeEvent] = [*CURRENT, issued(B)]
    scenario(DECIDER, given=given, when=REPORT, then=[OFFLINE, released(A, "switched")])
    started: list[CodeEvent] = [issued(B), OFFLINE]
    assert state_after(DECIDER, started).started_at == THEN


@pytest.mark.parametrize("started", [THEN, START])
def test_a_code_that_was_started_by_then_keeps_its_start(started: datetime) -> None:
    """R-66, R-67, R-77: nobody's term changes."""
    ends = started.replace(year=2029)
    given: list[CodeEvent] = [*CURRENT, issued(B, seats=2), activated(B, at=started, ends=ends, device=OTHER)]
    then = OFFLINE.but(started_at=started, ends_at=ends, starts_term=False)
    scenario(DECIDER, given=given, when=REPORT, then=[then, released(A, "switched")])


def test_an_earlier_start_is_reported_with_the_devices_it_concerns() -> None:
    """R-66, R-77: the start never changes; the report is recorded beside it."""
    started = THEN + timedelta(days=1)
    ends = started.replace(year=2028)
    given: list[CodeEvent] = [
        *CURRENT,
        issued(B, seats=9),
        activated(B, at=started, ends=ends, device=OTHER),
        activated(B, at=BACK, started=started, ends=ends, device="device-9"),
    ]
    then = OFFLINE.but(started_at=started, ends_at=ends, starts_term=False)
    late = told_late(B, at=THEN, started=started, affected=(OTHER, "device-9"))
    scenario(DECIDER, given=given, when=REPORT, then=[then, released(A, "switched"), late])
    before = state_after(DECIDER, given[2:])
    assert DECIDER.evolve(before, late) == before


def test_no_event_names_more_holders_than_it_can_hold() -> None:
    """R-77."""
    started = THEN + timedelta(days=1)
    crowd: list[CodeEvent] = [activated(B, at=started, ends=ENDS, device=f"other-{number:03}") for number in range(150)]
    events = decided(DECIDER, [issued(B, seats=200), *crowd], on(done_offline(activated=THEN, over=None), BACK))
    (late,) = [event for event in events if isinstance(event, EarlierActivationReported)]
    assert late.affected == tuple(f"other-{number:03}" for number in range(HOLDERS_NAMED_MAX))


@pytest.mark.parametrize(
    ("activated_at", "in_range"),
    [
        (BACK, True),
        (BACK + POLICY.clock_tolerance, True),
        (BACK + POLICY.clock_tolerance + MILLISECOND, False),
        (BACK - POLICY.offline_report_max, True),
        (BACK - POLICY.offline_report_max - MILLISECOND, False),
    ],
)
def test_a_report_is_neither_in_the_future_nor_older_than_the_vendor_accepts(
    activated_at: datetime, in_range: bool
) -> None:
    """R-77, R-111, R-131: a device's clock starts no term of its own choice."""
    report = on(done_offline(activated=activated_at, over=None), BACK)
    events = decided(DECIDER, [issued(B)], report)
    refusal = refused(B, "date_out_of_range", trigger="offline", request=ORDER)
    told = [event if in_range else event.but(findings=()) for event in events]
    assert isinstance(events[0], LicenseActivated) if in_range else told == [refusal]


def test_a_report_of_a_device_whose_clock_is_a_little_fast_is_dated_by_the_server() -> None:
    """R-111, R-131: what is recorded is what was counted, also of a code that runs elsewhere."""
    fast = on(done_offline(activated=BACK + POLICY.clock_tolerance, over=None), BACK)
    (license_,) = decided(DECIDER, [issued(B)], fast)
    assert isinstance(license_, LicenseActivated)
    assert license_.activated_at == license_.started_at == BACK
    elsewhere: list[CodeEvent] = [issued(B, seats=2), activated(B, at=BACK + MILLISECOND, ends=ENDS, device=OTHER)]
    (_, late) = decided(DECIDER, elsewhere, fast)
    assert isinstance(late, EarlierActivationReported)
    assert late.activated_at == BACK


def test_a_report_does_not_reach_back_into_the_license_before() -> None:
    """R-41, R-77: no two terms at once."""
    given: list[CodeEvent] = [*CURRENT, issued(B)]
    overlap = on(done_offline(activated=END - MILLISECOND), BACK)
    no = refused(B, "date_out_of_range", trigger="offline", request=ORDER)
    scenario(DECIDER, given=given, when=overlap, then=[no])
    (license_, _) = decided(DECIDER, given, on(done_offline(activated=END), BACK))
    assert isinstance(license_, LicenseActivated)


def test_the_vendor_decides_how_late_a_report_may_come() -> None:
    """R-77."""
    strict = decider(POLICY.model_copy(update={"offline_report_max": timedelta(days=1)}))
    (event,) = decided(strict, [issued(B)], on(done_offline(activated=THEN, over=None), BACK))
    assert getattr(event, "reason", None) == "date_out_of_range"


RECHECKS: dict[str, list[CodeEvent]] = {
    "unknown_code": [],
    "code_blocked": [issued(B), blocked(B)],
    "wrong_product": [issued(B, product="backup")],
    "wrong_region": [issued(B, regions=("FR",))],
    "version_incompatible": [issued(B, version_max="20")],
    "activate_by_passed": [issued(B, activate_by=THEN - MILLISECOND)],
    "term_over": [issued(B, seats=2), activated(B, at=START, ends=BACK, device=OTHER)],
    "seats_exhausted": [issued(B), activated(B, at=START, ends=NEXT_END, device=OTHER)],
    "no_prior_license": [issued(B, kind="renewal", product="security")],
    "already_activated": [issued(B), activated(B, at=START, ends=NEXT_END)],
}


@pytest.mark.parametrize("reason", RECHECKS)
def test_a_report_is_rechecked_like_any_attempt(reason: str) -> None:
    """R-44, R-45, R-77, R-85: as of the report, so that no seat is given twice."""
    no = refused(B, "unknown_code", trigger="offline", request=ORDER).but(reason=reason)
    report = on(done_offline(activated=THEN, over=None, product_version="21"), BACK)
    scenario(DECIDER, given=RECHECKS[reason], when=report, then=[no])


def test_a_code_that_was_activated_in_time_may_be_reported_later() -> None:
    """R-77, R-79."""
    given: list[CodeEvent] = [*CURRENT, issued(B, activate_by=THEN)]
    scenario(DECIDER, given=given, when=REPORT, then=[OFFLINE, released(A, "switched")])


def test_a_term_that_is_over_when_it_is_reported_was_used_all_the_same() -> None:
    """R-66, R-77: else a code could be used up again and again."""
    (license_, _) = decided(DECIDER, [*CURRENT, issued(B, term="P3D")], REPORT)
    assert isinstance(license_, LicenseActivated)
    assert (license_.started_at, license_.ends_at) == (THEN, THEN + timedelta(days=3))


def test_a_license_that_was_renewed_while_the_device_was_offline_keeps_the_code_unused() -> None:
    """R-70, R-77."""
    given: list[CodeEvent] = [*CURRENT, issued(B), renewed(A)]
    stale = refused(B, "stale", trigger="offline", request=ORDER)
    scenario(DECIDER, given=given, when=REPORT, then=[stale])


def test_an_announced_purchase_does_not_hold_what_has_already_happened() -> None:
    """R-70, R-77."""
    held: list[CodeEvent] = [*CURRENT, issued(B), announced(A, until=NEXT_END)]
    scenario(DECIDER, given=held, when=REPORT, then=[OFFLINE, released(A, "switched")])
    renewing: list[CodeEvent] = [issued(A, kind="subscription"), activated(A), renews_itself(A), issued(B)]
    at = END + timedelta(hours=2)
    (license_, _) = decided(DECIDER, renewing, on(done_offline(activated=END), at))
    assert isinstance(license_, LicenseActivated)


def test_a_discounted_code_that_was_activated_offline_uses_its_prior_license() -> None:
    """R-30, R-77."""
    given: list[CodeEvent] = [*CURRENT, issued(B, kind="renewal")]
    then = OFFLINE.but(kind="renewal", prior_ref=A)
    scenario(DECIDER, given=given, when=REPORT, then=[then, released(A, "switched"), followed(A, B)])


def test_a_device_without_a_license_may_report_any_kind_of_code() -> None:
    """R-26, R-77."""
    report = on(done_offline(activated=NOON, over=None), NOON)
    for kind in ("trial", "subscription"):
        (event,) = decided(DECIDER, [issued(B, kind=kind)], report)
        assert isinstance(event, LicenseActivated)
