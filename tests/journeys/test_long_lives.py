"""Licenses that are renewed again and again, by shops as they are: over a year, and told late."""

import json
from base64 import urlsafe_b64decode
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta

from services.cli.system import System
from shared.calendar import instant
from shared.ledger.identity import new_id
from shared.rules.term import end_of
from tests.journeys.browsing import Browser
from tests.journeys.people import OwnedDevice, Time, Vendor, end_of_license, expect, moment, runs_on

type NewDevice = Callable[[], OwnedDevice]


def next_31_january(time: Time) -> datetime:
    """Return noon of the next 31 January by the sandbox's time."""
    now = time.latest()
    noons = (datetime(year, 1, 31, 12, tzinfo=UTC) for year in (now.year, now.year + 1))
    return next(noon for noon in noons if noon > now + timedelta(hours=1))


def sees_end(device: OwnedDevice, day: date) -> datetime:
    """Wait until the device shows an end on this day, and return it."""
    return end_of_license(device.sees(lambda shown: end_of_license(shown).date() == day))


def works_until_by_document(device: OwnedDevice) -> datetime:
    """Return until when the product works by the device's license document."""
    answer = device.http.get(f"{device.path}/license/document")
    assert answer.status_code == 200, answer.text
    payload = answer.text.split(".")[1]
    return moment(json.loads(urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))["works_until"])


def test_what_was_paid_alike_ends_alike(vendor: Vendor, new_device: NewDevice, time: Time) -> None:
    """R-129: three months one by one are the three months of one order, and a refund leaves the month's last day."""
    began = next_31_january(time)
    time.moves_to(began)
    monthly, quarterly = vendor.issue("P1M"), vendor.issue("P1M")
    one, other = new_device(), new_device()
    one.activates(monthly)
    other.activates(quarterly)
    orders = [str(new_id()) for _ in range(3)]
    for order, month in zip(orders, (3, 4, 5), strict=True):
        assert vendor.sell_renewal(monthly, order, term="P1M") == ["LicenseRenewed"]
        sees_end(one, date(began.year, month, 30 if month == 4 else 31))
    vendor.sell_renewal(quarterly, str(new_id()), term="P3M")
    sees_end(other, date(began.year, 5, 31))
    expect(202, vendor.refund(monthly, orders[0]))
    sees_end(one, date(began.year, 4, 30))
    vendor.sell_renewal(monthly, str(new_id()), term="P1M")
    sees_end(one, date(began.year, 5, 31))


def test_a_renewal_that_a_shop_tells_late_is_worth_its_whole_term(
    vendor: Vendor, new_device: NewDevice, time: Time
) -> None:
    """R-130: the answer and both explanations say from where it counts."""
    device, code = new_device(), vendor.issue("P1M")
    time.reaches_the_end_of(device.activates(code))
    device.sees(lambda shown: shown["status"] == "expired")
    time.passes(days=60)
    paid_at = (time.earliest() - timedelta(days=40)).isoformat()
    order_id = str(new_id())
    body = {"code_ref": code.ref, "order_id": order_id, "purchased_at": paid_at, "term": "P1M"}
    before = time.earliest()
    answer = expect(202, vendor.http.post("/v1/purchases", json=body))
    counts_from = moment(answer["counts_from"])
    assert before - timedelta(milliseconds=1) <= counts_from <= time.latest()
    assert moment(answer["ends_at"]) == end_of(counts_from, "P1M")
    shown = device.sees(runs_on(code))
    assert end_of_license(shown).replace(microsecond=0) == moment(answer["ends_at"]).replace(microsecond=0)
    said = f"renewal counts from its arrival, {instant(counts_from)}, because that was after the license had ended"
    assert said in device.http.get(f"{device.path}/why").text
    assert said in expect(200, vendor.http.get(f"/v1/codes/{code.ref}/why"))["verdict"]
    expect(202, vendor.refund(code, order_id))
    device.sees(lambda _: device.event_names()[-1] == "LicenseShortened")
    assert "renewal counts from" not in device.http.get(f"{device.path}/why").text
    assert "renewal counts from" not in vendor.http.get(f"/v1/codes/{code.ref}/why").text


def test_a_subscription_keeps_its_day_over_a_year_though_each_payment_comes_after_the_end(
    system: System, vendor: Vendor, new_device: NewDevice, time: Time
) -> None:
    """R-98, R-135: and it is protected until the payment comes, by the window, the document and the API."""
    began = next_31_january(time)
    time.moves_to(began)
    device, code = new_device(), vendor.issue("P1M", kind="subscription", auto_renews=True)
    ends_at = end_of_license(device.activates(code))
    days = []
    for hours in range(1, 13):
        time.moves_to(ends_at + timedelta(hours=hours))
        held = device.sees(lambda shown: shown["status"] == "grace")
        assert moment(held["works_until"]) == moment(held["renewal_due_until"]) == ends_at + timedelta(days=1)
        assert works_until_by_document(device) == ends_at + timedelta(days=1)
        assert "Subscription renewing" in Browser.at_the_window(system, device).page.text
        assert vendor.sell_renewal(code, str(new_id())) == ["LicenseRenewed"]
        ends_at = end_of_license(device.sees(runs_on(code)))
        days.append(ends_at.day)
    leap_day = (date(began.year + 1, 3, 1) - timedelta(days=1)).day
    assert days == [31, 30, 31, 30, 31, 31, 30, 31, 30, 31, 31, leap_day]
    time.moves_to(ends_at + timedelta(days=1, hours=1))
    device.sees(lambda shown: shown["status"] == "expired")
    assert device.http.get(f"{device.path}/license/document").status_code == 409
