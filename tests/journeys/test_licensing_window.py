"""What a person may rely on at the Licensing window: what Add does, what looking does not, and what is shown when.

Through the real doors. Some of it takes a worker away for a moment, and waits until it is back.
"""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import httpx
import pytest

from services.cli.names import ServiceName
from services.cli.system import System
from shared.rules.codes import read_code
from tests.journeys.people import (
    OwnedDevice,
    Time,
    Vendor,
    end_of_license,
    expect,
    moment,
    reserve_is,
    runs_on,
)
from tests.journeys.running import away

MOMENT = timedelta(seconds=30)
"""Sandbox time goes on while a test looks: an edge is looked at from both sides."""

type NewDevice = Callable[[], OwnedDevice]


# --- Add, and all that is not Add -----------------------------------------------------------------------


def test_looking_and_leaving_without_add_changes_nothing(vendor: Vendor, new_device: NewDevice) -> None:
    """R-07, R-06: no event, no version, no reserve."""
    device = new_device()
    before = device.activates(vendor.issue())
    history = device.history()
    device.http.get(f"{device.path}/license", headers={"If-None-Match": "unknown"})
    expect(400, device.add("not a code at all"))
    expect(400, device.add(vendor.issue().text[:-1]))
    after = device.license()
    assert device.history() == history
    assert {**after, "as_of": None} == {**before, "as_of": None}


def test_add_commits_even_if_the_service_dies_the_moment_it_answered(
    system: System, vendor: Vendor, new_device: NewDevice
) -> None:
    """R-08, R-09, R-10: nothing more needs to be pressed, and after a restart the code waits where it was."""
    device, code = new_device(), vendor.issue()
    ends_at = end_of_license(device.activates(vendor.issue("P1M")))
    expect(202, device.add(code))
    with away(system, "device"):
        pass
    shown = device.sees(reserve_is(code, "ready"))
    assert device.event_names().count("CodeAdded") == 2
    assert shown["reserve"]["last_group"] == code.last_group
    assert moment(shown["reserve"]["takes_over_at"]) == ends_at
    assert moment(shown["reserve"]["predicted_ends_at"]) > ends_at


def test_a_code_is_seen_on_the_device_where_it_was_added_and_on_no_other(vendor: Vendor, new_device: NewDevice) -> None:
    """R-11: not even on a device that shares its license."""
    shared, reserve = vendor.issue(seats=2), vendor.issue()
    here, there = new_device(), new_device()
    here.activates(shared)
    there.activates(shared)
    here.keeps_in_reserve(reserve)
    assert "reserve" not in there.license()
    assert reserve.ref not in str(there.history())


@pytest.mark.parametrize(
    "typed",
    [
        str.lower,
        lambda code: code.replace("-", ""),
        lambda code: code.replace("-", " "),
        lambda code: f"  {code}\n",
        lambda code: code.replace("0", "O").replace("1", "l"),
        lambda code: code.translate({ord(symbol): ord(symbol) + 0xFEE0 for symbol in code if symbol != "-"}),
    ],
    ids=["lower case", "without hyphens", "spaces", "pasted with space", "O for 0, l for 1", "full-width"],
)
def test_typed_as_people_type_it_is_the_code_that_was_issued(
    typed: Callable[[str], str], vendor: Vendor, new_device: NewDevice
) -> None:
    """R-05."""
    device, code = new_device(), vendor.issue()
    said = expect(202, device.add(typed(code.text)))
    assert (said["code_ref"], said["last_group"]) == (code.ref, code.last_group)
    device.sees(runs_on(code))


def test_a_look_alike_of_another_alphabet_is_named_with_its_group(vendor: Vendor, new_device: NewDevice) -> None:
    """R-05, R-06."""
    device, code = new_device(), vendor.issue()
    looks_alike = f"А{code.text[1:]}"  # a Cyrillic letter
    refused = expect(400, device.add(looks_alike))
    assert (refused["code"], refused["problem"], refused["groups"]) == ("malformed", "alphabet", [1])
    assert "Cyrillic" in refused["detail"]
    assert read_code(code.text).ref == code.ref
    assert "CodeAdded" not in device.event_names()


# --- the verdict comes when it comes ----------------------------------------------------------------------


def test_without_the_activation_service_a_code_is_being_verified_and_its_verdict_waits_for_the_next_look(
    system: System, vendor: Vendor, new_device: NewDevice
) -> None:
    """R-16, R-17: nobody looks while the verdict comes in, and it is there at the next look."""
    device, code = new_device(), vendor.issue()
    device.activates(vendor.issue())
    with away(system, "activation"):
        expect(202, device.add(code))
        shown = device.sees(reserve_is(code, "verifying"))
        assert shown["reserve"].get("predicted_ends_at") is None
        assert device.event_names()[-1] == "CodeAdded"
    device.sees(reserve_is(code, "ready"))
    assert device.event_names()[-1] == "CodeVerified"


# --- days remaining -----------------------------------------------------------------------------------------


def test_the_days_remaining_at_every_edge(vendor: Vendor, new_device: NewDevice, time: Time) -> None:
    """R-12: whole periods of 24 hours; 0 is less than a day, and also after the end."""
    device, code = new_device(), vendor.issue("P1M")
    ends_at = end_of_license(device.activates(code))
    for left, days in (
        (timedelta(days=2) + MOMENT, 2),
        (timedelta(days=2) - MOMENT, 1),
        (timedelta(days=1) + MOMENT, 1),
        (timedelta(days=1) - MOMENT, 0),
        (timedelta(hours=1), 0),
        (MOMENT, 0),
    ):
        time.moves_to(ends_at - left)
        shown = device.license()
        assert (shown["status"], shown["days_remaining"]) == ("active", days)
    time.moves_to(ends_at + MOMENT)
    assert device.sees(lambda shown: shown["status"] == "expired")["days_remaining"] == 0
    vendor.sell_renewal(code, "edge-of-days", term="P10D")
    assert device.sees(runs_on(code))["days_remaining"] == 9


# --- a purchase for a code that was replaced ------------------------------------------------------------------


def test_a_purchase_for_the_old_code_does_not_bring_it_back_but_it_can_wait_in_reserve(
    vendor: Vendor, new_device: NewDevice, time: Time
) -> None:
    """R-94: the choice stays with the owner."""
    old, new, device = vendor.issue("P1M"), vendor.issue("P1M"), new_device()
    device.activates(old)
    shown = device.keeps_in_reserve(new)
    time.reaches_the_end_of(shown)
    device.sees(runs_on(new))
    vendor.sell_renewal(old, "late-for-the-old-one", term="P1Y")
    count = len(device.history())
    assert runs_on(new)(device.license())
    device.keeps_in_reserve(old)
    assert runs_on(new)(device.license())
    assert [event["type"] for event in device.history()[count:]] == ["CodeAdded", "CodeVerified"]


# --- the words of a refusal -------------------------------------------------------------------------------------


def test_both_services_explain_the_reasons_to_anybody_and_refuse_in_these_words(
    system: System, vendor: Vendor, new_device: NewDevice
) -> None:
    """R-19, R-58, R-90: what a refusal says is what the reasons say, and its type leads there."""
    device = new_device()
    refusals: dict[ServiceName, tuple[str, dict[str, Any]]] = {
        "device": ("no_reserve", expect(409, device.press_activate_now())),
        "activation": ("not_activated", expect(409, _purchase_of_an_unused_code(vendor))),
    }
    for service, (reason, refused) in refusals.items():
        assert refused["code"] == reason
        url = system.worker(service).url
        with httpx.Client(base_url=url, trust_env=False) as anybody:
            reasons = {entry["word"]: entry for entry in expect(200, anybody.get("/reasons"))["reasons"]}
            entry = reasons[refused["code"]]
            assert refused["detail"] == f"{entry['meaning']} {entry['what_to_do']}"
            assert anybody.get(refused["type"]).json() == [entry]


def _purchase_of_an_unused_code(vendor: Vendor) -> httpx.Response:
    return vendor.http.post("/v1/purchases", json={"code_ref": vendor.issue().ref, "order_id": "too-early"})
