"""The warnings that come with a good verdict: what will change once the reserve takes over."""

from datetime import timedelta
from typing import Any

import pytest

from services.activation.decider import DECIDER, CodeEvent
from shared.messages import CodeVerified
from tests.activation.questions import add
from tests.scenarios import (
    END,
    NEXT_END,
    NOON,
    OTHER,
    A,
    B,
    C,
    activated,
    blocked,
    decided,
    issued,
    renewed,
    scenario,
    verified,
)

ON_FIVE_DEVICES: list[CodeEvent] = [activated(A), *(activated(A, device=f"other-{number}") for number in range(4))]


def verdict(*given: CodeEvent, **wishes: Any) -> CodeVerified:
    (event,) = decided(DECIDER, given, add(**wishes))
    assert isinstance(event, CodeVerified)
    return event


def test_a_reserve_of_another_edition_is_held_with_a_notice() -> None:
    """R-28: for a higher and a lower edition, which is given too."""
    for now, then in (("plus", "standard"), ("standard", "plus")):
        given: list[CodeEvent] = [issued(A, edition=now), activated(A, edition=now), issued(B, edition=then)]
        told = verified(B, notices=("other_edition",), edition=then)
        scenario(DECIDER, given=given, when=add(), then=[told])


@pytest.mark.parametrize(
    ("now", "then", "told"),
    [
        ((), (), False),
        (("vpn",), ("vpn",), False),
        (("vpn",), ("backup", "vpn"), False),
        (("vpn", "backup"), ("backup", "vpn"), False),
        (("vpn", "backup"), ("vpn",), True),
        (("vpn",), ("backup",), True),
        (("vpn",), (), True),
    ],
)
def test_a_missing_feature_is_announced(now: tuple[str, ...], then: tuple[str, ...], told: bool) -> None:
    """R-28."""
    event = verdict(issued(A, features=now), activated(A, features=now), issued(B, features=then))
    assert event.notices == (("fewer_features",) if told else ())
    assert event.features == then


@pytest.mark.parametrize(("seats", "left_out"), [(1, 4), (3, 2), (5, 0), (9, 0)])
def test_fewer_seats_are_announced_with_the_number_of_devices_left_out(seats: int, left_out: int) -> None:
    """R-29."""
    event = verdict(issued(A, seats=10), *ON_FIVE_DEVICES, issued(B, seats=seats))
    assert (event.notices, event.devices_left_out) == (("fewer_seats",), left_out)


def test_as_many_seats_or_more_need_no_notice() -> None:
    """R-29."""
    event = verdict(issued(A, seats=5), *ON_FIVE_DEVICES, issued(B, seats=5))
    assert (event.notices, event.devices_left_out) == ((), 0)


def test_without_a_license_to_compare_with_there_is_no_notice() -> None:
    """R-28, R-29."""
    given = [issued(B, edition="plus", features=("vpn",))]
    assert verdict(*given, over=None).notices == ()
    assert verdict(*given).notices == ()


def test_all_notices_are_given_at_once() -> None:
    """R-03, R-28, R-29, R-78."""
    given: list[CodeEvent] = [
        issued(A, edition="plus", features=("vpn",), seats=2),
        activated(A, ends=NOON + timedelta(days=1)),
        issued(B),
        activated(B, at=NOON, ends=END, device=OTHER),
    ]
    event = verdict(*given)
    assert event.notices == (
        "seats_exhausted",
        "less_than_full_term",
        "other_edition",
        "fewer_features",
        "fewer_seats",
    )


def test_the_prediction_follows_the_end_that_the_code_of_the_license_knows() -> None:
    """R-73, R-93: a renewal, and a block, that the device does not know of yet."""
    far = NEXT_END.replace(year=2029)
    assert verdict(issued(A), activated(A), renewed(A), issued(B)).predicted_ends_at == far
    soon = NOON + timedelta(days=8)
    blocked_now = verdict(issued(A), activated(A), blocked(A, stops=soon), issued(B))
    assert blocked_now.predicted_ends_at == soon.replace(year=2027)


def test_a_reserve_that_would_end_before_the_renewed_license_is_announced_at_the_add() -> None:
    """R-23, R-72."""
    used: list[CodeEvent] = [issued(B, seats=2), activated(B, at=NOON, ends=END + timedelta(days=90), device=OTHER)]
    assert decided(DECIDER, [issued(A), activated(A), *used], add())[0] == verified(
        B, ends=END + timedelta(days=90), started=NOON, notices=("less_than_full_term",)
    )
    (event,) = decided(DECIDER, [issued(A), activated(A), renewed(A), *used], add())
    assert getattr(event, "reason", None) == "not_later_than_current"


def test_an_old_code_that_was_renewed_after_its_successor_took_over_can_wait_in_reserve() -> None:
    """R-94: nothing flips back; the old code is a code like any other."""
    given: list[CodeEvent] = [
        issued(A),
        activated(A, ends=NOON - timedelta(days=1)),
        issued(C),
        activated(C, at=NOON - timedelta(days=1), ends=END),
        renewed(A, previous=NOON - timedelta(days=1), ends=END + timedelta(days=30)),
    ]
    (event,) = decided(DECIDER, given, add(A, over=C))
    assert isinstance(event, CodeVerified)
    assert event.predicted_ends_at == END + timedelta(days=30)
