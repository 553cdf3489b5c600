"""Enrollment is rate-limited per client address, in bounded memory."""

import pytest

from shared.doors import throttle
from shared.doors.throttle import Throttle


class Watch:
    """A clock that a test moves."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Watch:
    """Seconds since the test began."""
    return Watch()


@pytest.fixture
def throttled(clock: Watch) -> Throttle:
    """Six a minute: one in ten seconds."""
    return Throttle(per_minute=6, seconds=clock)


def used_up(throttle: Throttle, address: str) -> None:
    """Take all that the address may take at once."""
    assert [throttle.wait_seconds(address) for _ in range(6)] == [0.0] * 6


def test_an_address_may_use_up_its_minute_at_once_and_then_waits(throttled: Throttle, clock: Watch) -> None:
    used_up(throttled, "192.0.2.1")
    assert throttled.wait_seconds("192.0.2.1") == pytest.approx(10)
    clock.now += 4
    assert throttled.wait_seconds("192.0.2.1") == pytest.approx(6)
    clock.now += 6
    assert throttled.wait_seconds("192.0.2.1") == 0.0


def test_an_hour_of_silence_earns_no_more_than_a_minute(throttled: Throttle, clock: Watch) -> None:
    used_up(throttled, "192.0.2.1")
    clock.now += 3_600
    used_up(throttled, "192.0.2.1")
    assert throttled.wait_seconds("192.0.2.1") > 0


def test_addresses_do_not_starve_each_other(throttled: Throttle) -> None:
    used_up(throttled, "192.0.2.1")
    used_up(throttled, "192.0.2.2")


@pytest.mark.parametrize("neighbour", ["2001:db8::2", "2001:db8::ffff:1"])
def test_all_addresses_of_one_ipv6_network_count_as_one(neighbour: str, throttled: Throttle) -> None:
    used_up(throttled, "2001:db8::1")
    assert throttled.wait_seconds(neighbour) > 0
    assert throttled.wait_seconds("2001:db8:0:1::1") == 0.0


def test_an_ipv4_address_mapped_to_ipv6_counts_as_the_ipv4_address(throttled: Throttle) -> None:
    used_up(throttled, "192.0.2.1")
    assert throttled.wait_seconds("::ffff:192.0.2.1") > 0
    assert throttled.wait_seconds("::ffff:192.0.2.2") == 0.0


def test_when_memory_is_full_the_address_that_was_quiet_longest_is_forgotten(
    throttled: Throttle, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(throttle, "ADDRESSES_MAX", 3)
    used_up(throttled, "quiet")
    for name in ("a", "b", "c"):
        throttled.wait_seconds(name)
    assert throttled.wait_seconds("quiet") == 0.0
    assert len(throttled._buckets) == 3
