"""How fresh what is shown is, how it says so, and that nothing is decided by it: from a purchase to its display."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from time import monotonic
from typing import Any

import httpx
import pytest

from services.cli.system import System
from tests.journeys.people import OwnedDevice, Time, Vendor, end_of_license, expect, moment, reserve_is, runs_on
from tests.journeys.running import wait_until_ready

HOLD = timedelta(days=3)
TARGET_SECONDS = 10.0
"""From purchase to display; it takes a fraction of it, but others use this machine too."""

type NewDevice = Callable[[], OwnedDevice]


@contextmanager
def kafka_away(system: System) -> Iterator[None]:
    """Take Kafka away: what is decided is recorded, and what is shown stays as it was."""
    system.stack.kafka.kill()
    try:
        yield
    finally:
        system.stack.kafka.start()
        wait_until_ready(system)


def waits_for_a_change(device: OwnedDevice, etag: str) -> dict[str, Any]:
    """Hold a request open, as a connected device does, and return what it gets and after how many seconds."""
    began = monotonic()
    headers = {"If-None-Match": etag, "Prefer": "wait=30"}
    answer = expect(200, device.http.get(f"{device.path}/license", headers=headers, timeout=40))
    return {**answer, "seconds": monotonic() - began}


def test_a_purchase_is_on_every_connected_device_within_seconds_and_the_view_says_how_many(
    vendor: Vendor, new_device: NewDevice
) -> None:
    """R-99, R-91: far less than 24 hours, measured from the purchase to what each device is told."""
    code, devices = vendor.issue(seats=3), [new_device() for _ in range(3)]
    ends_at = max(end_of_license(device.activates(code)) for device in devices)
    etags = [device.http.get(f"{device.path}/license").headers["ETag"] for device in devices]
    told: dict[str, dict[str, Any]] = {}

    def wait(device: OwnedDevice, etag: str) -> None:
        told[device.device_id] = waits_for_a_change(device, etag)

    waiting = [threading.Thread(target=wait, args=each) for each in zip(devices, etags, strict=True)]
    for thread in waiting:
        thread.start()
    vendor.sell_renewal(code, f"fresh-{code.ref[:8]}")
    for thread in waiting:
        thread.join(timeout=40)
    assert set(told) == {device.device_id for device in devices}
    for answer in told.values():
        assert end_of_license(answer) > ends_at
        assert answer["seconds"] < TARGET_SECONDS
        assert 0 <= answer["renewal_seconds"] < TARGET_SECONDS


def test_a_bought_renewal_that_is_not_settled_is_shown_as_on_its_way_and_keeps_the_product_going(
    vendor: Vendor, new_device: NewDevice, time: Time
) -> None:
    """R-98, R-103: for a bounded time, and never just "expired"."""
    code, device = vendor.issue("P1M"), new_device()
    shown = device.activates(code)
    assert (shown["renewal_announced"], shown["renewal_expected_by"]) == (False, None)
    time.moves_to(end_of_license(shown) - timedelta(days=1))
    vendor.sell_renewal(code, f"on-its-way-{code.ref[:8]}", settled=False)
    shown = device.sees(lambda shown: shown["renewal_announced"])
    expected_by = moment(shown["renewal_expected_by"])
    assert timedelta() <= time.latest() - (expected_by - HOLD) < timedelta(minutes=1)
    time.reaches_the_end_of(shown)
    over = device.sees(lambda shown: shown["status"] != "active")
    assert (over["status"], over["renewal_announced"]) == ("grace", True)
    assert moment(over["works_until"]) == expected_by
    time.moves_to(expected_by)
    given_up = device.license()
    assert (given_up["status"], given_up["renewal_announced"]) == ("expired", False)
    vendor.sell_renewal(code, f"on-its-way-{code.ref[:8]}")
    assert device.sees(runs_on(code))["renewal_announced"] is False


def test_a_settled_purchase_ends_the_waiting(vendor: Vendor, new_device: NewDevice) -> None:
    """R-98, R-103."""
    code, device, order = vendor.issue("P1M"), new_device(), "settles-soon"
    ends_at = end_of_license(device.activates(code))
    vendor.sell_renewal(code, order, settled=False)
    device.sees(lambda shown: shown["renewal_announced"])
    vendor.sell_renewal(code, order)
    shown = device.sees(lambda shown: end_of_license(shown) > ends_at)
    assert (shown["renewal_announced"], shown["renewal_expected_by"]) == (False, None)


def test_a_status_says_of_when_it_is_and_after_a_day_that_it_is_stale_and_decides_nothing(
    system: System, vendor: Vendor, new_device: NewDevice, time: Time
) -> None:
    """R-100, R-102: without Kafka the display knows no verdict, and says since when."""
    code, first, second, device = vendor.issue("P1Y"), vendor.issue(), vendor.issue(), new_device()
    fresh = device.activates(code)
    assert fresh["stale"] is False
    assert abs(moment(fresh["as_of"]) - time.now()) < timedelta(minutes=1)
    with kafka_away(system):
        expect(202, device.add(first))
        lagging = device.sees(lambda shown: moment(shown["as_of"]) < time.now() - timedelta(seconds=2))
        assert lagging["reserve"]["status"] == "verifying"
        assert expect(409, device.add(second))["code"] == "reserve_exists"
        assert expect(409, device.press_activate_now())["code"] == "not_expired"
        assert device.license()["stale"] is False
        time.passes(hours=24, minutes=1)
        stale = device.license()
        assert (stale["stale"], stale["as_of"]) == (True, lagging["as_of"])
    current = device.sees(lambda shown: reserve_is(first, "ready")(shown) and not shown["stale"])
    assert moment(current["as_of"]) > moment(stale["as_of"])


def test_a_device_that_is_away_knows_how_old_its_answer_is_and_how_long_the_product_works(
    system: System, vendor: Vendor, new_device: NewDevice
) -> None:
    """R-104: what it was told last says all it needs, and at the next contact it hears what it missed."""
    code, device = vendor.issue("P1Y", grace_days=7), new_device()
    device.activates(code)
    last = device.license()
    worker = system.worker("device")
    worker.kill()
    try:
        with pytest.raises(httpx.TransportError):
            device.license()
        vendor.sell_renewal(code, f"while-away-{code.ref[:8]}")
    finally:
        worker.start()
        wait_until_ready(system)
    assert moment(last["works_until"]) == end_of_license(last) + timedelta(days=7)
    assert moment(last["as_of"]) < end_of_license(last)
    back = device.sees(lambda shown: end_of_license(shown) > end_of_license(last))
    assert moment(back["as_of"]) > moment(last["as_of"])
