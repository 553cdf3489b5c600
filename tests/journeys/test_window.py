"""The Licensing window on the real system, without JavaScript: the article's steps, and what people do beside them."""

import threading
from collections.abc import Callable
from time import monotonic

import httpx
import pytest

from services.cli.system import System
from services.device.window.links import LINK_VALID, DeviceCredential, new_link
from shared.calendar import instant
from shared.keys.signing import KeyRing
from shared.ledger.clock import machine_now
from shared.ledger.code_generator import new_code
from shared.ledger.identity import hash_of
from tests.journeys.browsing import Browser, link_to
from tests.journeys.people import (
    PRODUCT,
    IssuedCode,
    OwnedDevice,
    Time,
    Vendor,
    end_of_license,
    expect,
    moment,
    reserve_is,
    runs_on,
    was_refused,
)
from tests.journeys.running import wait_until_ready
from tests.journeys.waiting import until

FOLLOWS_SECONDS_MAX = 1.0

type NewDevice = Callable[[], OwnedDevice]


def masked(code: IssuedCode) -> str:
    return f"•••••-•••••-•••••-{code.last_group}"


@pytest.fixture
def device(new_device: NewDevice) -> OwnedDevice:
    """A device of the test's own."""
    return new_device()


# --- the article, step by step ---------------------------------------------------------------------------


def test_the_articles_steps(system: System, vendor: Vendor, device: OwnedDevice, time: Time) -> None:
    """R-01, R-08, R-10, R-12, R-13, R-31, R-38, R-56."""
    current, new = vendor.issue(), vendor.issue()
    shown = device.activates(current)
    ends_at = end_of_license(shown)
    browser = Browser.at_the_window(system, device)
    assert f"License: {shown['days_remaining']} days remaining" in browser.page.text
    assert masked(current) in browser.page.text
    browser.presses("Enter activation code")
    verified = browser.presses(
        "Add", **dict(zip(("group1", "group2", "group3", "group4"), new.text.split("-"), strict=True))
    )
    assert "Verified, in reserve" in verified.text
    window = browser.presses("Done")
    assert masked(new) in window.text
    predicted = moment(device.license()["reserve"]["predicted_ends_at"])
    assert {instant(ends_at), instant(predicted)} <= set(window.instants)
    assert not window.offers("Activate now")
    assert "Activate now becomes available on" in window.text
    time.reaches_the_end_of(shown)
    device.sees(runs_on(new))
    renewed = browser.goes_to(f"/devices/{device.device_id}/licensing")
    assert "days remaining" in renewed.title
    assert masked(new) in renewed.text
    assert renewed.offers("Enter activation code")
    assert not any("Activate now" in form.button for form in renewed.forms)


def test_on_a_device_without_a_license_a_code_is_activated_at_once(
    system: System, vendor: Vendor, device: OwnedDevice
) -> None:
    """R-04."""
    browser = Browser.at_the_window(system, device)
    assert "No license" in browser.page.text
    added = browser.enters(vendor.issue().text)
    assert "days remaining" in added.text


def test_a_code_that_is_refused_says_why_and_what_to_do(system: System, vendor: Vendor, device: OwnedDevice) -> None:
    """R-15, R-19, R-22."""
    current, wrong = vendor.issue(), vendor.issue(product="vpn")
    device.activates(current)
    browser = Browser.at_the_window(system, device)
    refused = browser.enters(wrong.text)
    assert "The code is for a different product" in refused.text
    assert "Install the product that the code is for" in refused.text
    browser.presses("Enter the code again")
    same = browser.presses("Add", group1=current.text)
    assert "The code is the current license of this device." in same.text
    assert "reserve" not in device.license()


def test_after_a_refused_switch_activate_now_tries_again_and_twice_is_once(
    system: System, vendor: Vendor, device: OwnedDevice, time: Time
) -> None:
    """R-46, R-59, R-09."""
    shown, new = device.activates(vendor.issue("P1M")), vendor.issue()
    device.keeps_in_reserve(new)
    vendor.block(new)
    time.reaches_the_end_of(shown)
    device.sees(lambda seen: (seen.get("reserve") or {}).get("status") == "refused")
    browser = Browser.at_the_window(system, device)
    assert "The vendor has blocked the code." in browser.page.text
    vendor.unblock(new)
    form = browser.page.form("Activate now")
    activated = browser.presses("Activate now")
    assert "days remaining" in activated.text
    again = browser.sends(form)
    assert "days remaining" in again.text
    assert device.event_names().count("ActivateNow") == 1
    assert vendor.holders(new) == [device.device_id]


def test_a_page_drawn_before_the_end_and_clicked_after_the_switch_changes_nothing(
    system: System, vendor: Vendor, device: OwnedDevice, time: Time
) -> None:
    """R-57, R-61."""
    shown, new = device.activates(vendor.issue("P1M")), vendor.issue()
    device.keeps_in_reserve(new)
    browser = Browser.at_the_window(system, device)
    form = browser.page.form("Activate now")
    early = browser.sends(form)
    assert "The license of this device is still active." in early.text
    browser.goes_to(f"/devices/{device.device_id}/licensing")
    form = browser.page.form("Activate now")
    time.reaches_the_end_of(shown)
    after = device.sees(runs_on(new))
    late = browser.sends(form)
    assert "The code is already the license of this device." in late.text
    assert device.license()["license"] == after["license"]


def test_a_second_code_replaces_the_first_only_when_it_is_said(
    system: System, vendor: Vendor, device: OwnedDevice
) -> None:
    """R-20, R-24."""
    device.activates(vendor.issue())
    first, second = vendor.issue(), vendor.issue()
    browser = Browser.at_the_window(system, device)
    browser.enters(first.text)
    browser.presses("Done")
    refused = browser.enters(second.text)
    assert "Another code is already in reserve on this device" in refused.text
    browser.presses("Enter the code again")
    replaced = browser.presses("Add", group1=second.text, replace="yes")
    device.sees(reserve_is(second, "ready"))
    assert masked(second) in replaced.text
    browser.presses("Done")
    removed = browser.presses("Remove this code")
    assert masked(second) not in removed.text
    assert "reserve" not in device.license()


def test_check_now_shows_what_is_true(system: System, vendor: Vendor, device: OwnedDevice) -> None:
    """R-90, R-101."""
    code = vendor.issue()
    device.activates(code)
    browser = Browser.at_the_window(system, device)
    vendor.sell_renewal(code, f"window-{device.device_id}")
    renewed = until(lambda: browser.presses("Check now"), lambda page: "License: 7" in page.text)
    assert "days remaining" in renewed.text


# --- forms, links and cookies -----------------------------------------------------------------------------------


def test_a_double_click_on_add_is_one_add(system: System, vendor: Vendor, device: OwnedDevice) -> None:
    """R-09: both at the same moment, then Back and once more."""
    device.activates(vendor.issue())
    browser, code = Browser.at_the_window(system, device), vendor.issue()
    browser.presses("Enter activation code")
    form = browser.page.form("Add")
    filled, cookies = {**form.fields, "group1": code.text}, dict(browser.http.cookies)
    url, statuses = f"{system.worker('device').url}{form.action}", list[int]()

    def click() -> None:
        statuses.append(httpx.post(url, data=filled, cookies=cookies, timeout=20, trust_env=False).status_code)

    clicks = [threading.Thread(target=click) for _ in range(2)]
    for each in clicks:
        each.start()
    for each in clicks:
        each.join()
    assert statuses == [303, 303]
    browser.sends(form, group1=code.text)
    assert device.event_names().count("CodeAdded") == 2  # one for the license itself


def test_a_link_that_is_over_and_one_for_another_device_open_nothing(system: System, new_device: NewDevice) -> None:
    """R-109."""
    mine, yours = new_device(), new_device()
    keys = KeyRing.read(system.signing_key_file("device"))
    old, _ = new_link(keys, DeviceCredential(mine.device_id, hash_of(mine.token)), now=machine_now() - LINK_VALID)
    browser = Browser(system)
    assert "too old" in browser.goes_to(f"/devices/{mine.device_id}/licensing?link={old}").text
    assert browser.status == 401
    foreign = link_to(mine).replace(mine.device_id, yours.device_id, 1)
    assert "another device" in browser.goes_to(foreign).text
    assert browser.status == 403
    assert not browser.http.cookies


def test_a_cookie_of_another_device_and_a_form_without_its_token_do_nothing(
    system: System, new_device: NewDevice
) -> None:
    """R-109."""
    mine, yours = new_device(), new_device()
    browser = Browser.at_the_window(system, mine)
    (cookie,) = browser.http.cookies.jar
    theirs = browser.http.get(
        f"/devices/{yours.device_id}/licensing", headers={"Cookie": f"{cookie.name}={cookie.value}"}
    )
    assert theirs.status_code == 403
    before = mine.event_names()
    form = browser.page.form("Check now")
    for forged in ({"form": ""}, {"form": "0" * 64}):
        assert "Nothing was done" in browser.sends(form, **forged).text
        assert browser.status == 403
    assert mine.event_names() == before


def test_an_overlong_or_scripted_code_is_a_sentence_beside_the_field(
    system: System, vendor: Vendor, device: OwnedDevice
) -> None:
    """R-06."""
    device.activates(vendor.issue())
    before = device.event_names()
    browser = Browser.at_the_window(system, device)
    browser.presses("Enter activation code")
    for typed in ("X" * 4_000, "<script>alert(1)</script>", "A" * 19):
        page = browser.presses("Add", group1=typed)
        assert browser.status == 422
        assert "A code has 20 symbols" in page.text or "contains" in page.text
    assert device.event_names() == before


def test_no_code_is_in_any_address_page_or_log(system: System, vendor: Vendor, device: OwnedDevice) -> None:
    """R-112."""
    current, new = vendor.issue(), vendor.issue()
    device.activates(current)
    browser = Browser.at_the_window(system, device)
    browser.enters(new.text[:-1])
    browser.presses("Add", group1=new.text)
    log = system.worker("device").log.read_text()
    for code in (current, new):
        for form in (code.text, code.text.replace("-", "")):
            assert not any(form in address for address in browser.addresses)
            assert form not in browser.page.text
            assert form not in log
    assert "link=" not in log


# --- following the log ----------------------------------------------------------------------------------------


def test_an_open_page_hears_of_a_change_within_a_second(system: System, vendor: Vendor, device: OwnedDevice) -> None:
    """The stream names the tag of what is shown; the page behind it is the same for everybody."""
    device.activates(vendor.issue())
    browser = Browser.at_the_window(system, device)
    with browser.http.stream("GET", f"/devices/{device.device_id}/licensing/stream") as stream:
        lines = stream.iter_lines()
        first = next(line for line in lines if line.startswith("data: "))
        device.add(vendor.issue())
        added_at = monotonic()
        changed = next(line for line in lines if line.startswith("data: ") and line != first)
    assert monotonic() - added_at < FOLLOWS_SECONDS_MAX
    assert changed != first


def test_a_service_that_stops_ends_its_streams_and_the_window_stays_open(
    system: System, vendor: Vendor, device: OwnedDevice
) -> None:
    """A restart closes nobody's window, and an open window does not hold up a restart."""
    device.activates(vendor.issue())
    browser, worker = Browser.at_the_window(system, device), system.worker("device")
    try:
        with browser.http.stream("GET", f"/devices/{device.device_id}/licensing/stream") as stream:
            lines = stream.iter_lines()
            next(lines)
            began = monotonic()
            worker.stop()
            list(lines)
        stopped_seconds = monotonic() - began
    finally:
        worker.start()
        wait_until_ready(system)
    assert stopped_seconds < 10
    browser.goes_to(f"/devices/{device.device_id}/licensing")
    assert browser.status == 200


def test_too_many_unknown_codes_make_the_device_wait_and_say_until_when(system: System, device: OwnedDevice) -> None:
    """R-107."""
    browser = Browser.at_the_window(system, device)
    for _ in range(20):
        if not any(browser.page.offers(name) for name in ("Enter activation code", "Enter the code again")):
            break
        browser.goes_to(f"/devices/{device.device_id}/licensing/code")
        browser.presses("Add", group1=new_code().reveal())
    device.sees(lambda seen: seen["adding_available_at"] is not None or was_refused("throttled")(seen))
    waits = browser.goes_to(f"/devices/{device.device_id}/licensing")
    assert "You can enter the next code on" in waits.text
    assert not waits.offers("Enter activation code")


# --- what stands in the way of the code in reserve ------------------------------------------------------

NOTHING_TO_DO = "You do not need to do anything."


def foreseen(vendor: Vendor, device: OwnedDevice) -> str | None:
    """Return the outcome that the forecast gives a device's switch."""
    answer: dict[str, str] = vendor.http.get(f"/v1/forecast/{device.device_id}").json()
    return answer.get("outcome")


def window_says(system: System, device: OwnedDevice, words: str) -> str:
    """Return the text of the device's window once it says `words`."""
    browser = Browser.at_the_window(system, device)
    return until(lambda: browser.goes_to(f"/devices/{device.device_id}/licensing").text, lambda said: words in said)


def test_the_window_says_that_a_code_will_be_refused_and_what_to_do(
    system: System, vendor: Vendor, new_device: NewDevice
) -> None:
    """R-46, R-85, R-141: where the forecast says so, for want of a seat and for a block."""
    reserve, first, second = vendor.issue(), new_device(), new_device()
    for device, term in ((first, "P1M"), (second, "P2M")):
        device.activates(vendor.issue(term))
        device.keeps_in_reserve(reserve)
    until(lambda: (foreseen(vendor, first), foreseen(vendor, second)), lambda told: told == ("switches", "fails"))
    said = window_says(system, second, "Will be refused")
    assert "All its seats are taken, or will be taken by devices that come before this one." in said
    assert "or enter another code" in said
    assert NOTHING_TO_DO not in said
    assert NOTHING_TO_DO in window_says(system, first, "Verified, in reserve")
    vendor.block(reserve)
    until(lambda: foreseen(vendor, first), lambda outcome: outcome == "fails")
    said = window_says(system, first, "Will be refused")
    assert "The vendor has blocked the code." in said
    assert NOTHING_TO_DO not in said
    vendor.unblock(reserve)
    assert NOTHING_TO_DO in window_says(system, first, "Verified, in reserve")


def test_the_window_says_that_chance_decides_who_gets_a_seat(
    system: System, vendor: Vendor, new_device: NewDevice
) -> None:
    """R-141."""
    current, reserve = vendor.issue("P1M", seats=2), vendor.issue()
    devices = [new_device(), new_device()]
    for device in devices:
        device.activates(current)
        device.keeps_in_reserve(reserve)
    for device in devices:
        said = window_says(system, device, "Contested")
        assert "1 of 2 will get it, whichever come first." in said
        assert NOTHING_TO_DO not in said


def test_the_window_says_that_another_installation_does_not_fit_the_code(
    system: System, vendor: Vendor, new_device: NewDevice
) -> None:
    """R-48, R-141."""
    device = new_device()
    device.activates(vendor.issue())
    device.keeps_in_reserve(vendor.issue("P2Y", version_max="2.9"))
    assert NOTHING_TO_DO in window_says(system, device, "Verified, in reserve")
    expect(202, device.http.put(f"{device.path}/installation", json={"product": PRODUCT, "product_version": "3.0"}))
    said = window_says(system, device, "Will be refused")
    assert "Install a version that the code supports before that day" in said
    assert NOTHING_TO_DO not in said
