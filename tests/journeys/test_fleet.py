"""One code for a fleet of ten thousand, three of which nobody knows: each device gets its own answer."""

import json
from collections import Counter
from typing import Any

import pytest

from services.cli.system import System
from shared.ledger.identity import new_id
from tests.journeys.logs import COMMANDS, Tool, query, send
from tests.journeys.people import PRODUCT, REGION, IssuedCode, OwnedDevice, Time, Vendor, client, expect
from tests.journeys.waiting import until

DEVICES = 10_000
UNKNOWN = 3
SEATS = 9_000
SECONDS = 240.0


@pytest.fixture(scope="module")
def fleet(system: System, time: Time) -> list[str]:
    """The ids of the fleet, of which the last three were never enrolled."""
    prefix = f"fleet-{new_id()}"
    ids = [f"{prefix}-{number:05d}" for number in range(DEVICES)]
    tool = Tool(source=f"/fleet/{prefix}", at=time.now())
    known = ids[: DEVICES - UNKNOWN]
    send(system, COMMANDS, [tool.order("EnrollDevice", device_id=i, product=PRODUCT, region=REGION) for i in known])
    count = "select count(*) as known from device where device_id like $1"
    until(lambda: query(system, "device", count, f"{prefix}-%")[0]["known"], lambda n: n == len(known), seconds=SECONDS)
    return ids


@pytest.fixture(scope="module")
def code(vendor: Vendor) -> IssuedCode:
    """The code of the fleet."""
    return vendor.issue(seats=SEATS)


def result_of(system: System, request_id: str) -> list[dict[str, Any]]:
    """Return what became of every device, page by page."""
    with client(system, "device", system.credentials.operator_key) as operator:
        entries: list[dict[str, Any]] = []
        params: dict[str, Any] = {"limit": 500}
        while True:
            page = expect(200, operator.get(f"/v1/fleet/requests/{request_id}", params=params))
            entries += page["devices"]
            if page["next"] is None:
                return entries
            params["after"] = page["next"]


def test_ten_thousand_devices_get_one_code_and_three_are_told_to_be_unknown(
    system: System, vendor: Vendor, fleet: list[str], code: IssuedCode
) -> None:
    """R-02, R-03, R-82, R-85, R-89, R-123: each with its own verdict, no seat too many, nothing half done."""
    body = {"code": code.text, "device_ids": fleet}
    headers = {"Idempotency-Key": str(new_id())}
    with client(system, "device", system.credentials.operator_key) as operator:
        answer = expect(207, operator.post("/v1/fleet/codes", json=body, headers=headers, timeout=SECONDS))
        repeated = expect(207, operator.post("/v1/fleet/codes", json=body, headers=headers, timeout=SECONDS))
    assert answer["counts"] == {
        "accepted": DEVICES - UNKNOWN,
        "refused": 0,
        "unknown_device": UNKNOWN,
        "not_taken": 0,
    }
    assert repeated == answer
    assert code.text not in json.dumps(answer)
    assert [entry["device_id"] for entry in answer["results"]] == fleet
    assert [entry["result"] for entry in answer["results"][-UNKNOWN:]] == ["unknown_device"] * UNKNOWN
    entries = until(
        lambda: result_of(system, answer["request_id"]),
        lambda entries: sum(entry["verdict"] is not None for entry in entries) == DEVICES - UNKNOWN,
        seconds=SECONDS,
    )
    verdicts = Counter((entry["verdict"] or {}).get("type") for entry in entries)
    assert verdicts["LicenseActivated"] == SEATS
    assert verdicts[None] == UNKNOWN
    reasons = {entry["verdict"]["reason"] for entry in entries if entry["verdict"] and entry["verdict"]["reason"]}
    assert reasons == {"seats_exhausted"}
    assert vendor.code(code)["seats_taken"] == SEATS


def test_the_fleets_verdicts_are_the_devices_own(system: System, fleet: list[str]) -> None:
    """R-89: one `CodeAdded` on each device, for all that the request was sent twice."""
    for device_id in (fleet[0], fleet[-UNKNOWN - 1]):
        device = OwnedDevice(system, device_id, system.credentials.operator_key)
        assert device.event_names().count("CodeAdded") == 1


def test_a_renewal_a_refund_and_a_block_at_once_reach_every_device_of_the_fleet(
    system: System, vendor: Vendor, fleet: list[str], code: IssuedCode
) -> None:
    """R-91, R-96, R-105, R-139: each device is told of each once."""
    order = f"fleet-{code.ref[:8]}"
    vendor.sell_renewal(code, order, term="P2M")
    expect(202, vendor.refund(code, order, term="P1M"))
    vendor.block(code)
    told = until(
        lambda: told_of(system, fleet),
        lambda told: all(events >= SEATS for events, _ in told.values()),
        seconds=SECONDS,
    )
    assert told == dict.fromkeys(FACTS, (SEATS, SEATS))
    for worker in system.workers.values():
        assert worker.ready()


def told_of(system: System, fleet: list[str]) -> dict[str, tuple[int, int]]:
    """Return of each fact how many events of the fleet's devices tell it, and of how many devices."""
    rows = query(system, "device", TOLD, fleet)
    return dict.fromkeys(FACTS, (0, 0)) | {row["type"]: (row["events"], row["devices"]) for row in rows}


FACTS = ("LicenseRenewed", "LicenseShortened", "CodeBlocked")
TOLD = f"""
select type, count(*) as events, count(distinct stream_id) as devices
from event where stream_id = any($1::text[]) and type in {FACTS}
group by type
"""
