"""Support at the console of a running system: why is this device unlicensed, and what will an action do to whom."""

import re
from datetime import timedelta

import pytest

from services.cli.system import System
from tests.journeys.at_the_console import Console
from tests.journeys.people import OwnedDevice, Time, Vendor, moment, reserve_is, runs_on
from tests.journeys.waiting import until

BROKEN_BY_THE_BLOCK = r'scope="row">R-[^<]*46[^<]*</th><td[^>]*>code blocked</td><td><span class="pill bad">failed'


@pytest.fixture(scope="module")
def console(system: System) -> Console:
    return Console(system)


def test_support_finds_out_why_a_device_is_unlicensed_and_what_was_done_to_its_code(
    system: System, vendor: Vendor, time: Time, console: Console
) -> None:
    """R-31, R-46, R-54, R-125: from a code as it stands on paper, over the action, to the answer and its evidence."""
    old, new = vendor.issue("P1M"), vendor.issue()
    device = OwnedDevice.enrolled(system)
    device.activates(old)
    ends_at = moment(device.keeps_in_reserve(new)["license"]["ends_at"])

    console.goes_to("/console")
    console.presses("Search", asked=new.text.lower())
    assert console.shown.url.path == f"/console/codes/{new.ref}"
    page = until(
        lambda: console.goes_to(f"/console/codes/{new.ref}/block"), lambda said: "1 device is affected" in said
    )
    assert "takes over on" in page
    assert "code blocked" in page
    assert f'href="/console/devices/{device.device_id}"' in console.shown.text
    assert "The code is blocked." in console.presses("Block it", reason="paid with a stolen card")

    time.moves_to(ends_at + timedelta(minutes=1))
    device.sees(reserve_is(new, "refused"))
    page = until(lambda: console.goes_to(f"/console/devices/{device.device_id}"), lambda said: "Expired" in said)
    assert "is over since" in page
    assert "the code unblocked" in page
    shown = console.shown.text
    assert re.search(
        r'scope="row">R-[^<]*46[^<]*</th><td[^>]*>code blocked</td><td><span class="pill bad">failed', shown
    )
    refused = next(event for event in device.history() if event["type"] == "ActivationRefused")
    assert f'href="#event-{refused["event_id"]}"' in shown
    assert f'id="event-{refused["event_id"]}"' in shown
    assert "decided by the activation service on" in page
    _follows_every_link_to(console, f"/console/codes/{new.ref}")
    assert "paid with a stolen card – Grace, console" in console.page.text

    before = (ends_at - timedelta(days=1)).isoformat().replace("+", "%2B")
    assert "is in force until" in console.goes_to(f"/console/devices/{device.device_id}?at={before}&sense=true")
    assert "Refused" not in console.page.text

    assert new.text not in system.worker("activation").log.read_text()
    assert new.text not in str(console.addresses)


def _follows_every_link_to(console: Console, path: str) -> None:
    links = {link.partition("#")[0] for link in re.findall(r'href="([^"]+)"', console.shown.text)}
    wanted = sorted(link for link in links if link.startswith(path))
    assert wanted
    for link in wanted:
        console.goes_to(link)


def test_support_corrects_the_region_of_a_device(system: System, vendor: Vendor, console: Console) -> None:
    """R-137: with a reason, and told what to write if it is no country."""
    device, code = OwnedDevice.enrolled(system, region="IE"), vendor.issue(regions=["GB"])
    path = f"/console/devices/{device.device_id}/region"
    until(lambda: console.goes_to(f"/console/devices/{device.device_id}"), lambda said: "Correct the region" in said)
    console.goes_to(path)
    with pytest.raises(AssertionError, match="for the United Kingdom write GB"):
        console.presses("Correct it", region="uk", reason="moved")
    console.goes_to(path)
    console.presses("Correct it", region="gb", reason="moved")
    assert console.shown.url.path == f"/console/devices/{device.device_id}"
    assert "corrected from IE to GB" in console.page.text
    assert "moved – Grace, console" in console.page.text
    device.activates(code)


def test_a_seat_is_taken_away_and_the_device_is_told_within_seconds(
    system: System, vendor: Vendor, console: Console
) -> None:
    """R-84, R-25: the reserve takes over as the preview foretold."""
    lost, reserve = vendor.issue(), vendor.issue()
    device = OwnedDevice.enrolled(system)
    device.activates(lost)
    device.keeps_in_reserve(reserve)
    path = f"/console/codes/{lost.ref}"
    until(lambda: console.goes_to(path), lambda _: f"/release?device_id={device.device_id}" in console.shown.text)
    preview = f"{path}/release?device_id={device.device_id}"
    until(lambda: console.goes_to(preview), lambda said: "1 device is affected" in said and "takes over" in said)
    assert "The seat is free." in console.presses("Release it", reason="sold on")
    device.sees(runs_on(reserve))
    page = until(lambda: console.goes_to(f"/console/devices/{device.device_id}"), lambda said: "SeatReleased" in said)
    assert reserve.last_group in page
