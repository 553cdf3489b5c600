"""What becomes of a code that several devices have: its one beginning, its seats, and what each device hears of it."""

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

from services.cli.system import System
from tests.journeys.people import (
    IssuedCode,
    OwnedDevice,
    Shown,
    Time,
    Vendor,
    client,
    end_of_license,
    expect,
    moment,
    reserve_is,
    runs_on,
    was_refused,
)
from tests.journeys.running import wait_until_ready
from tests.journeys.waiting import until

NOT_KNOWN_YET = 404

type NewDevice = Callable[[], OwnedDevice]


def started_at(vendor: Vendor, code: IssuedCode) -> str | None:
    """Return when the code was activated first."""
    started: str | None = vendor.code(code).get("started_at")
    return started


def warns_of(notice: str) -> Callable[[Shown], bool]:
    """Return whether a window warns of the code in reserve."""
    return lambda shown: notice in (shown.get("reserve") or {}).get("notices", ())


# --- told at the add --------------------------------------------------------------------------------


def test_a_code_that_ends_before_the_license_is_refused_at_once(vendor: Vendor, new_device: NewDevice) -> None:
    """R-23, R-72: its end is known, because another device began its term."""
    short, device = vendor.issue("P1M", seats=2), new_device()
    new_device().activates(short)
    device.activates(vendor.issue("P1Y"))
    expect(202, device.add(short))
    shown = device.sees(was_refused("not_later_than_current"))
    assert "reserve" not in shown


def test_a_code_for_fewer_devices_says_how_many_it_leaves_out(vendor: Vendor, new_device: NewDevice) -> None:
    """R-29."""
    current, fewer = vendor.issue(seats=3), vendor.issue("P2Y", seats=1)
    devices = [new_device() for _ in range(3)]
    for device in devices:
        device.activates(current)
    shown = devices[0].keeps_in_reserve(fewer)
    assert "fewer_seats" in shown["reserve"]["notices"]
    [verified] = [event for event in devices[0].history() if event["type"] == "CodeVerified"]
    assert verified["data"]["devices_left_out"] == 2


# --- one beginning -----------------------------------------------------------------------------------


def test_neither_waiting_nor_failing_begins_a_term(vendor: Vendor, new_device: NewDevice, time: Time) -> None:
    """R-68, R-69, R-51: the term is whole when the code is activated at last."""
    code, device = vendor.issue("P1M"), new_device()
    shown = device.activates(vendor.issue("P1M"))
    device.keeps_in_reserve(code)
    assert started_at(vendor, code) is None
    vendor.block(code)
    time.reaches_the_end_of(shown)
    device.sees(reserve_is(code, "refused"))
    assert started_at(vendor, code) is None
    vendor.unblock(code)
    time.passes(days=40)
    expect(202, device.press_activate_now())
    shown = device.sees(runs_on(code))
    assert time.now() - moment(shown["license"]["started_at"]) < timedelta(minutes=1)
    assert end_of_license(shown) - time.now() > timedelta(days=27)


def test_removing_and_adding_again_does_not_begin_the_term_anew(
    vendor: Vendor, new_device: NewDevice, time: Time
) -> None:
    """R-74, R-83, R-84."""
    code, device = vendor.issue("P1Y"), new_device()
    first = device.activates(code)["license"]
    time.passes(days=30)
    expect(202, vendor.http.delete(f"/v1/codes/{code.ref}/devices/{device.device_id}"))
    device.sees(lambda shown: shown["status"] == "unlicensed")
    assert vendor.holders(code) == []
    again = device.activates(code)["license"]
    assert (again["started_at"], again["ends_at"]) == (first["started_at"], first["ends_at"])
    assert vendor.holders(code) == [device.device_id]


def test_when_one_device_begins_a_shared_code_the_other_that_waits_for_it_sees_its_new_end(
    vendor: Vendor, new_device: NewDevice
) -> None:
    """R-73, R-78: with the reason, long before it takes over."""
    shared, waiting, other = vendor.issue("P1Y", seats=2), new_device(), new_device()
    current = waiting.activates(vendor.issue("P6M"))
    before = waiting.keeps_in_reserve(shared)["reserve"]
    assert before["notices"] == []
    ends_at = end_of_license(other.activates(shared))
    shown = waiting.sees(warns_of("less_than_full_term"))
    assert moment(shown["reserve"]["predicted_ends_at"]) == ends_at < moment(before["predicted_ends_at"])
    assert moment(shown["reserve"]["started_at"]) < end_of_license(current)
    assert reserve_is(shared, "ready")(shown)


def test_a_reserve_that_no_longer_outlasts_the_license_is_told_of_long_before_the_switch(
    vendor: Vendor, new_device: NewDevice
) -> None:
    """R-72, R-73: not on the day."""
    shared, waiting = vendor.issue("P1M", seats=2), new_device()
    waiting.activates(vendor.issue("P6M"))
    waiting.keeps_in_reserve(shared)
    new_device().activates(shared)
    shown = waiting.sees(warns_of("not_later_than_current"))
    assert moment(shown["reserve"]["predicted_ends_at"]) < end_of_license(shown)


# --- a code that nobody could verify --------------------------------------------------------------------


def test_a_code_that_was_never_verified_gets_its_whole_check_at_the_switch(
    system: System, vendor: Vendor, new_device: NewDevice, time: Time
) -> None:
    """R-52/53, R-16, R-45: the activation service was away from the add until after the end."""
    good, wrong = vendor.issue(), vendor.issue(product="firewall")
    lucky, unlucky = new_device(), new_device()
    shown = [device.activates(vendor.issue("P1M")) for device in (lucky, unlucky)]
    activation = system.worker("activation")
    activation.kill()
    try:
        expect(202, lucky.add(good))
        expect(202, unlucky.add(wrong))
        _device_time_moves_to(system, max(map(end_of_license, shown)) + timedelta(minutes=1))
        lucky.sees(reserve_is(good, "activating"))
        unlucky.sees(reserve_is(wrong, "activating"))
    finally:
        activation.start()
        wait_until_ready(system)
        time.passes(seconds=1)
    lucky.sees(runs_on(good))
    unlucky.sees(was_refused("wrong_product"))
    assert started_at(vendor, wrong) is None


def _device_time_moves_to(system: System, when: datetime) -> None:
    with client(system, "device", system.credentials.operator_key) as clock:
        expect(200, clock.post("/v1/sandbox/clock", json={"set": when.isoformat()}))


def foreseen(vendor: Vendor, device: OwnedDevice) -> dict[str, Any]:
    """Return what the forecast says of a device's switch."""
    response = vendor.http.get(f"/v1/forecast/{device.device_id}")
    return {} if response.status_code == NOT_KNOWN_YET else expect(200, response)


def test_devices_of_one_code_that_count_on_one_seat_hear_that_one_of_them_will_get_it(
    vendor: Vendor, new_device: NewDevice, time: Time
) -> None:
    """R-85, R-141."""
    current, reserve = vendor.issue("P1M", seats=2), vendor.issue()
    devices = [new_device(), new_device()]
    for device in devices:
        shown = device.activates(current)
        device.keeps_in_reserve(reserve)
    for device, other in (devices, reversed(devices)):
        told = until(lambda: foreseen(vendor, device), lambda told: told.get("contested"))  # noqa: B023 - asked at once
        assert (told["outcome"], told["contested"]) == ("contested", {"seats": 1, "devices": 2})
        assert told["rivals"] == [other.device_id]
    time.reaches_the_end_of(shown)
    settled = [
        device.sees(lambda now: runs_on(reserve)(now) or reserve_is(reserve, "refused")(now)) for device in devices
    ]
    assert sorted(map(runs_on(reserve), settled)) == [False, True]
