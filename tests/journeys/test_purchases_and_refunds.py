"""What shops report, through the real doors: announced, settled, cancelled, paid back; and what cannot be."""

from collections.abc import Callable
from datetime import timedelta

from dateutil.relativedelta import relativedelta

from shared.ledger.identity import new_id
from tests.journeys.people import OwnedDevice, Time, Vendor, end_of_license, expect, moment, reserve_is, runs_on

YEAR = relativedelta(years=1)

type NewDevice = Callable[[], OwnedDevice]


def test_a_purchase_that_is_announced_is_shown_protects_and_then_renews(
    vendor: Vendor, new_device: NewDevice, time: Time
) -> None:
    """R-70, R-98, R-103: the page says that the renewal is on its way, not just that the license is over."""
    device, code, order_id = new_device(), vendor.issue("P1M"), str(new_id())
    shown = device.activates(code)
    assert shown["renewal_announced"] is False
    assert vendor.sell_renewal(code, order_id, settled=False) == ["PurchaseAnnounced"]
    shown = device.sees(lambda shown: shown["renewal_announced"])
    expected_by = moment(shown["renewal_expected_by"])
    ends_at = end_of_license(shown)
    if expected_by <= ends_at:
        time.moves_to(ends_at - timedelta(hours=1))
        vendor.sell_renewal(code, f"{order_id}-again", settled=False)
        device.sees(lambda shown: shown["renewal_announced"])
    time.moves_to(ends_at + timedelta(hours=1))
    waiting = device.sees(lambda shown: shown["status"] == "grace")
    assert waiting["renewal_announced"] is True
    assert vendor.sell_renewal(code, f"{order_id}-again") == ["LicenseRenewed"]
    device.sees(lambda shown: shown["status"] == "active" and not shown["may_activate_now"])


def test_an_announced_purchase_that_came_to_nothing_holds_nothing(vendor: Vendor, new_device: NewDevice) -> None:
    """R-70, R-103."""
    device, code, order_id = new_device(), vendor.issue(), str(new_id())
    device.activates(code)
    vendor.sell_renewal(code, order_id, settled=False)
    device.sees(lambda shown: shown["renewal_announced"])
    assert expect(202, vendor.cancel(code, order_id))["recorded"] == ["PurchaseCancelled"]
    device.sees(lambda shown: not shown["renewal_announced"])
    vendor.sell_renewal(code, f"{order_id}-2")
    assert expect(409, vendor.cancel(code, f"{order_id}-2"))["code"] == "already_settled"


def test_a_refund_takes_back_what_was_bought_and_no_more(vendor: Vendor, new_device: NewDevice) -> None:
    """R-96: more than the purchase, an unknown order, and a second refund of the same one."""
    device, code, order_id = new_device(), vendor.issue(), str(new_id())
    ends_at = end_of_license(device.activates(code))
    vendor.sell_renewal(code, order_id)
    device.sees(lambda shown: end_of_license(shown) == ends_at + YEAR)
    assert expect(409, vendor.refund(code, order_id, term="P2Y"))["code"] == "refund_exceeds_purchase"
    assert expect(409, vendor.refund(code, "never-bought"))["code"] == "unknown_order"
    assert end_of_license(device.license()) == ends_at + YEAR
    assert expect(202, vendor.refund(code, order_id))["recorded"] == ["LicenseShortened"]
    device.sees(lambda shown: end_of_license(shown) == ends_at)
    assert expect(202, vendor.refund(code, order_id))["recorded"] == []
    refusals = [event["data"] for event in vendor.history(code) if event["type"] == "PurchaseRefused"]
    assert [(refused["what"], refused["reason"]) for refused in refusals] == [
        ("refund", "refund_exceeds_purchase"),
        ("refund", "unknown_order"),
    ]
    assert device.event_names()[-1] == "LicenseShortened"


def test_a_refund_that_is_told_before_its_purchase_counts_as_soon_as_that_comes(
    vendor: Vendor, new_device: NewDevice
) -> None:
    """R-36, R-132: the shop may repeat it, and a cancellation that comes early keeps an announcement from holding."""
    device, code, order_id = new_device(), vendor.issue(), str(new_id())
    ends_at = end_of_license(device.activates(code))
    for _ in range(2):
        assert expect(409, vendor.refund(code, order_id, term="P3M"))["code"] == "unknown_order"
    assert vendor.sell_renewal(code, order_id) == ["LicenseRenewed", "LicenseShortened"]
    rest = relativedelta(months=9)
    device.sees(lambda shown: end_of_license(shown) == ends_at + rest)
    assert expect(202, vendor.refund(code, order_id, term="P3M"))["recorded"] == []
    assert expect(409, vendor.cancel(code, f"{order_id}-2"))["code"] == "unknown_order"
    assert vendor.sell_renewal(code, f"{order_id}-2", settled=False) == []
    assert expect(202, vendor.refund(code, order_id))["recorded"] == ["LicenseShortened"]
    device.sees(lambda shown: end_of_license(shown) == ends_at)
    assert device.event_names().count("PurchaseAnnounced") == 0


def test_a_purchase_moves_the_switch_of_the_reserve_and_spends_it_not(vendor: Vendor, new_device: NewDevice) -> None:
    """R-93."""
    device, code, reserve = new_device(), vendor.issue(), vendor.issue()
    ends_at = end_of_license(device.activates(code))
    before = device.keeps_in_reserve(reserve)
    assert moment(before["reserve"]["takes_over_at"]) == ends_at
    vendor.sell_renewal(code, str(new_id()))
    after = device.sees(lambda shown: end_of_license(shown) == ends_at + YEAR)
    assert reserve_is(reserve, "ready")(after)
    assert moment(after["reserve"]["takes_over_at"]) == ends_at + YEAR
    assert moment(after["reserve"]["predicted_ends_at"]) == ends_at + YEAR + YEAR


def test_a_subscription_that_renews_itself_takes_no_reserve_until_it_is_turned_off(
    vendor: Vendor, new_device: NewDevice
) -> None:
    """R-27."""
    device, reserve = new_device(), vendor.issue()
    subscription = vendor.issue("P1M", kind="subscription", auto_renews=True)
    device.activates(subscription)
    expect(202, device.add(reserve))
    device.sees(lambda shown: (shown.get("last_refusal") or {}).get("reason") == "subscription_active")
    vendor.renews_itself(subscription, auto_renews=False)
    device.sees(lambda shown: not shown["license"]["auto_renews"])
    device.keeps_in_reserve(reserve)


def test_a_block_gives_notice_stops_the_license_and_can_be_taken_back(
    vendor: Vendor, new_device: NewDevice, time: Time
) -> None:
    """R-105, R-106."""
    device, code = new_device(), vendor.issue()
    device.activates(code)
    vendor.block(code)
    shown = device.sees(lambda shown: shown["stops_at"])
    stops_at = moment(shown["stops_at"])
    assert shown["status"] == "active"
    time.moves_to(stops_at + timedelta(minutes=1))
    device.sees(lambda shown: shown["status"] == "blocked")
    vendor.unblock(code)
    shown = device.sees(runs_on(code))
    assert shown["stops_at"] is None
