"""Orders of outside tools that are well addressed and still cannot be taken: no message may stop a service.

A service that ends on a message starts again, reads the same message, and ends again: nothing else goes on.
"""

import json

import pytest

from services.cli.system import System
from shared.kafka.parking import stream_of
from shared.ledger.identity import new_id
from tests.journeys.forging import READERS
from tests.journeys.logs import COMMANDS, PURCHASES, Message, Place, Tool, order_headers, query, send
from tests.journeys.people import OwnedDevice, Time, Vendor, end_of_license, expect
from tests.journeys.waiting import until

DEEP = b"[" * 100_000
CALENDAR_YEAR_MAX = 9999
WHOLE_CODE = "K7Q2M-4XWAB-9PYRS-TVN3H"


@pytest.fixture(scope="module")
def licensed(besieged: System) -> OwnedDevice:
    """A device whose code the shop's messages are about."""
    device = OwnedDevice.enrolled(besieged)
    device.activates(Vendor(besieged).issue("P1Y"))
    return device


@pytest.fixture
def tool(besieged: System) -> Tool:
    """A tool with a name of its own."""
    return Tool(source=f"/tool/{new_id()}", at=Time(besieged).now())


def is_handled(system: System, place: Place) -> None:
    """The consumer of the topic has passed the record, and its service still runs and makes progress."""
    ((service, consumer),) = READERS[place[0]]
    sql = "select next_offset from inbound_partition where consumer = $1 and partition = $2"
    until(lambda: query(system, service, sql, consumer, place[1])[0]["next_offset"], lambda next_: next_ > place[2])
    assert system.workers[f"{service}.1"].ready()


def reasons(system: System, place: Place) -> list[str]:
    """Return why the record was parked; nothing if it was not."""
    ((service, _),) = READERS[place[0]]
    sql = 'select reason, detail from parked where topic = $1 and partition = $2 and "offset" = $3'
    rows = query(system, service, sql, *place)
    assert not any(WHOLE_CODE in row["detail"] for row in rows)
    return [row["reason"] for row in rows]


def with_header(message: Message, name: str, value: bytes) -> Message:
    """Return the message with another value in one header."""
    headers = [*((other, text) for other, text in message.headers if other != name), (name, value)]
    return Message(value=message.value, key=message.key, headers=headers)


@pytest.mark.parametrize(
    "value",
    [
        b"",
        b"{",
        b"[]",
        b"null",
        b"\xff\xfe",
        DEEP,
        b'{"device_id": "d", "request_id": "00000000-0000-0000-0000-000000000000"}',
        b'{"device_id": "d", "at": "2020-01-01T00:00:00Z"}',
        b'{"device_id": "d", "colour": 1}',
        b'{"device_id": "d", "\\u0000": 1}',
        b'{"device_id": "d", "\\ud800": 1}',
        b'{"device_id": "\\u0000"}',
        b'{"device_id": "' + b"d" * 65 + b'"}',
        b'{"device_id": ' + b"9" * 5_000 + b"}",
        b'{"device_id": "d", "' + WHOLE_CODE.encode() + b'": 1}',
    ],
)
def test_a_body_that_is_no_order_is_parked(value: bytes, besieged: System, tool: Tool) -> None:
    """R-112, R-122."""
    (place,) = send(besieged, COMMANDS, [tool.message("Activate", value, key="d")])
    is_handled(besieged, place)
    assert reasons(besieged, place) == ["unreadable_event"]


def test_an_order_with_another_name_is_parked(besieged: System, tool: Tool) -> None:
    """R-122: each topic takes its own orders only."""
    for topic, name in ((COMMANDS, "RecordPurchase"), (PURCHASES, "AddCode"), (COMMANDS, "Expire")):
        (place,) = send(besieged, topic, [tool.message(name, b"{}", key="d")])
        is_handled(besieged, place)
        assert reasons(besieged, place) == ["unknown_event"]


@pytest.mark.parametrize("header", ["ce_id", "ce_source", "ce_type"])
def test_a_name_of_a_message_that_no_table_can_hold_is_parked(header: str, besieged: System, tool: Tool) -> None:
    """R-122."""
    message = with_header(tool.order("Activate", device_id="nobody"), header, b"a\0b")
    (place,) = send(besieged, COMMANDS, [message])
    is_handled(besieged, place)
    assert reasons(besieged, place) == ["unreadable_envelope"]


@pytest.mark.parametrize("trace", [b"x" * 60_000, b"00-nonsense", b"a\0b"])
def test_a_trace_that_is_none_does_not_lose_the_order(
    trace: bytes, besieged: System, tool: Tool, licensed: OwnedDevice
) -> None:
    """The trace is for people who look for a cause: an order is good without it."""
    number = len(licensed.event_names())
    message = with_header(tool.order("Activate", device_id=licensed.device_id), "traceparent", trace)
    (place,) = send(besieged, COMMANDS, [message])
    is_handled(besieged, place)
    assert reasons(besieged, place) == []
    assert licensed.event_names()[number:] == ["ActivationRefused"]
    assert query(besieged, "device", "select 1 from event where length(traceparent) > 55") == []


def test_an_order_id_that_no_table_can_hold_is_parked(besieged: System, tool: Tool, licensed: OwnedDevice) -> None:
    """R-122."""
    code_ref = licensed.license()["license"]["code_ref"]
    order = tool.order("RecordPurchase", code_ref=code_ref, order_id="a\0b", settled=True)
    (place,) = send(besieged, PURCHASES, [order])
    is_handled(besieged, place)
    assert reasons(besieged, place) == ["unreadable_event"]


@pytest.mark.parametrize("date", ["9999-12-31T23:59:59Z", "9998-01-01T00:00:00-23:59", "2999-01-01T00:00:00Z"])
@pytest.mark.parametrize("where", ["body", "header"])
def test_a_purchase_dated_in_the_future_is_parked_and_gives_no_years_away(
    date: str, where: str, besieged: System, tool: Tool, licensed: OwnedDevice
) -> None:
    """R-92, R-131: by the same word as at the other door."""
    before = licensed.license()["license"]
    dated = {"purchased_at": date} if where == "body" else {}
    order = tool.order("RecordPurchase", code_ref=before["code_ref"], order_id=f"{where}-{date}", settled=True, **dated)
    (place,) = send(besieged, PURCHASES, [with_header(order, "ce_time", date.encode()) if where == "header" else order])
    is_handled(besieged, place)
    assert reasons(besieged, place) == ["date_out_of_range"]
    told = {"code_ref": before["code_ref"], "order_id": f"{where}-{date}", "purchased_at": date}
    answer = Vendor(besieged).http.post("/v1/purchases", json=told)
    assert expect(422, answer)["code"] == "date_out_of_range"
    assert licensed.license()["license"]["ends_at"] == before["ends_at"]


def test_a_purchase_that_leaves_the_calendar_is_parked(besieged: System, tool: Tool) -> None:
    """R-75: 80 purchases of 99 years fit into the calendar, 85 do not."""
    device = OwnedDevice.enrolled(besieged)
    code_ref = device.activates(Vendor(besieged).issue("P1Y"))["license"]["code_ref"]
    orders = [
        tool.order("RecordPurchase", code_ref=code_ref, order_id=str(number), settled=True, term="P99Y")
        for number in range(85)
    ]
    places = send(besieged, PURCHASES, orders)
    is_handled(besieged, places[-1])
    assert (reasons(besieged, places[79]), reasons(besieged, places[84])) == ([], ["date_out_of_range"])
    device.sees(lambda shown: end_of_license(shown).year == CALENDAR_YEAR_MAX)


def test_a_purchase_dated_long_ago_renews_from_the_end(besieged: System, tool: Tool) -> None:
    """R-92."""
    device = OwnedDevice.enrolled(besieged)
    before = device.activates(Vendor(besieged).issue("P1Y"))["license"]
    order = tool.order(
        "RecordPurchase",
        code_ref=before["code_ref"],
        order_id="old",
        settled=True,
        purchased_at="0001-01-01T14:00:00+14:00",
    )
    send(besieged, PURCHASES, [order])
    device.sees(lambda shown: shown["license"]["ends_at"] > before["ends_at"])


def test_a_device_named_like_a_parked_records_story_disturbs_nothing(besieged: System, tool: Tool) -> None:
    """R-122: a tool chooses the names of its devices, and may choose that of a record to come."""
    sql = "select next_offset from inbound_partition where consumer = 'device.commands' and partition = 5"
    (row,) = query(besieged, "device", sql)
    device_id = stream_of("device.commands", COMMANDS, 5, row["next_offset"] + 1).replace("/", ":")
    body = json.dumps({"device_id": device_id, "product": "antivirus", "region": "DE"}).encode()
    headers = order_headers("EnrollDevice", message_id=str(new_id()), source=tool.source, at=tool.at)
    places = send(
        besieged,
        COMMANDS,
        [Message(value=body, key=b"k", headers=headers, partition=5), Message(value=b"rubbish", key=b"k", partition=5)],
    )
    is_handled(besieged, places[1])
    assert reasons(besieged, places[1]) == ["unreadable_envelope"]


def test_after_all_this_every_partition_is_still_read(besieged: System, tool: Tool, licensed: OwnedDevice) -> None:
    """R-122."""
    number = len(licensed.event_names())
    order = tool.order("Activate", device_id=licensed.device_id)
    in_each = [
        Message(
            value=order.value,
            key=order.key,
            headers=tool.order("Activate", device_id=licensed.device_id).headers,
            partition=partition,
        )
        for partition in range(besieged.partitions)
    ]
    send(besieged, COMMANDS, in_each)
    licensed.sees(lambda _: len(licensed.event_names()) == number + besieged.partitions)
