"""What a device reports: its enrollment, what is installed, its contacts."""

from datetime import timedelta
from typing import Literal

import pytest

from services.device.decider import DECIDER, POLICY, Device, DeviceEvent, EnrollDevice, status
from shared.messages import CloneSuspicionEnded, DeviceClockObserved, DeviceEnrolled, InstallationChanged
from shared.rules.decider import Refused
from tests.device.commands import add, click, contact, install, new_token, retry_timer
from tests.device.histories import (
    ACTIVE,
    READY,
    REFUSED,
    SUSPECTED,
    UNLICENSED,
)
from tests.scenarios import (
    LATER,
    NOON,
    ORDER,
    OTHER,
    B,
    C,
    D,
    decided,
    expired,
    refused,
    scenario,
    state_after,
    suspected,
    verified,
)

MINUTE = timedelta(minutes=1)
HOUR = timedelta(hours=1)


def enroll(part_of: str | None = None) -> EnrollDevice:
    return EnrollDevice(
        device_id=D, at=NOON, request_id=ORDER, product="security", region="DE", part_of=part_of, product_version="21.3"
    )


def test_an_add_on_product_is_enrolled_as_part_of_its_device() -> None:
    """R-42: with a license and a slot of its own, for its stream is its own."""
    (event,) = DECIDER.decide(enroll(OTHER), {})
    assert isinstance(event, DeviceEnrolled)
    assert (event.device_id, event.part_of, event.product_version) == (D, OTHER, "21.3")
    state = DECIDER.evolve(Device(), event)
    assert (state.part_of, state.product_version) == (OTHER, "21.3")
    assert DECIDER.streams(add(B)) == (D,)
    scenario(DECIDER, given=[event], when=enroll(OTHER), then=[])


@pytest.mark.parametrize("other", [{"product": "backup"}, {"region": "FR"}, {"vendor": "rival"}])
def test_a_device_that_is_enrolled_again_as_something_else_is_refused(other: dict[str, str]) -> None:
    """R-133: its version may be another one, which a fleet tool need not know."""
    scenario(DECIDER, given=UNLICENSED, when=enroll().model_copy(update={"product_version": "22"}), then=[])
    with pytest.raises(Refused) as refusal:
        decided(DECIDER, UNLICENSED, enroll().model_copy(update=other))
    assert refusal.value.code == "device_exists"


def test_an_id_is_not_enrolled_as_part_of_another_device() -> None:
    """R-42, R-109."""
    with pytest.raises(Refused) as refusal:
        decided(DECIDER, UNLICENSED, enroll(OTHER))
    assert refusal.value.code == "device_exists"


def test_a_device_that_comes_back_after_the_end_is_switched_at_its_first_contact() -> None:
    """R-37: its timer may not have fired yet."""
    back = contact().model_copy(update={"at": LATER})
    scenario(DECIDER, given=READY, when=back, then=[expired(reserve=B, at=LATER)])
    scenario(DECIDER, given=ACTIVE, when=back, then=[expired(at=LATER)])


def test_another_version_is_recorded_and_the_same_one_is_not() -> None:
    """R-48."""
    changed = InstallationChanged(
        policy_version=POLICY.version, device_id=D, product="security", region="DE", product_version="22.1"
    )
    scenario(DECIDER, given=READY, when=install("22.1"), then=[changed])
    scenario(DECIDER, given=[*READY, changed], when=install("22.1"), then=[])
    scenario(DECIDER, given=READY, when=install(None), then=[])


def test_the_next_check_of_a_code_uses_what_is_installed_then() -> None:
    """R-45, R-48."""
    changed = InstallationChanged(device_id=D, product="backup", region="DE", product_version="22.1")
    for history, order in ((READY, add(C, replace=True)), (REFUSED, click(LATER))):
        (event,) = decided(DECIDER, [*history, changed], order)
        assert getattr(event, "product", None) == "backup"
        assert getattr(event, "product_version", None) == "22.1"


def test_the_users_choices_for_a_discounted_code_go_along_with_every_attempt() -> None:
    """R-30."""
    (said,) = decided(DECIDER, ACTIVE, add(B, prior_ref=C, accepts_short_term=True))
    history: list[DeviceEvent] = [*ACTIVE, said, verified(B)]
    ends = decided(DECIDER, history, retry_timer(LATER))
    failed: list[DeviceEvent] = [*history, *ends, refused(B, "seats_exhausted")]
    for event in (said, *ends, *decided(DECIDER, failed, click(LATER))):
        assert (getattr(event, "prior_ref", None), getattr(event, "accepts_short_term", None)) == (C, True)


def unsuspected(cause: Literal["new_token", "counted_on"]) -> CloneSuspicionEnded:
    return CloneSuspicionEnded(policy_version=POLICY.version, device_id=D, cause=cause)


def clock(seconds: int, *, deviates: bool) -> DeviceClockObserved:
    return DeviceClockObserved(policy_version=POLICY.version, device_id=D, offset_seconds=seconds, deviates=deviates)


def test_a_sequence_that_a_clone_has_overtaken_is_noticed() -> None:
    """R-88."""
    scenario(DECIDER, given=ACTIVE, when=contact(8), then=[])
    scenario(DECIDER, given=ACTIVE, when=contact(0, last=None), then=[])
    scenario(DECIDER, given=ACTIVE, when=contact(6), then=[suspected(expected=8, received=6)])
    scenario(DECIDER, given=ACTIVE, when=contact(3), then=[suspected(expected=8, received=3)])


def test_a_clone_that_lags_behind_is_recorded_once() -> None:
    """R-88."""
    told: list[DeviceEvent] = [*ACTIVE, suspected(expected=8, received=3)]
    scenario(DECIDER, given=told, when=contact(4), then=[])
    scenario(DECIDER, given=told, when=contact(5, last=9), then=[suspected(expected=10, received=5)])
    assert state_after(DECIDER, told).clone_expected == 8


def test_a_number_that_comes_again_once_is_a_lost_answer() -> None:
    """R-138."""
    scenario(DECIDER, given=ACTIVE, when=contact(7), then=[])
    scenario(DECIDER, given=ACTIVE, when=contact(7, repeated_sequence=5), then=[])


@pytest.mark.parametrize("repeated", [7, 6])
def test_a_number_that_comes_a_third_time_or_after_another_that_came_twice_is_a_clone(repeated: int) -> None:
    """R-88, R-138: a clone may count in step."""
    again = contact(7, repeated_sequence=repeated)
    scenario(DECIDER, given=ACTIVE, when=again, then=[suspected(expected=8, received=7)])


def test_a_suspicion_ends_with_enough_contacts_in_a_row_that_count_on() -> None:
    """R-138."""
    enough = POLICY.clone_sound_contacts
    for counted_on in range(enough - 1):
        scenario(DECIDER, given=SUSPECTED, when=contact(counted_on=counted_on), then=[])
    ended = unsuspected("counted_on")
    scenario(DECIDER, given=SUSPECTED, when=contact(counted_on=enough - 1), then=[ended])
    scenario(DECIDER, given=[*SUSPECTED, ended], when=contact(counted_on=enough), then=[])
    assert state_after(DECIDER, [*SUSPECTED, ended]) == state_after(DECIDER, ACTIVE)


def test_a_suspicion_ends_with_a_new_token() -> None:
    """R-138."""
    scenario(DECIDER, given=SUSPECTED, when=new_token(), then=[unsuspected("new_token")])
    scenario(DECIDER, given=ACTIVE, when=new_token(), then=[])
    ended: list[DeviceEvent] = [*SUSPECTED, unsuspected("new_token")]
    assert state_after(DECIDER, ended) == state_after(DECIDER, ACTIVE)
    scenario(DECIDER, given=ended, when=contact(3), then=[suspected(expected=8, received=3)])


@pytest.mark.parametrize("seconds", [3600, -3600, 301])
def test_a_clock_that_is_off_is_noticed_and_changes_nothing(seconds: int) -> None:
    """R-62, R-111."""
    off = contact(off=timedelta(seconds=seconds))
    scenario(DECIDER, given=READY, when=off, then=[clock(seconds, deviates=True)])
    after = state_after(DECIDER, [*READY, clock(seconds, deviates=True)])
    assert (after.clock_deviates, after.clock_offset_seconds) == (True, seconds)
    assert (after.license, status(after, NOON)) == (state_after(DECIDER, READY).license, "active")


def test_a_clock_is_recorded_when_it_begins_and_stops_deviating() -> None:
    """R-111."""
    scenario(DECIDER, given=ACTIVE, when=contact(off=5 * MINUTE), then=[])
    off: list[DeviceEvent] = [*ACTIVE, clock(3600, deviates=True)]
    scenario(DECIDER, given=off, when=contact(off=2 * HOUR), then=[])
    scenario(DECIDER, given=off, when=contact(off=None), then=[])
    scenario(DECIDER, given=off, when=contact(off=MINUTE), then=[clock(60, deviates=False)])
