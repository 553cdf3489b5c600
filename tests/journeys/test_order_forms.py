"""Orders in every form that CloudEvents allows, and as the SDKs of five languages write them, over real Kafka."""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import pytest
from cloudevents.core.bindings.kafka import KafkaMessage, to_binary_event, to_structured_event
from cloudevents.core.v1.event import CloudEvent

from services.cli.system import System
from shared.ledger.identity import new_id
from tests.journeys.logs import COMMANDS, PURCHASES, Message, parked, query, send
from tests.journeys.people import IssuedCode, OwnedDevice, Time, Vendor, moment, runs_on
from tests.journeys.waiting import until
from tests.journeys.written_by_sdks import BY_SDK, Written

STRUCTURED = "application/cloudevents+json"
OWN_SCHEMA = "https://shop.example/schemas/order.json"

type Attributes = dict[str, Any]
type NewDevice = Callable[[], OwnedDevice]


@dataclass(frozen=True, slots=True)
class Shop:
    """A shop that renews the code of one device by messages."""

    system: System
    vendor: Vendor
    code: IssuedCode

    def purchase(self, order_id: str) -> Attributes:
        """Return the body of an order."""
        return {"code_ref": self.code.ref, "order_id": order_id, "settled": True, "term": "P1D"}

    def purchases(self) -> dict[str, datetime]:
        """Return the purchases of the code with their dates. None is recorded twice."""
        renewals = [event["data"] for event in self.vendor.history(self.code) if event["type"] == "LicenseRenewed"]
        told = {renewal["order_id"]: moment(renewal["purchased_at"]) for renewal in renewals}
        assert len(told) == len(renewals)
        return told

    def has_sold(self, messages: Sequence[Message], *order_ids: str) -> dict[str, datetime]:
        """Send the messages, wait until their orders are recorded, and return the dates. None is parked."""
        places = send(self.system, PURCHASES, messages)
        told = until(self.purchases, lambda dates: dates.keys() >= set(order_ids))
        for place in places:
            assert parked(self.system, "activation", place) == []
        return told


@pytest.fixture
def shop(system: System, vendor: Vendor, new_device: NewDevice) -> Shop:
    """A shop with a customer."""
    code = vendor.issue("P1Y")
    new_device().activates(code)
    return Shop(system, vendor, code)


def binary(body: Attributes, **attributes: Any) -> Message:
    """Return an order in binary mode; `attributes` that are None are missing."""
    told = {"specversion": "1.0", "id": str(new_id()), "source": "/shop/forms", "type": "RecordPurchase", **attributes}
    headers = [(f"ce_{name}", str(value).encode()) for name, value in told.items() if value is not None]
    return Message(value=json.dumps(body).encode(), headers=headers)


def structured(body: Attributes, *, content_type: str = STRUCTURED, **attributes: Any) -> Message:
    """Return an order in structured mode."""
    told = {"specversion": "1.0", "id": str(new_id()), "source": "/shop/forms", "type": "RecordPurchase", **attributes}
    headers = [("content-type", content_type.encode())]
    return Message(value=json.dumps({**told, "data": body}).encode(), headers=headers)


@pytest.mark.parametrize("mode", [binary, structured])
@pytest.mark.parametrize(
    "attribute",
    [
        {"time": "2026-03-01t12:00:00z"},
        {"time": "2026-03-01T12:00:00+00:00"},
        {"dataschema": OWN_SCHEMA},
        {"correlationid": "order 4711"},
        {"datacontenttype": "application/json"},
        {"recordedtime": "yesterday"},
        {"sequence": 7},
    ],
    ids="-".join,
)
def test_an_order_in_a_form_that_cloudevents_allows_is_recorded(
    mode: Callable[..., Message], attribute: Attributes, shop: Shop
) -> None:
    """R-143."""
    told = shop.has_sold([mode(shop.purchase("first"), **attribute)], "first")
    if "time" in attribute:
        assert told["first"] == moment("2026-03-01T12:00:00Z")


@pytest.mark.parametrize("mode", [binary, structured])
def test_an_order_without_a_time_is_dated_by_its_arrival(mode: Callable[..., Message], shop: Shop, time: Time) -> None:
    """R-143."""
    before = time.earliest()
    told = shop.has_sold([mode(shop.purchase("timeless"))], "timeless")
    assert before <= told["timeless"] <= time.latest()


def test_a_fleet_tools_orders_may_have_any_form_too(system: System, vendor: Vendor, new_device: NewDevice) -> None:
    """R-89, R-143."""
    device, code, message_id = new_device(), vendor.issue(), str(new_id())
    body = {"device_id": device.device_id, "code_ref": code.ref, "last_group": code.last_group}
    send(system, COMMANDS, [structured(body, type="AddCode", id=message_id, correlationid="a rollout")])
    device.sees(runs_on(code))
    assert device.history()[1]["causation_id"] == message_id


@pytest.mark.parametrize("content_type", ["application/cloudevents+avro", "application/cloudevents-batch+json"])
def test_a_form_that_is_not_read_is_parked_by_its_name(content_type: str, shop: Shop) -> None:
    """R-122, R-143."""
    (place,) = send(shop.system, PURCHASES, [structured(shop.purchase("avro"), content_type=content_type)])
    (row,) = until(lambda: parked(shop.system, "activation", place), bool)
    assert (row["reason"], STRUCTURED in row["detail"]) == ("unreadable_envelope", True)


# --- SDKs --------------------------------------------------------------------------------------


@pytest.mark.parametrize("sdk", BY_SDK)
def test_the_orders_that_an_sdk_writes_are_recorded_each_once(sdk: str, shop: Shop) -> None:
    """R-116, R-143: each is sent twice."""
    written: Sequence[Written] = BY_SDK[sdk]
    messages = [each.about(shop.code.ref) for each in written]
    told = shop.has_sold([*messages, *messages], *(each.order_id for each in written))
    assert told.keys() == {each.order_id for each in written}


@pytest.mark.parametrize("mode", [to_binary_event, to_structured_event])
def test_an_order_that_the_python_sdk_writes_now_is_recorded_once(
    mode: Callable[[CloudEvent], KafkaMessage], shop: Shop
) -> None:
    """R-116, R-143."""
    attributes = {"type": "RecordPurchase", "source": "/shop/python", "datacontenttype": "application/json"}
    written = mode(CloudEvent(attributes=attributes, data=shop.purchase("now")))
    message = Message(value=written.value, headers=list(written.headers.items()))
    shop.has_sold([message, message], "now")
    sql = "select count(*) as count from inbound_message where source = '/shop/python' and id = $1"
    assert query(shop.system, "activation", sql, _id_of(written))[0]["count"] == 1


def _id_of(written: KafkaMessage) -> str:
    event = json.loads(written.value or b"")
    return str(event.get("id") or written.headers["ce_id"].decode())
