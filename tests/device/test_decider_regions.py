"""The region of a device is corrected, and the codes that wait on it are looked at again."""

from uuid import UUID

import pytest

from services.device.decider import DECIDER, CorrectRegion, DeviceEvent, Reserve
from tests.device.commands import add, expiry_timer, says
from tests.device.histories import (
    ACTIVATING,
    ACTIVE,
    ASKED_AGAIN,
    OVERTAKEN,
    READY,
    REFUSED,
    REFUSED_THERE,
    REPLACING,
    RESERVE_KEPT,
    TRIAL_ENDING,
    VERIFYING,
)
from tests.scenarios import (
    END,
    LATER,
    NOON,
    ORDER,
    B,
    C,
    D,
    again,
    asked_again,
    corrected,
    decided,
    expired,
    expiry,
    rejected,
    scenario,
    state_after,
    verified,
)


def moves(region: str = "FR", *, note: str = "") -> CorrectRegion:
    """An operator corrects the region, after the end of the license."""
    return CorrectRegion(device_id=D, at=LATER, request_id=ORDER, region=region, note=note)


def says_so(region: str = "FR") -> CorrectRegion:
    """An operator corrects the region, while the license runs."""
    return CorrectRegion(device_id=D, at=NOON, request_id=ORDER, region=region)


def reserve_after(history: list[DeviceEvent]) -> Reserve:
    reserve = state_after(DECIDER, history).reserve
    assert reserve is not None
    return reserve


def names(history: list[DeviceEvent], command: CorrectRegion) -> list[str]:
    return [type(event).__name__ for event in decided(DECIDER, history, command)]


def test_a_region_is_corrected_once_and_every_request_from_then_on_names_it() -> None:
    """R-137."""
    noted = says_so().model_copy(update={"note": "moved"})
    fact = corrected("FR", note="moved")
    scenario(DECIDER, given=ACTIVE, when=noted, then=[fact])
    scenario(DECIDER, given=[*ACTIVE, fact], when=noted, then=[])
    for command in (add(B), expiry_timer(END)):
        assert [getattr(event, "region", None) for event in decided(DECIDER, [*ACTIVE, fact], command)] == ["FR"]
    assert state_after(DECIDER, [*ACTIVE, fact]) == state_after(DECIDER, ACTIVE).but(region="FR")


@pytest.mark.parametrize(("history", "was_good"), [(READY, True), (VERIFYING, False)])
def test_a_waiting_code_is_verified_again_for_the_region(history: list[DeviceEvent], was_good: bool) -> None:
    """R-137: its verdict, or the one on its way, was about another region."""
    again_asked = asked_again(B, verified_before=was_good)
    scenario(DECIDER, given=history, when=says_so(), then=[corrected("FR"), again_asked])
    asked = [*history, corrected("FR"), again_asked]
    assert reserve_after(asked).status == "verifying"
    scenario(DECIDER, given=asked, when=says(verified(B)), then=[])
    answer = verified(B).but(request_id=again(B))
    scenario(DECIDER, given=asked, when=says(answer), then=[answer])
    scenario(DECIDER, given=[*asked, answer], when=says(answer), then=[])
    assert reserve_after([*asked, answer]).status == "ready"


def test_a_code_that_was_good_stays_and_says_why_it_is_no_longer() -> None:
    """R-46, R-137: a region corrected wrongly takes nothing away."""
    answer = rejected(B, "wrong_region").but(request_id=again(B))
    scenario(DECIDER, given=ASKED_AGAIN, when=says(answer), then=[answer])
    reserve = reserve_after([*ASKED_AGAIN, answer])
    assert (reserve.status, reserve.reason) == ("refused", "wrong_region")
    back = CorrectRegion(device_id=D, at=NOON, request_id=UUID(int=9), region="DE")
    assert names([*ASKED_AGAIN, answer], back) == ["RegionCorrected", "VerificationRepeated"]
    # at the end of the license it is tried all the same
    tried = decided(DECIDER, [*ASKED_AGAIN, answer], expiry_timer(END))
    assert tried == [expired(reserve=B).but(region="FR")]


def test_a_code_that_was_never_good_is_not_kept() -> None:
    """R-15, R-137."""
    answer = rejected(B, "wrong_region").but(request_id=again(B))
    asked: list[DeviceEvent] = [*VERIFYING, corrected("FR"), asked_again(B), answer]
    assert state_after(DECIDER, asked).reserve is None


def test_both_waiting_codes_are_verified_again() -> None:
    """R-20, R-137."""
    then = [corrected("FR"), asked_again(B, verified_before=True), asked_again(C)]
    scenario(DECIDER, given=REPLACING, when=says_so(), then=then)


def test_a_code_that_the_other_region_refused_at_the_switch_is_tried_again() -> None:
    """R-50, R-137: nobody has to press a button."""
    first, attempt = decided(DECIDER, REFUSED_THERE, moves())
    assert first == corrected("FR")
    assert (type(attempt).__name__, getattr(attempt, "region", None)) == ("ActivationRetried", "FR")
    scenario(DECIDER, given=REFUSED, when=moves(), then=[corrected("FR")])


@pytest.mark.parametrize("history", [ACTIVATING, TRIAL_ENDING])
def test_an_attempt_that_runs_is_made_again_for_the_region(history: list[DeviceEvent]) -> None:
    """R-60, R-137: what the other region answers is no longer waited for."""
    (*_, attempt) = decided(DECIDER, history, says_so())
    assert (type(attempt).__name__, getattr(attempt, "region", None)) == ("ActivationRetried", "FR")
    after = state_after(DECIDER, [*history, *decided(DECIDER, history, says_so())])
    assert after.reserve is not None
    assert after.reserve.attempt_request_id not in (expiry(), None)


def test_a_code_that_waits_for_a_license_that_runs_on_is_only_verified() -> None:
    """R-34, R-137."""
    assert names(OVERTAKEN, moves()) == ["RegionCorrected", "VerificationRepeated"]


def test_a_code_that_is_held_is_not_tried_by_itself() -> None:
    """R-25, R-137."""
    asked = [*RESERVE_KEPT, *decided(DECIDER, RESERVE_KEPT, says_so())]
    answer = verified(B).but(request_id=again(B))
    scenario(DECIDER, given=asked, when=says(answer), then=[answer])
