"""What a device reports: its enrollment, what is installed, its contacts."""

from datetime import timedelta

import pytest

from services.device.decider import DECIDER, POLICY, Device, DeviceEvent, EnrollDevice, status
from shared.messages import CloneSuspected, DeviceClockObserved, DeviceEnrolled, InstallationChanged
from shared.rules.decider import Refused
from tests.device.commands import add, click, contact, install, retry_timer
from tests.device.histories import (
    ACTIVE,
    READY,
    REFUSED,
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


def clone(expected: int, received: int) -> CloneSuspected:
    return CloneSuspected(policy_version=POLICY.version, device_id=D, expected=expected, received=received)


def clock(seconds: int, *, deviates: bool) -> DeviceClockObserved:
    return DeviceClockObserved(policy_version=POLICY.version, device_id=D, offset_seconds=seconds, deviates=deviates)


def test_a_sequence_that_a_clone_has_overtaken_is_noticed() -> None:
    """R-88."""
    scenario(DECIDER, given=ACTIVE, when=contact(8), then=[])
    scenario(DECIDER, given=ACTIVE, when=contact(0, last=None), then=[])
    scenario(DECIDER, given=ACTIVE, when=contact(7), then=[clone(8, 7)])
    scenario(DECIDER, given=ACTIVE, when=contact(3), then=[clone(8, 3)])


def test_a_clone_that_lags_behind_is_recorded_once() -> None:
    """R-88."""
    told: list[DeviceEvent] = [*ACTIVE, clone(8, 3)]
    scenario(DECIDER, given=told, when=contact(4), then=[])
    scenario(DECIDER, given=told, when=contact(5, last=9), then=[clone(10, 5)])
    assert state_after(DECIDER, told).clone_expected == 8


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
