"""Explanations: the rules themselves report their checks, and what would have changed the answer."""

import re

import pytest

from services.device.decider import (
    ACTIVATE_NOW,
    ADD_CODE,
    CLAIM_EXPIRY,
    DECIDER,
    REMOVE_LICENSE,
    REMOVE_RESERVE,
    REPORT_OFFLINE,
    Case,
    Click,
    DeviceEvent,
    Looked,
    looked_at,
    may_activate_now,
)
from shared.messages import ActivationRefused, CodeRejected, Reason
from tests.device.commands import add, click, take_away, tell
from tests.device.histories import (
    ACTIVATING,
    ACTIVE,
    CLICKED_TWICE,
    EXPIRED,
    READY,
    REFUSED,
    REPORTED,
    SWITCHED,
    THROTTLED,
    TRIAL_READY,
)
from tests.device.table import INPUTS, STATES, Moment
from tests.scenarios import END, LATER, NOON, A, B, C, decided, state_after

ALL = (ACTIVATE_NOW, ADD_CODE, CLAIM_EXPIRY, REMOVE_LICENSE, REMOVE_RESERVE, REPORT_OFFLINE)


def looked(history: list[DeviceEvent], click_at: Click) -> dict[str, Looked[Case[Click], Reason]]:
    case = Case(device=state_after(DECIDER, history), asked=click_at)
    return {each.reason: each for each in looked_at(ACTIVATE_NOW, case)}


def test_every_check_names_its_rules() -> None:
    """R-19."""
    for checks in ALL:
        for check in checks:
            assert re.fullmatch(r"R-\d{2,3}(, R-\d{2,3})*", check.rule)


def test_a_greyed_button_is_explained_rule_by_rule() -> None:
    """R-55, R-56."""
    found = looked(READY, Click(at=NOON))
    assert [reason for reason, each in found.items() if not each.passed] == ["not_expired"]
    assert found["not_expired"].change == "the same request at 2027-03-01T12:00:00.000Z or later"
    assert found["not_expired"].passes_at == END
    passed = found["no_reserve"]
    assert (passed.rule, passed.passed, passed.change, passed.passes_at) == ("R-58", True, None, None)


@pytest.mark.parametrize(
    ("history", "reason", "change"),
    [
        (SWITCHED, "already_activated", "nothing: the code is the license of this device"),
        (EXPIRED, "no_reserve", "a code in reserve"),
        (ACTIVATING, "activation_running", "an answer to the attempt that runs"),
        (CLICKED_TWICE, "throttled", "the same request at 2027-03-01T13:00:10.000Z or later"),
    ],
)
def test_each_reason_says_what_would_have_changed_it(history: list[DeviceEvent], reason: str, change: str) -> None:
    """R-57, R-58, R-60, R-64."""
    assert looked(history, Click(at=LATER))[reason].change == change
    assert may_activate_now(state_after(DECIDER, history), LATER).reason == reason


def test_a_page_that_shows_another_code_is_named_as_the_reason() -> None:
    """R-61."""
    assert not looked(REFUSED, Click(at=LATER, code_ref=C))["stale"].passed
    assert looked(REFUSED, Click(at=LATER, code_ref=B))["stale"].passed


def test_a_refused_add_is_explained() -> None:
    """R-20, R-22, R-26, R-107."""
    for history, order, reason, change in (
        (READY, add(C), "reserve_exists", "the same request with `replace`"),
        (ACTIVATING, add(C, at=LATER, replace=True), "reserve_exists", "an answer to the attempt that runs"),
        (READY, add(A), "same_as_current", "another code than that of the license in force"),
        (
            ACTIVE,
            add(C, when="now"),
            "not_expired",
            "a trial in force, or the same request at 2027-03-01T12:00:00.000Z or later",
        ),
        (THROTTLED, add(C), "throttled", "the same request at 2026-09-01T12:01:00.000Z or later"),
        (TRIAL_READY, add(C, when="now"), "reserve_exists", "the same request with `replace`"),
    ):
        (event,) = decided(DECIDER, history, order)
        assert isinstance(event, CodeRejected)
        broken = next(finding for finding in event.findings if not finding.passed)
        assert (event.reason, broken.reason, broken.change) == (reason, reason, change)


def test_a_refusal_records_the_results_of_its_checks() -> None:
    """R-54: the log explains itself."""
    for history, order in (
        (READY, click(NOON)),
        (READY, tell(C, activated=NOON, at=NOON)),
        (REPORTED, click(LATER, B)),
    ):
        (event,) = decided(DECIDER, history, order)
        assert isinstance(event, ActivationRefused)
        assert event.reason == next(finding.reason for finding in event.findings if not finding.passed)


def test_what_is_refused_is_what_is_explained() -> None:
    """R-54: the decision and its explanation are one computation, in every state and for every command."""
    compared = 0
    for history, now in STATES.values():
        moment = Moment(state_after(DECIDER, history), now)
        if moment.device.device_id is None:
            continue
        for name, order in INPUTS.items():
            if name in ("enroll", "enroll as add-on"):
                continue  # refused without a trace: no stream could keep it
            for event in decided(DECIDER, history, order(moment)):
                findings = getattr(event, "findings", ())
                if findings:
                    assert getattr(event, "reason", None) == next(f.reason for f in findings if not f.passed)
                    compared += 1
    assert compared > 200


def test_a_removal_is_explained_by_the_same_checks() -> None:
    """R-25, R-60."""
    case = Case(device=state_after(DECIDER, ACTIVATING), asked=take_away(at=LATER))
    broken = [each for each in looked_at(REMOVE_LICENSE, case) if not each.passed]
    assert [(each.reason, each.change) for each in broken] == [
        ("activation_running", "an answer to the attempt that runs")
    ]
