"""Parked messages at the operator's door: seen with reason and content, redriven, discarded, and never lost."""

import json
from collections.abc import Sequence
from datetime import datetime, timedelta

import pytest

from shared.kafka.consumer import Handled, Source
from shared.kafka.inbox import Accepted, Parked, Record
from shared.kafka.parking import park
from shared.ledger.clock import Clock
from shared.ledger.code_generator import new_code
from shared.ledger.database import Connection, Pool, transaction
from shared.ledger.events import append
from shared.ledger.identity import new_id
from shared.recovery.redrive import ParkedRecord, redrive_one
from tests.at_the_door import OPERATOR, Client, told
from tests.journeys.logs import order_headers
from tests.shared.records import NOON, OUTBOX, cause, outside_headers, record

PARKED = "/v1/operations/parked"


def order(type_name: str, *, offset: int = 7, **body: object) -> Record:
    """Return an order of a fleet tool."""
    headers = order_headers(type_name, message_id=str(new_id()), source="/fleet", at=NOON)
    return record(key=b"d", value=json.dumps(body).encode(), headers=headers, partition=3, offset=offset)


async def set_aside(
    pool: Pool, *records: Record, reason: str = "unknown_device", consumer: str = "device.commands"
) -> None:
    """Park the records one after the other, a minute apart."""
    for minutes, each in enumerate(records):
        then = cause(NOON + timedelta(minutes=minutes))
        async with transaction(pool) as connection:
            parked = [Parked(each, reason, "no such device is enrolled")]
            await append(connection, await park(connection, consumer, parked, outbox=OUTBOX, cause=then))


async def events(pool: Pool) -> list[str]:
    return [row["type"] for row in await pool.fetch("select type from event order by recorded_at, event_id")]


async def listed(door: Client, **params: str) -> list[tuple[str, str]]:
    """Return id and state of what the door lists."""
    answer = told(200, await door.get(PARKED, params=params, headers=OPERATOR))
    return [(each["id"], each["state"]) for each in answer["messages"]]


async def test_a_parked_message_is_shown_with_its_reason_in_words_and_with_its_content(
    door: Client, device_pool: Pool
) -> None:
    """R-122."""
    await set_aside(device_pool, order("RemoveLicense", device_id="d"))
    (entry,) = told(200, await door.get(PARKED, headers=OPERATOR))["messages"]
    assert (entry["id"], entry["reason"], entry["state"]) == ("device.commands:3:7", "unknown_device", "waiting")
    assert entry["explained"]["meaning"] == "No such device is enrolled."
    shown = told(200, await door.get(f"{PARKED}/device.commands:3:7", headers=OPERATOR))
    assert (json.loads(shown["value"]), shown["key"], shown["value_cut"]) == ({"device_id": "d"}, "d", False)
    assert {"name": "ce_source", "value": "/fleet"} in shown["headers"]


async def test_headers_are_shown_as_the_text_that_they_are(door: Client, device_pool: Pool) -> None:
    """R-122."""
    headers = [("ce_source", "/Gerät № 7".encode()), ("ce_id", b"\xff")]
    await set_aside(device_pool, record(headers=headers, partition=3, offset=7))
    shown = told(200, await door.get(f"{PARKED}/device.commands:3:7", headers=OPERATOR))
    assert [header["value"] for header in shown["headers"]] == ["/Gerät № 7", "\ufffd"]


async def test_a_whole_code_in_a_parked_message_is_masked(door: Client, device_pool: Pool) -> None:
    """R-112: a tool that wrote one made a mistake, and support must not repeat it."""
    code = new_code()
    plain = code.reveal().replace("-", "").lower()
    await set_aside(device_pool, order("AddCode", code=code.reveal(), again=plain, not_one="AAAAA-AAAAA-AAAAA-AAAAA"))
    shown = told(200, await door.get(f"{PARKED}/device.commands:3:7", headers=OPERATOR))
    body = json.loads(shown["value"])
    assert body["code"] == body["again"] == f"•••••-•••••-•••••-{code.last_group}"
    assert body["not_one"] == "AAAAA-AAAAA-AAAAA-AAAAA"


async def test_what_a_redrive_would_do_is_told_and_not_done(door: Client, device_pool: Pool) -> None:
    """R-122."""
    await set_aside(device_pool, order("EnrollDevice", device_id="d", product="antivirus", region="DE"))
    answer = told(200, await door.get(f"{PARKED}/device.commands:3:7/redrive", headers=OPERATOR))
    assert [each["type"] for each in answer["would_record"]] == ["DeviceEnrolled", "MessageRedriven"]
    assert answer["would_record"][0]["stream_id"] == "d"
    assert await events(device_pool) == ["MessageParked"]
    assert await listed(door) == [("device.commands:3:7", "waiting")]


async def test_a_message_whose_cause_is_gone_is_redriven_once(door: Client, device_pool: Pool) -> None:
    """R-122, R-116."""
    await set_aside(device_pool, order("EnrollDevice", device_id="d", product="antivirus", region="DE"))
    path = f"{PARKED}/device.commands:3:7/redrive"
    answer = told(200, await door.post(path, headers=OPERATOR))
    assert answer["recorded"] == ["DeviceEnrolled", "MessageRedriven"]
    assert await listed(door) == []
    assert await listed(door, state="redriven") == [("device.commands:3:7", "redriven")]
    for method in ("GET", "POST"):
        again = await door.request(method, path, headers=OPERATOR)
        assert told(404, again)["code"] == "not_parked"
    assert (await events(device_pool)).count("DeviceEnrolled") == 1


@pytest.mark.parametrize("structured", [False, True])
async def test_an_order_that_an_earlier_release_could_not_read_is_redriven(
    structured: bool, door: Client, device_pool: Pool
) -> None:
    """R-122, R-143: without a time, with a schema of its own, or in structured mode."""
    body = {"device_id": "d", "product": "antivirus", "region": "DE"}
    event = {
        "specversion": "1.0",
        "id": "1",
        "source": "/fleet",
        "type": "EnrollDevice",
        "dataschema": "https://fleet/1",
    }
    headers = [(f"ce_{name}", text.encode()) for name, text in event.items()]
    value: dict[str, object] = dict(body)
    if structured:
        headers, value = [("content-type", b"application/cloudevents+json")], {**event, "data": body}
    await set_aside(
        device_pool,
        record(value=json.dumps(value).encode(), headers=headers, partition=3, offset=7),
        reason="unreadable_envelope",
    )
    answer = told(200, await door.post(f"{PARKED}/device.commands:3:7/redrive", headers=OPERATOR))
    assert answer["recorded"] == ["DeviceEnrolled", "MessageRedriven"]


async def test_a_redriven_order_without_a_time_is_dated_by_when_it_was_parked(device_pool: Pool) -> None:
    """R-143."""
    await set_aside(device_pool, record(headers=outside_headers(ce_time=None), partition=3, offset=7))
    dates: list[datetime] = []

    async def handle(_: Connection, accepted: Sequence[Accepted[datetime]]) -> Handled:
        dates.extend(entry.message for entry in accepted)
        return Handled()

    source = Source(
        name="device.commands", topic="-", ledger=False, read=lambda envelope, _: envelope.occurred_at, handle=handle
    )
    await redrive_one(
        device_pool, source, ParkedRecord("device.commands", 3, 7), outbox=OUTBOX, clock=Clock(sandbox=True)
    )
    assert dates == [NOON]


async def test_a_redrive_whose_cause_is_not_gone_says_so_and_changes_nothing(door: Client, device_pool: Pool) -> None:
    """R-122."""
    await set_aside(device_pool, order("RemoveLicense", device_id="nobody"))
    for method in ("GET", "POST"):
        response = await door.request(method, f"{PARKED}/device.commands:3:7/redrive", headers=OPERATOR)
        assert told(409, response)["code"] == "unknown_device"
    assert await listed(door) == [("device.commands:3:7", "waiting")]


async def test_a_discarded_message_stays_with_the_reason_and_is_a_fact(door: Client, device_pool: Pool) -> None:
    """R-122, R-127."""
    await set_aside(device_pool, order("RemoveLicense", device_id="nobody"))
    path = f"{PARKED}/device.commands:3:7"
    answer = await door.post(f"{path}/discard", json={"reason": "  a test of the tool "}, headers=OPERATOR)
    assert told(200, answer)["recorded"] == ["MessageDiscarded"]
    row = await device_pool.fetchrow("select stream_id, version, data from event where type = 'MessageDiscarded'")
    assert row is not None
    assert (row["stream_id"].startswith("parked/device.commands/"), row["version"]) == (True, 2)
    assert json.loads(row["data"])["note"] == "a test of the tool"
    shown = told(200, await door.get(path, headers=OPERATOR))
    assert (shown["state"], shown["note"]) == ("discarded", "a test of the tool")
    assert json.loads(shown["value"]) == {"device_id": "nobody"}
    assert await listed(door) == []
    for order_ in ("redrive", "discard"):
        again = await door.post(
            f"{path}/{order_}", json={"reason": "once more"} if order_ == "discard" else None, headers=OPERATOR
        )
        assert told(404, again)["code"] == "not_parked"


@pytest.mark.parametrize("body", [{}, {"reason": "  "}, {"reason": "x" * 501}, {"reason": "good", "more": 1}])
async def test_a_discard_needs_a_reason(body: dict[str, object], door: Client, device_pool: Pool) -> None:
    """R-122."""
    await set_aside(device_pool, order("RemoveLicense", device_id="nobody"))
    response = await door.post(f"{PARKED}/device.commands:3:7/discard", json=body, headers=OPERATOR)
    assert told(422, response)["code"] == "invalid_fields"
    assert await listed(door) == [("device.commands:3:7", "waiting")]


async def test_a_projection_takes_nothing_in_out_of_its_order(door: Client, device_pool: Pool) -> None:
    """R-118."""
    await set_aside(device_pool, order("CodeMelted"), reason="unknown_event", consumer="license_view")
    response = await door.post(f"{PARKED}/license_view:3:7/redrive", headers=OPERATOR)
    assert told(409, response)["code"] == "kept_by_projection"
    (entry,) = told(200, await door.get(PARKED, headers=OPERATOR))["messages"]
    assert entry["kept_by_projection"]


async def test_a_slice_that_waits_is_told_of(door: Client, device_pool: Pool) -> None:
    """R-120: to discard what came too early does not bring what is missing."""
    await set_aside(device_pool, order("CodeMelted"), reason="position_gap", consumer="license_view")
    (entry,) = told(200, await door.get(PARKED, headers=OPERATOR))["messages"]
    assert entry["slice_waits"]


async def test_a_long_list_is_read_page_by_page(door: Client, device_pool: Pool) -> None:
    await set_aside(device_pool, *(order("RemoveLicense", offset=offset, device_id="d") for offset in (9, 8, 7, 6, 5)))
    seen: list[int] = []
    after: str | None = ""
    while after is not None:
        page = told(200, await door.get(PARKED, params={"limit": 2, "after": after}, headers=OPERATOR))
        seen += [each["offset"] for each in page["messages"]]
        after = page["next"]
        assert page["waiting"] == 5
    assert seen == [9, 8, 7, 6, 5]


@pytest.mark.parametrize(
    ("path", "status", "code"),
    [
        ("device.commands:3:8", 404, "not_parked"),
        ("nobody:3:7", 404, "not_parked"),
        ("device.commands:3", 422, "invalid_fields"),
        ("device.commands:99999999999:1", 422, "invalid_fields"),
        ("?after=nonsense", 422, "invalid_fields"),
        (f"?after={'9' * 18}~a:1:1", 422, "invalid_fields"),
        ("?state=lost", 422, "invalid_fields"),
    ],
)
async def test_what_is_not_there_or_no_name_is_refused(path: str, status: int, code: str, door: Client) -> None:
    address = f"{PARKED}{path}" if path.startswith("?") else f"{PARKED}/{path}"
    assert told(status, await door.get(address, headers=OPERATOR))["code"] == code


@pytest.mark.parametrize("path", ["parked", "consumers", "projections", "projections/license_view/rebuild"])
async def test_only_the_operator_comes_in(path: str, door: Client) -> None:
    """R-109."""
    assert told(401, await door.get(f"/v1/operations/{path}"))["code"] == "credential_missing"
    headers = {"Authorization": "Bearer somebody"}
    assert told(403, await door.get(f"/v1/operations/{path}", headers=headers))["code"] == "not_the_operator"
    assert told(403, await door.get("/v1/log/checkpoints", headers=headers))["code"] == "not_the_operator"
