"""Support at the console of a running system: why is this device unlicensed, and what will an action do to whom."""

import json
import re
from datetime import timedelta

import pytest

from services.cli.system import System
from shared.ledger.identity import new_id
from tests.journeys.at_the_console import Console
from tests.journeys.browsing import Browser
from tests.journeys.people import OwnedDevice, Time, Vendor, end_of_license, moment, reserve_is, runs_on, was_refused
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


def test_the_home_page_leads_to_the_devices_and_a_device_shows_its_life(
    system: System, vendor: Vendor, time: Time, console: Console
) -> None:
    """R-19, R-99, R-141: what ends, what fails, what was refused; the device is on every list that a number opens."""
    product = f"home-{new_id()}"
    code, reserve, bad = (vendor.issue(term, product=product) for term in ("P2D", "P1Y", "P1Y"))
    device = OwnedDevice.enrolled(system, product=product)
    device.activates(code)
    device.keeps_in_reserve(reserve)
    for blocked in (reserve, bad):
        vendor.block(blocked)
    other = OwnedDevice.enrolled(system, product=product)
    other.add(bad)
    other.sees(was_refused("code_blocked"))
    vendor.sell_renewal(code, order := f"order-{new_id()}", term="P1D")
    renewed = device.sees(lambda shown: shown.get("renewal_seconds") is not None)

    end = end_of_license(renewed).date()
    between = f"expiring_from={end}&amp;expiring_before={end + timedelta(days=1)}"
    leads = (
        between,
        f"days={(end - time.now().date()).days + 1}",
        "/console/renewals",
        "/console/refusals?reason=code_blocked",
    )
    # a count is kept for a while
    until(lambda: console.goes_to("/console"), lambda _: all(lead in console.shown.text for lead in leads))
    assert "device service is not responding" not in console.page.text
    for path in ("/console/renewals", f"/console/devices?{between.replace('&amp;', '&')}"):
        assert path.replace("&", "&amp;") in console.shown.text
        console.goes_to(path)
        assert f"/console/devices/{device.device_id}" in console.shown.text
        console.goes_to("/console")
    console.goes_to("/console/refusals?reason=code_blocked")
    assert f"/console/devices/{other.device_id}" in console.shown.text

    listed = f"/console/devices?product={product}"
    console.goes_to(f"{listed}&status=unlicensed")
    assert (other.device_id in console.page.text, device.device_id in console.page.text) == (True, False)
    lines = console.http.get(f"/console/export/devices.jsonl?product={product}").text.splitlines()
    assert {json.loads(line)["device_id"] for line in lines} == {device.device_id, other.device_id}
    header, row = console.http.get(f"/console/export/codes.csv?product={product}&status=in_use").text.splitlines()
    assert dict(zip(header.split(","), row.split(","), strict=True))["code_ref"] == code.ref

    page = console.goes_to(f"/console/devices/{device.device_id}")
    assert "Its life" in page
    assert console.shown.text.count('class="picture lane"') == 3
    assert f"Renewal {order}" in page
    window = Browser.at_the_window(system, device)
    shown = window.goes_to(f"/devices/{device.device_id}/licensing/history").text
    assert (code.last_group in shown, order in shown, "still waiting" in shown) == (True, True, True)


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
