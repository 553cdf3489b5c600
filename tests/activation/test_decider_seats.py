"""Seats that are given back or taken away, and what is tried then."""

import pytest

from services.activation.decider import DECIDER, CodeEvent, ReleaseSeat, ReturnSeat, commands_for, devices_of
from shared.rules.decider import Refused, fold
from tests.activation.questions import add_at_once
from tests.scenarios import (
    END,
    LATER,
    NOON,
    ORDER,
    OTHER,
    START,
    A,
    B,
    D,
    activated,
    blocked,
    decided,
    followed,
    given_back,
    issued,
    refused,
    released,
    scenario,
    state_after,
)

CURRENT: list[CodeEvent] = [issued(A), activated(A)]
RETURN = ReturnSeat(code_ref=A, device_id=D, at=NOON)
SOON_OVER = NOON.replace(year=2027)


def test_a_license_that_is_given_back_frees_its_seat_before_the_reserve_is_tried() -> None:
    """R-25, R-84: two commands from one event, in this order."""
    first, second = commands_for(given_back(reserve=B), NOON)
    given: list[CodeEvent] = [*CURRENT, issued(B)]
    scenario(DECIDER, given=given, when=first, then=[released(A, "removed")])
    then = activated(B, at=NOON, ends=SOON_OVER, trigger="removal", request=ORDER)
    scenario(DECIDER, given=[*given, released(A, "removed")], when=second, then=[then])


def test_without_a_reserve_nothing_is_tried() -> None:
    """R-24, R-25."""
    assert commands_for(given_back(), NOON) == [RETURN]
    assert devices_of(RETURN) == (D,)


def test_a_seat_is_given_back_once() -> None:
    """R-84, R-116: also one that was never held, or on a code that was never issued."""
    scenario(DECIDER, given=[*CURRENT, released(A, "removed")], when=RETURN, then=[])
    elsewhere: list[CodeEvent] = [issued(A), activated(A, device=OTHER)]
    scenario(DECIDER, given=elsewhere, when=RETURN, then=[])
    scenario(DECIDER, given=[], when=RETURN, then=[])


def test_a_device_may_leave_a_blocked_code() -> None:
    """R-84, R-105."""
    scenario(DECIDER, given=[*CURRENT, blocked(A)], when=RETURN, then=[released(A, "removed")])


def test_the_removal_of_the_license_is_rechecked_like_any_attempt() -> None:
    """R-25, R-44, R-51."""
    _, second = commands_for(given_back(reserve=B), NOON)
    given: list[CodeEvent] = [*CURRENT, released(A, "removed"), issued(B), blocked(B)]
    no = refused(B, "code_blocked", trigger="removal", request=ORDER)
    scenario(DECIDER, given=given, when=second, then=[no])


def test_a_discounted_code_follows_the_license_that_was_just_given_back() -> None:
    """R-25, R-30: unless the user named another one; whether the device names it or not."""
    given: list[CodeEvent] = [*CURRENT, released(A, "removed"), issued(B, kind="renewal")]
    then = activated(B, at=NOON, ends=SOON_OVER, trigger="removal", request=ORDER, kind="renewal", prior_ref=A)
    for prior in (A, None):
        _, second = commands_for(given_back(reserve=B, prior=prior), NOON)
        scenario(DECIDER, given=given, when=second, then=[then, followed(A, B)])
    named = commands_for(given_back(reserve=B, prior="d" * 32), NOON)[1]
    scenario(
        DECIDER,
        given=given,
        when=named,
        then=[refused(B, "no_prior_license", trigger="removal", request=ORDER)],
    )


def test_a_seat_is_moved_by_releasing_it_here_and_adding_the_code_there() -> None:
    """R-74, R-84: the start of the code stays."""
    given: list[CodeEvent] = [*CURRENT, released(A, "removed")]
    elsewhere = add_at_once(A, at=NOON, over=None, device=OTHER)
    (license_,) = decided(DECIDER, given, elsewhere)
    assert license_ == activated(A, at=NOON, started=START, ends=END, device=OTHER)


@pytest.mark.parametrize("keep_reserve", [False, True])
def test_an_operator_decides_whether_a_lost_device_may_use_its_reserve(keep_reserve: bool) -> None:
    """R-25, R-84."""
    order = ReleaseSeat(code_ref=A, at=NOON, device_id=D, note="stolen", keep_reserve=keep_reserve)
    then = released(A, note="stolen", keeps_reserve=keep_reserve)
    scenario(DECIDER, given=CURRENT, when=order, then=[then])
    with pytest.raises(Refused):
        decided(DECIDER, [*CURRENT, then], order)


def test_contradictory_commands_leave_one_seat_each() -> None:
    """R-82, R-84: the license is removed and the same code requested at once, in either order."""
    give, take = commands_for(given_back(), LATER)[0], add_at_once(A, at=NOON, over=None)
    for commands in ((give, take), (take, give), (give, take, give), (give, give)):
        history = list(CURRENT)
        for command in commands:
            history += decided(DECIDER, history, command)
        code = fold(DECIDER.evolve, history, DECIDER.initial)
        assert code.seats_taken == len(code.holders) == (1 if commands[-1] is take else 0)


def test_a_start_outlives_the_seats() -> None:
    """R-66, R-74."""
    assert state_after(DECIDER, [*CURRENT, released(A, "removed")]).started_at == START
