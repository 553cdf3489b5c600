"""The article, step by step, on the real servers: from Add to the day on which the new code takes over.

Time is shared by all tests, so each has its own devices and codes and moves time from its own licenses' ends.
"""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from dateutil.relativedelta import relativedelta

from services.cli.system import System
from shared.ledger.code_generator import new_code
from tests.journeys.logs import PURCHASES, Tool, send
from tests.journeys.people import (
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

YEAR = relativedelta(years=1)
HOLD = timedelta(days=3)

type NewDevice = Callable[[], OwnedDevice]


# --- adding a code ---------------------------------------------------------------------------


def test_a_code_added_without_a_license_is_activated_at_once(vendor: Vendor, new_device: NewDevice) -> None:
    """R-04, R-66."""
    code, device = vendor.issue("P1Y"), new_device()
    assert device.license()["status"] == "unlicensed"
    shown = device.activates(code)
    assert device.event_names() == ["DeviceEnrolled", "CodeAdded", "LicenseActivated"]
    assert end_of_license(shown) == moment(shown["license"]["started_at"]) + YEAR
    assert moment(vendor.code(code)["started_at"]) == moment(shown["license"]["started_at"])
    assert vendor.holders(code) == [device.device_id]


def test_a_new_code_waits_masked_with_the_day_on_which_it_takes_over(vendor: Vendor, new_device: NewDevice) -> None:
    """R-01, R-10, R-11."""
    running, reserve, device, other = vendor.issue(), vendor.issue("P1Y"), new_device(), new_device()
    ends_at = end_of_license(device.activates(running))
    answer = device.add(reserve)
    assert expect(202, answer)["last_group"] == reserve.last_group
    waiting = device.sees(reserve_is(reserve, "ready"))["reserve"]
    assert waiting["last_group"] == reserve.last_group
    assert moment(waiting["takes_over_at"]) == ends_at
    assert moment(waiting["predicted_ends_at"]) == ends_at + YEAR
    assert reserve.text not in answer.text + str(device.license()) + str(device.history())
    assert "reserve" not in other.license()


def test_adding_a_code_changes_nothing_of_the_license_and_spends_nothing(vendor: Vendor, new_device: NewDevice) -> None:
    """R-01, R-02, R-14."""
    running, reserve, device = vendor.issue(), vendor.issue(), new_device()
    before = device.activates(running)
    after = device.keeps_in_reserve(reserve)
    assert (after["status"], after["license"]) == ("active", before["license"])
    known = vendor.code(reserve)
    assert "started_at" not in known
    assert known["seats_taken"] == 0
    assert vendor.holders(reserve) == []


def test_the_activation_service_verifies_the_added_code(vendor: Vendor, new_device: NewDevice) -> None:
    """R-13, R-16, R-54b."""
    reserve, device = vendor.issue(), new_device()
    device.activates(vendor.issue())
    device.keeps_in_reserve(reserve)
    added, recorded = device.history()[-2:]
    issued, given = vendor.history(reserve)
    assert [event["type"] for event in (added, issued, given, recorded)] == [
        "CodeAdded",
        "CodeIssued",
        "CodeVerified",
        "CodeVerified",
    ]
    assert given["causation_id"] == added["event_id"]
    assert recorded["causation_id"] == given["event_id"]
    assert len({event["correlation_id"] for event in (added, given, recorded)}) == 1
    assert given["data"]["request_id"] == added["data"]["request_id"]


@pytest.mark.parametrize(
    ("reason", "terms"),
    [
        ("wrong_product", {"product": "other-product"}),
        ("wrong_region", {"regions": ["FR", "US"]}),
        ("trial_not_allowed", {"kind": "trial"}),
        ("subscription_not_allowed", {"kind": "subscription"}),
    ],
)
def test_a_code_that_does_not_fit_is_told_so_and_not_kept(
    reason: str, terms: dict[str, Any], vendor: Vendor, new_device: NewDevice
) -> None:
    """R-13, R-15, R-19, R-26."""
    good, bad, device = vendor.issue(), vendor.issue(**terms), new_device()
    device.activates(vendor.issue())
    device.keeps_in_reserve(good)
    expect(202, device.add(bad, replace=True))
    shown = device.sees(was_refused(reason))
    assert reserve_is(good, "ready")(shown)
    assert "incoming" not in shown
    assert device.history()[-1]["data"]["reason"] == reason


def test_a_code_that_nobody_issued_is_refused_and_does_not_exist_afterwards(
    vendor: Vendor, new_device: NewDevice
) -> None:
    """R-13, R-15, R-107."""
    made, device = new_code(), new_device()
    unknown = IssuedCode(made.ref, made.last_group, made.reveal())
    vendor.issued.append(unknown)
    device.activates(vendor.issue())
    expect(202, device.add(unknown))
    shown = device.sees(was_refused("unknown_code"))
    assert "reserve" not in shown
    assert vendor.http.get(f"/v1/codes/{unknown.ref}").status_code == 404


def test_a_second_code_is_refused_unless_the_request_says_replace(vendor: Vendor, new_device: NewDevice) -> None:
    """R-20, R-21, R-22."""
    running, first, second = vendor.issue_many(3)
    device = new_device()
    device.activates(running)
    device.keeps_in_reserve(first)
    assert expect(202, device.add(first))["recorded"] == []
    assert expect(409, device.add(second))["code"] == "reserve_exists"
    assert expect(409, device.add(running, replace=True))["code"] == "same_as_current"
    device.keeps_in_reserve(second, replace=True)
    assert "CodeRemoved" in device.event_names()
    assert "started_at" not in vendor.code(first)


def test_a_reserve_taken_back_before_the_end_activates_nothing(
    vendor: Vendor, new_device: NewDevice, time: Time
) -> None:
    """R-24, R-35."""
    reserve, device = vendor.issue(), new_device()
    shown = device.activates(vendor.issue("P1M"))
    device.keeps_in_reserve(reserve)
    expect(202, device.remove_reserve())
    time.reaches_the_end_of(shown)
    device.sees(lambda now: now.get("license", {}).get("expired"))
    assert device.event_names()[-2:] == ["CodeRemoved", "LicenseExpired"]
    assert "started_at" not in vendor.code(reserve)
    assert expect(409, device.press_activate_now())["code"] == "no_reserve"
    # a code added now needs no second expiry
    device.activates(reserve)
    assert device.event_names()[-2:] == ["CodeAdded", "LicenseActivated"]


# --- the switch ------------------------------------------------------------------------------


def test_the_new_code_takes_over_by_itself_when_the_license_expires(
    vendor: Vendor, new_device: NewDevice, time: Time
) -> None:
    """R-31, R-38, R-39, R-41, R-87."""
    running, reserve, device = vendor.issue("P1M"), vendor.issue("P1Y"), new_device()
    shown = device.activates(running)
    device.keeps_in_reserve(reserve)
    ended_at = time.reaches_the_end_of(shown)
    shown = device.sees(runs_on(reserve))
    expired, activated = device.history()[-2:]
    assert (expired["type"], moment(expired["occurred_at"])) == ("LicenseExpired", ended_at)
    assert (activated["type"], activated["data"]["trigger"]) == ("LicenseActivated", "automatic")
    assert "reserve" not in shown
    assert end_of_license(shown) == moment(activated["data"]["activated_at"]) + YEAR
    assert (vendor.holders(running), vendor.holders(reserve)) == ([], [device.device_id])
    device.keeps_in_reserve(vendor.issue())


def test_until_its_end_the_license_is_in_force_and_nothing_switches(
    vendor: Vendor, new_device: NewDevice, time: Time
) -> None:
    """R-12, R-40."""
    running, reserve, device = vendor.issue("P1M"), vendor.issue(), new_device()
    ends_at = end_of_license(device.activates(running))
    device.keeps_in_reserve(reserve)
    time.moves_to(ends_at - timedelta(minutes=1))
    shown = device.license()
    assert runs_on(running)(shown)
    assert reserve_is(reserve, "ready")(shown)
    assert shown["days_remaining"] == 0
    assert expect(409, device.press_activate_now())["code"] == "not_expired"
    time.moves_to(ends_at)
    device.sees(runs_on(reserve))
    assert device.event_names().count("LicenseExpired") == 1


def test_the_switch_rechecks_the_code_and_never_reuses_the_first_verdict(
    vendor: Vendor, new_device: NewDevice, time: Time
) -> None:
    """R-18, R-44, R-46, R-51, R-54."""
    running, reserve, device = vendor.issue("P1M"), vendor.issue(), new_device()
    shown = device.activates(running)
    device.keeps_in_reserve(reserve)
    vendor.block(reserve)
    time.reaches_the_end_of(shown)
    shown = device.sees(reserve_is(reserve, "refused"))
    assert shown["status"] == "expired"
    assert shown["reserve"]["reason"] == shown["last_refusal"]["reason"] == "code_blocked"
    assert [event["type"] for event in vendor.history(reserve)] == [
        "CodeIssued",
        "CodeVerified",
        "CodeBlocked",
        "ActivationRefused",
    ]
    assert "started_at" not in vendor.code(reserve)
    assert vendor.holders(reserve) == []


# --- Activate now ----------------------------------------------------------------------------


def test_activate_now_is_unavailable_before_the_license_expires(vendor: Vendor, new_device: NewDevice) -> None:
    """R-55, R-56."""
    reserve, device = vendor.issue(), new_device()
    device.activates(vendor.issue())
    shown = device.keeps_in_reserve(reserve)
    ends_at = end_of_license(shown)
    assert (shown["may_activate_now"], shown["activate_now_reason"]) == (False, "not_expired")
    assert moment(shown["activate_now_available_at"]) == ends_at
    refused = expect(409, device.press_activate_now(code_ref=reserve.ref))
    assert (refused["code"], moment(refused["available_at"])) == ("not_expired", ends_at)
    assert device.event_names()[-1] == "ActivationRefused"
    assert reserve_is(reserve, "ready")(device.license())


def test_activate_now_works_after_a_failed_automatic_attempt(vendor: Vendor, new_device: NewDevice, time: Time) -> None:
    """R-50, R-59, R-64."""
    reserve, device = vendor.issue("P1Y"), new_device()
    shown = device.activates(vendor.issue("P1M"))
    device.keeps_in_reserve(reserve)
    vendor.block(reserve)
    time.reaches_the_end_of(shown)
    assert device.sees(reserve_is(reserve, "refused"))["may_activate_now"] is True
    expect(202, device.press_activate_now())
    # still blocked: the attempt is a fresh one, with the same answer
    device.sees(lambda _: device.event_names()[-2:] == ["ActivateNow", "ActivationRefused"])
    device.sees(reserve_is(reserve, "refused"))
    vendor.unblock(reserve)
    expect(202, device.press_activate_now(code_ref=reserve.ref))
    shown = device.sees(runs_on(reserve))
    assert shown["license"]["trigger"] == "manual"
    assert vendor.holders(reserve) == [device.device_id]


def test_activate_now_after_a_success_changes_nothing(vendor: Vendor, new_device: NewDevice, time: Time) -> None:
    """R-57, R-61."""
    reserve, device = vendor.issue(seats=2), new_device()
    shown = device.activates(vendor.issue("P1M"))
    device.keeps_in_reserve(reserve)
    time.reaches_the_end_of(shown)
    shown = device.sees(runs_on(reserve))
    assert (shown["may_activate_now"], shown["activate_now_reason"]) == (False, "already_activated")
    for page in ({}, {"code_ref": reserve.ref}):
        assert expect(409, device.press_activate_now(**page))["code"] == "already_activated"
    device.sees(was_refused("already_activated"))
    assert device.license()["license"] == shown["license"]
    assert vendor.code(reserve)["seats_taken"] == 1
    assert [event["type"] for event in vendor.history(reserve)].count("LicenseActivated") == 1


# --- one code, many devices ------------------------------------------------------------------


def test_a_code_for_two_devices_is_applied_on_each_and_starts_once(
    vendor: Vendor, new_device: NewDevice, time: Time
) -> None:
    """R-66, R-67, R-78, R-80."""
    shared, first, second = vendor.issue("P1Y", seats=2), new_device(), new_device()
    first_shown, second_shown = first.activates(vendor.issue("P1M")), second.activates(vendor.issue("P6M"))
    first.keeps_in_reserve(shared)
    second.keeps_in_reserve(shared)
    time.reaches_the_end_of(first_shown)
    first_shown = first.sees(runs_on(shared))
    # applying it on the first device did nothing on the second
    assert not runs_on(shared)(second.license())
    time.reaches_the_end_of(second_shown)
    second_shown = second.sees(runs_on(shared))
    for date in ("started_at", "ends_at"):
        assert second_shown["license"][date] == first_shown["license"][date]
    assert moment(second_shown["license"]["started_at"]) < time.now() - timedelta(days=120)
    assert vendor.holders(shared) == sorted([first.device_id, second.device_id])


def test_a_device_without_the_new_code_expires_though_its_neighbour_renewed(
    vendor: Vendor, new_device: NewDevice, time: Time
) -> None:
    """R-80, R-81."""
    old, new, renewed, forgotten = vendor.issue("P1M", seats=2), vendor.issue(seats=2), new_device(), new_device()
    shown = renewed.activates(old)
    assert forgotten.activates(old)["license"]["ends_at"] == shown["license"]["ends_at"]
    renewed.keeps_in_reserve(new)
    time.reaches_the_end_of(shown)
    renewed.sees(runs_on(new))
    forgotten.sees(lambda now: now["license"]["expired"])
    assert forgotten.license()["status"] == "expired"
    assert vendor.holders(new) == [renewed.device_id]


def test_two_devices_that_expire_together_share_one_start(vendor: Vendor, new_device: NewDevice, time: Time) -> None:
    """R-71."""
    old, new, devices = vendor.issue("P1M", seats=2), vendor.issue(seats=2), [new_device(), new_device()]
    shown = [device.activates(old) for device in devices]
    for device in devices:
        device.keeps_in_reserve(new)
    time.reaches_the_end_of(shown[0])
    licenses = [device.sees(runs_on(new))["license"] for device in devices]
    assert licenses[0]["started_at"] == licenses[1]["started_at"] == vendor.code(new)["started_at"]
    assert licenses[0]["ends_at"] == licenses[1]["ends_at"]


def test_one_seat_goes_to_one_of_two_devices_and_the_other_is_told(
    vendor: Vendor, new_device: NewDevice, time: Time
) -> None:
    """R-03, R-47, R-82, R-85, R-86."""
    old, new, devices = vendor.issue("P1M", seats=2), vendor.issue(seats=1), [new_device(), new_device()]
    shown = [device.activates(old) for device in devices]
    for device in devices:
        device.keeps_in_reserve(new)
    time.reaches_the_end_of(shown[0])
    for device in devices:
        device.sees(lambda now: runs_on(new)(now) or reserve_is(new, "refused")(now))
    outcomes = [device.license() for device in devices]
    assert sorted(outcome["status"] for outcome in outcomes) == ["active", "expired"]
    assert [outcome["reserve"]["reason"] for outcome in outcomes if "reserve" in outcome] == ["seats_exhausted"]
    assert vendor.code(new)["seats_taken"] == 1


# --- renewal by purchase ---------------------------------------------------------------------

type Sell = Callable[[System, Vendor, IssuedCode, str, Time], None]


def by_http(_: System, vendor: Vendor, code: IssuedCode, order_id: str, __: Time) -> None:
    assert vendor.sell_renewal(code, order_id) == ["LicenseRenewed"]


def by_message(system: System, _: Vendor, code: IssuedCode, order_id: str, time: Time) -> None:
    shop = Tool(source="/shop/journeys", at=time.now())
    send(system, PURCHASES, [shop.order("RecordPurchase", code_ref=code.ref, order_id=order_id, settled=True)])


both_ways = pytest.mark.parametrize("sell", [by_http, by_message])


@both_ways
def test_a_purchase_before_the_end_extends_every_device_on_the_code_from_its_end(
    sell: Sell, system: System, vendor: Vendor, new_device: NewDevice, time: Time
) -> None:
    """R-90, R-91, R-92, R-93, R-97."""
    running, reserve, devices = vendor.issue("P1Y", seats=2), vendor.issue(), [new_device(), new_device()]
    before = [device.activates(running) for device in devices]
    devices[0].keeps_in_reserve(reserve)
    new_end = end_of_license(before[0]) + YEAR
    sell(system, vendor, running, f"early-{running.ref[:8]}", time)
    for device, was in zip(devices, before, strict=True):
        now = device.sees(lambda shown: end_of_license(shown) == new_end)["license"]
        unchanged = ("code_ref", "last_group", "started_at", "trigger")
        assert [now[name] for name in unchanged] == [was["license"][name] for name in unchanged]
        assert "LicenseRenewed" in device.event_names()
    waiting = devices[0].license()
    assert reserve_is(reserve, "ready")(waiting)
    assert moment(waiting["reserve"]["takes_over_at"]) == new_end
    known = vendor.code(running)
    assert (known["seats_taken"], known["started_at"]) == (2, before[0]["license"]["started_at"])


@both_ways
def test_a_purchase_after_the_end_extends_from_the_purchase(
    sell: Sell, system: System, vendor: Vendor, new_device: NewDevice, time: Time
) -> None:
    """R-92."""
    running, device = vendor.issue("P1M"), new_device()
    shown = device.activates(running)
    time.moves_to(end_of_license(shown) + timedelta(days=10))
    device.sees(lambda now: now["status"] == "expired" and now["license"]["expired"])
    bought_after = time.earliest()
    sell(system, vendor, running, f"late-{running.ref[:8]}", time)
    new_end = end_of_license(device.sees(runs_on(running)))
    # a month from the purchase, not from the old end
    assert bought_after + relativedelta(months=1) <= new_end <= time.latest() + relativedelta(months=1)
    assert device.license()["may_activate_now"] is False


def test_a_purchase_told_twice_renews_once(vendor: Vendor, system: System, new_device: NewDevice, time: Time) -> None:
    """R-95."""
    running, device = vendor.issue("P1Y"), new_device()
    new_end = end_of_license(device.activates(running)) + YEAR
    order_id = f"twice-{running.ref[:8]}"
    assert vendor.sell_renewal(running, order_id) == ["LicenseRenewed"]
    assert vendor.sell_renewal(running, order_id) == []
    by_message(system, vendor, running, order_id, time)
    # the next message of the same shop for the same code is handled after it
    by_message(system, vendor, running, f"{order_id}-next", time)
    device.sees(lambda shown: end_of_license(shown) == new_end + YEAR)
    assert device.event_names().count("LicenseRenewed") == 2


def test_a_purchase_after_a_failed_switch_brings_the_old_license_back(
    vendor: Vendor, new_device: NewDevice, time: Time
) -> None:
    """R-63, R-93."""
    running, reserve, device = vendor.issue("P1M"), vendor.issue(), new_device()
    shown = device.activates(running)
    device.keeps_in_reserve(reserve)
    vendor.block(reserve)
    time.reaches_the_end_of(shown)
    device.sees(reserve_is(reserve, "refused"))
    vendor.sell_renewal(running, f"after-refusal-{running.ref[:8]}")
    shown = device.sees(runs_on(running))
    assert (shown["may_activate_now"], shown["activate_now_reason"]) == (False, "not_expired")
    assert shown["reserve"]["code_ref"] == reserve.ref


def test_a_purchase_that_is_not_settled_holds_the_switch_and_then_renews(
    vendor: Vendor, new_device: NewDevice, time: Time
) -> None:
    """R-70, R-98."""
    running, reserve, device = vendor.issue("P1M"), vendor.issue(), new_device()
    shown, order_id = device.activates(running), f"settles-{running.ref[:8]}"
    device.keeps_in_reserve(reserve)
    time.moves_to(end_of_license(shown) - timedelta(days=1))
    assert vendor.sell_renewal(running, order_id, settled=False) == ["PurchaseAnnounced"]
    time.reaches_the_end_of(shown)
    held = device.sees(reserve_is(reserve, "retrying"))
    assert held["status"] == "grace"
    assert "started_at" not in vendor.code(reserve)
    assert vendor.sell_renewal(running, order_id) == ["LicenseRenewed"]
    renewed = device.sees(runs_on(running))
    assert reserve_is(reserve, "ready")(renewed)
    assert "started_at" not in vendor.code(reserve)


def test_a_purchase_that_never_settles_holds_the_switch_for_three_days(
    vendor: Vendor, new_device: NewDevice, time: Time
) -> None:
    """R-49, R-70."""
    running, reserve, device = vendor.issue("P1M"), vendor.issue(), new_device()
    shown = device.activates(running)
    device.keeps_in_reserve(reserve)
    time.moves_to(end_of_license(shown) - timedelta(days=1))
    announced_at = time.now()
    vendor.sell_renewal(running, f"never-{running.ref[:8]}", settled=False)
    time.reaches_the_end_of(shown)
    held_until = moment(device.sees(reserve_is(reserve, "retrying"))["reserve"]["retry_at"])
    assert timedelta() <= held_until - announced_at - HOLD < timedelta(minutes=1)
    time.moves_to(held_until)
    shown = device.sees(runs_on(reserve))
    assert shown["license"]["trigger"] == "retry"
    assert device.event_names()[-4:] == [
        "LicenseExpired",
        "ActivationDelayed",
        "ActivationRetried",
        "LicenseActivated",
    ]
