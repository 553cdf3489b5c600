"""The two inbound topics beside HTTP: fleet tools and shops write orders, the same deciders answer."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import httpx
import pytest
from dateutil.relativedelta import relativedelta

from services.cli.names import ServiceName
from services.cli.system import System
from shared.kafka.parking import stream_of
from shared.ledger.identity import new_id
from shared.rules.policy import POLICY
from tests.journeys.logs import COMMANDS, PURCHASES, Place, Tool, parked, query, send
from tests.journeys.people import (
    PRODUCT,
    REGION,
    OwnedDevice,
    Time,
    Vendor,
    end_of_license,
    expect,
    moment,
    reserve_is,
    runs_on,
)
from tests.journeys.waiting import until

ORDERS_AT_ONCE = 300
FLEET = 1_200
FLEET_SECONDS = 90.0
MEANWHILE = 100
"""So many decisions may be about something else."""
YEAR = relativedelta(years=1)

type NewDevice = Callable[[], OwnedDevice]


@pytest.fixture
def fleet(time: Time) -> Tool:
    """A fleet tool with a name of its own."""
    return Tool(source=f"/fleet/{new_id()}", at=time.now())


def seen_by_operator(system: System, device_id: str) -> OwnedDevice:
    """A device that a fleet tool enrolled has no token: its operator looks."""
    device = OwnedDevice(system, device_id, system.credentials.operator_key)
    until(lambda: device.http.get(f"{device.path}/license").status_code, lambda status: status == 200)
    return device


def reason_of(system: System, place: Place) -> str:
    """Return why the record was parked, once it is."""
    service: ServiceName = "device" if place[0] == COMMANDS else "activation"
    (row,) = until(lambda: parked(system, service, place), lambda rows: rows)
    return str(row["reason"])


def test_a_fleet_tool_renews_a_device_by_messages_alone(
    system: System, vendor: Vendor, fleet: Tool, time: Time
) -> None:
    """R-01, R-31, R-89."""
    device_id, running, reserve = f"fleet-{new_id()}", vendor.issue("P1M"), vendor.issue()
    enroll = fleet.order("EnrollDevice", device_id=device_id, product=PRODUCT, region=REGION)
    adds = [
        fleet.order("AddCode", device_id=device_id, code_ref=code.ref, last_group=code.last_group)
        for code in (running, reserve)
    ]
    send(system, COMMANDS, [enroll, adds[0]])
    device = seen_by_operator(system, device_id)
    shown = device.sees(runs_on(running))
    send(system, COMMANDS, [adds[1]])
    device.sees(reserve_is(reserve, "ready"))
    time.reaches_the_end_of(shown)
    device.sees(runs_on(reserve))
    assert device.event_names() == [
        "DeviceEnrolled",
        "CodeAdded",
        "LicenseActivated",
        "CodeAdded",
        "CodeVerified",
        "LicenseExpired",
        "LicenseActivated",
    ]


def test_an_order_says_which_message_caused_its_events(
    system: System, vendor: Vendor, fleet: Tool, new_device: NewDevice
) -> None:
    """R-54, R-123."""
    device, code, message_id = new_device(), vendor.issue(), str(new_id())
    order = fleet.order(
        "AddCode", message_id=message_id, device_id=device.device_id, code_ref=code.ref, last_group=code.last_group
    )
    send(system, COMMANDS, [order])
    device.sees(runs_on(code))
    added = device.history()[1]
    assert (added["type"], added["causation_id"]) == ("CodeAdded", message_id)


def test_every_kind_of_order_is_taken_and_refusals_are_events(
    system: System, vendor: Vendor, fleet: Tool, new_device: NewDevice
) -> None:
    """R-24, R-33, R-34, R-56, R-123."""
    device, running, reserve = new_device(), vendor.issue(), vendor.issue()
    shown = device.activates(running)
    device.keeps_in_reserve(reserve)
    ends_at = shown["license"]["ends_at"]
    orders = [
        fleet.order("Activate", device_id=device.device_id),
        fleet.order("ReportExpiry", device_id=device.device_id, ended_at=ends_at),
        fleet.order("ReportExpiry", device_id=device.device_id, ended_at="2001-01-01T00:00:00Z"),
        fleet.order("RemoveReserve", device_id=device.device_id),
    ]
    send(system, COMMANDS, orders)
    device.sees(lambda now: "reserve" not in now)
    told = [(event["type"], event["data"].get("reason")) for event in device.history()[-4:]]
    assert told == [
        ("ActivationRefused", "not_expired"),
        ("ActivationRefused", "not_expired"),
        ("ActivationRefused", "stale"),
        ("CodeRemoved", None),
    ]
    assert runs_on(running)(device.license())


def test_an_order_is_known_by_its_source_and_id_and_counts_once(
    system: System, fleet: Tool, new_device: NewDevice
) -> None:
    """R-09, R-116."""
    device, message_id = new_device(), str(new_id())
    same = fleet.order("Activate", message_id=message_id, device_id=device.device_id, code_ref=f"{1:032x}")
    stranger = Tool(source=f"{fleet.source}/other", at=fleet.at)
    other = stranger.order("Activate", message_id=message_id, device_id=device.device_id, code_ref=f"{2:032x}")
    send(system, COMMANDS, [same, same])
    send(system, COMMANDS, [same, other])
    device.sees(lambda _: len(device.event_names()) == 3)
    assert [event["data"].get("code_ref") for event in device.history()] == [None, f"{1:032x}", f"{2:032x}"]


def test_a_purchase_message_counts_once(system: System, vendor: Vendor, new_device: NewDevice, time: Time) -> None:
    """R-95, R-116, R-133: another message of the same id is parked by its own word, and counts if it is redriven."""
    shop, message_id = Tool(source=f"/shop/{new_id()}", at=time.now()), str(new_id())
    code, device = vendor.issue("P1Y"), new_device()
    ends_at = end_of_license(device.activates(code))
    same = shop.order("RecordPurchase", message_id=message_id, code_ref=code.ref, order_id="first", settled=True)
    forged = shop.order("RecordPurchase", message_id=message_id, code_ref=code.ref, order_id="second", settled=True)
    last = shop.order("RecordPurchase", code_ref=code.ref, order_id="third", settled=True, term="P30D")
    _, repeated, reused, _ = send(system, PURCHASES, [same, same, forged, last])
    device.sees(lambda shown: end_of_license(shown) == ends_at + YEAR + timedelta(days=30))
    assert device.event_names().count("LicenseRenewed") == 2
    orders = [event["data"]["order_id"] for event in vendor.history(code) if event["type"] == "LicenseRenewed"]
    assert orders == ["first", "third"]
    assert reason_of(system, reused) == "message_id_reused"
    assert parked(system, "activation", repeated) == []
    name = f"activation.purchases:{reused[1]}:{reused[2]}"
    assert expect(200, vendor.http.post(f"/v1/operations/parked/{name}/redrive"))["recorded"][0] == "LicenseRenewed"


def test_an_order_that_is_told_again_with_another_term_is_refused_at_both_doors(
    system: System, vendor: Vendor, fleet: Tool, new_device: NewDevice
) -> None:
    """R-95, R-133: with what it was settled as."""
    code, device = vendor.issue("P1Y"), new_device()
    ends_at = end_of_license(device.activates(code))
    assert vendor.sell_renewal(code, "settled", term="P3M") == ["LicenseRenewed"]
    other: dict[str, Any] = {"code_ref": code.ref, "order_id": "settled", "settled": True, "term": "P2Y"}
    problem = expect(409, vendor.http.post("/v1/purchases", json=other))
    assert (problem["code"], "a term of P3M" in problem["detail"]) == ("order_reused", True)
    assert vendor.sell_renewal(code, "settled", term="P3M") == []
    (place,) = send(system, PURCHASES, [fleet.order("RecordPurchase", **other)])
    assert reason_of(system, place) == "order_reused"
    device.sees(lambda shown: end_of_license(shown) == ends_at + relativedelta(months=3))


def test_a_shop_whose_clock_is_a_little_fast_is_dated_by_the_server_at_both_doors(
    system: System, vendor: Vendor, new_device: NewDevice, time: Time
) -> None:
    """R-96, R-131: what is recorded is what was counted, and a refund takes exactly that."""
    fast = time.now() + POLICY.clock_tolerance - timedelta(minutes=1)
    shop = Tool(source=f"/shop/{new_id()}", at=fast)
    code, device = vendor.issue("P1Y"), new_device()
    ends_at = end_of_license(device.activates(code))
    send(system, PURCHASES, [shop.order("RecordPurchase", code_ref=code.ref, order_id="sent", settled=True)])
    device.sees(lambda shown: end_of_license(shown) == ends_at + YEAR)
    assert vendor.sell_renewal(code, "told", purchased_at=fast.isoformat()) == ["LicenseRenewed"]
    device.sees(lambda shown: end_of_license(shown) == ends_at + YEAR + YEAR)
    sold = [event for event in vendor.history(code) if event["type"] == "LicenseRenewed"]
    assert all(moment(event["data"]["purchased_at"]) <= moment(event["occurred_at"]) < fast for event in sold)
    back = [
        shop.order("RecordRefund", code_ref=code.ref, order_id=order, note="sent back") for order in ("sent", "told")
    ]
    send(system, PURCHASES, back)
    device.sees(lambda shown: end_of_license(shown) == ends_at)


def test_a_refund_message_that_overtakes_its_purchase_ends_as_in_order(
    system: System, vendor: Vendor, fleet: Tool, new_device: NewDevice
) -> None:
    """R-36, R-132."""
    code, device = vendor.issue("P1Y"), new_device()
    ends_at = end_of_license(device.activates(code))
    sold = {"code_ref": code.ref, "order_id": "overtaken"}
    refund = fleet.order("RecordRefund", **sold, note="sent back")
    last = fleet.order("RecordPurchase", code_ref=code.ref, order_id="last", settled=True, term="P30D")
    send(system, PURCHASES, [refund, fleet.order("RecordPurchase", **sold, settled=True), last])
    device.sees(lambda shown: end_of_license(shown) == ends_at + timedelta(days=30))
    told = [event["type"] for event in vendor.history(code)][-4:]
    assert told == ["PurchaseRefused", "LicenseRenewed", "LicenseShortened", "LicenseRenewed"]


def test_an_order_for_a_device_that_nobody_enrolled_is_parked_with_its_reason(system: System, fleet: Tool) -> None:
    """R-122."""
    (place,) = send(system, COMMANDS, [fleet.order("Activate", device_id="nobody-knows-me")])
    assert reason_of(system, place) == "unknown_device"
    stream = stream_of("device.commands", *place)
    (event,) = query(system, "device", "select type, data from event_json where stream_id = $1", stream)
    assert event["type"] == "MessageParked"


def test_a_device_that_is_enrolled_again_as_something_else_is_parked_with_its_reason(
    system: System, fleet: Tool
) -> None:
    """R-133: the same enrollment again is passed over."""
    told = {"device_id": f"fleet-{new_id()}", "product": PRODUCT}
    first, again, other = (fleet.order("EnrollDevice", **told, region=region) for region in (REGION, REGION, "FR"))
    _, same, place = send(system, COMMANDS, [first, again, other])
    assert reason_of(system, place) == "device_exists"
    assert parked(system, "device", same) == []


def test_a_purchase_of_a_code_that_nobody_issued_is_parked_with_its_reason(system: System, fleet: Tool) -> None:
    """R-122."""
    order = fleet.order("RecordPurchase", code_ref=f"{7:032x}", order_id="lost", settled=True)
    (place,) = send(system, PURCHASES, [order])
    assert reason_of(system, place) == "unknown_code"


def test_a_purchase_of_a_code_that_was_never_activated_is_refused_as_an_event(
    system: System, vendor: Vendor, fleet: Tool
) -> None:
    """R-123."""
    code = vendor.issue()
    send(system, PURCHASES, [fleet.order("RecordPurchase", code_ref=code.ref, order_id="early", settled=True)])
    until(lambda: [event["type"] for event in vendor.history(code)], lambda types: "PurchaseRefused" in types)
    assert vendor.history(code)[-1]["data"]["reason"] == "not_activated"


def test_three_hundred_orders_in_one_go_are_decided_in_their_order(
    system: System, fleet: Tool, new_device: NewDevice
) -> None:
    """R-36, R-126: each refusal names the number of its order."""
    devices = [new_device() for _ in range(3)]
    orders = [
        fleet.order("Activate", device_id=devices[number % 3].device_id, code_ref=f"{number:032x}")
        for number in range(ORDERS_AT_ONCE)
    ]
    send(system, COMMANDS, orders)
    for first, device in enumerate(devices):
        until(device.event_names, lambda names: len(names) == 1 + ORDERS_AT_ONCE // 3)
        numbers = [int(event["data"]["code_ref"], 16) for event in device.history()[1:]]
        assert numbers == list(range(first, ORDERS_AT_ONCE, 3))


def decisions(system: System) -> float:
    """Return how much the device service has decided since it started."""
    lines = httpx.get(f"{system.worker('device').url}/metrics", trust_env=False).text.splitlines()
    return sum(float(line.rsplit(" ", 1)[1]) for line in lines if line.startswith("perennial_decisions_total"))


def test_a_whole_fleet_gets_one_code_by_messages_and_the_service_stays_ready(
    system: System, vendor: Vendor, fleet: Tool
) -> None:
    """R-73, R-89, R-91: then the code is renewed and blocked for all; the work grows with the devices alone."""
    code, prefix, began = vendor.issue(seats=2 * FLEET), f"whole-{new_id()}", decisions(system)
    ids = [f"{prefix}-{number:04}" for number in range(FLEET)]
    enroll = [fleet.order("EnrollDevice", device_id=each, product=PRODUCT, region=REGION) for each in ids]
    told = {"code_ref": code.ref, "last_group": code.last_group}
    send(system, COMMANDS, enroll + [fleet.order("AddCode", device_id=each, **told) for each in ids])

    def seen(what: str) -> int:
        assert system.worker("device").ready()
        sql = f"select count(*) as seen from device where license_ref = $1 and {what}"
        return int(query(system, "device", sql, code.ref)[0]["seen"])

    until(lambda: seen("true"), lambda count: count == FLEET, seconds=FLEET_SECONDS)
    vendor.sell_renewal(code, "for all")
    vendor.block(code)
    until(
        lambda: seen("state #> '{license,stops_at}' is not null"), lambda count: count == FLEET, seconds=FLEET_SECONDS
    )
    ends = "select distinct state #>> '{license,ends_at}' as ends from device where license_ref = $1"
    [row] = query(system, "device", ends, code.ref)
    assert moment(row["ends"]) == moment(vendor.code(code)["ends_at"])
    # enrolled, added, activated; the start, the renewal and the block
    assert decisions(system) - began <= 6 * FLEET + MEANWHILE
