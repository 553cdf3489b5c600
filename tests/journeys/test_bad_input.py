"""Bad requests over HTTP: each is refused with its stable code, repeats nothing that was typed, changes nothing."""

import json
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest

from services.cli.system import System
from shared.doors.limits import BODY_BYTES_MAX
from shared.ledger.code_generator import new_code
from shared.rules.codes import ALPHABET
from tests.journeys.people import OwnedDevice, Time, Vendor, client, end_of_license, expect, moment, runs_on

JSON = {"Content-Type": "application/json"}
FAR = "9999-12-31T23:59:59Z"
CALENDAR_YEAR_MAX = 9999

type NewDevice = Callable[[], OwnedDevice]


@pytest.fixture(scope="module")
def device(vendor: Vendor, new_device: NewDevice) -> OwnedDevice:
    """A licensed device; what is refused must leave it as it is."""
    device = new_device()
    device.activates(vendor.issue("P9Y"))
    return device


@pytest.fixture(autouse=True)
def nothing_changes(device: OwnedDevice) -> Iterator[None]:
    """Whatever a test of this file sends: no service stumbles, and the device keeps its license."""
    before = device.license()["license"]
    yield
    assert device.license()["license"] == before


def refused(response: httpx.Response, status: int, code: str) -> dict[str, Any]:
    """Return the problem, which must be one, with this status and code."""
    problem = expect(status, response)
    assert response.headers["content-type"] == "application/problem+json"
    assert (problem["code"], problem["status"], problem["type"]) == (code, status, f"/problems/{code}")
    return problem


# --- bodies ----------------------------------------------------------------------------------


@pytest.mark.parametrize("body", [b"{", b"", b"\xff\xfe{}", b"[" * 30_000, b'{"code":}', b"nothing"])
def test_a_body_that_is_not_json(body: bytes, device: OwnedDevice) -> None:
    response = device.http.post(f"{device.path}/codes", content=body, headers=JSON)
    if body:
        refused(response, 400, "malformed_json")
    else:
        refused(response, 422, "invalid_fields")


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"code": "A", "colour": "red"}, "colour"),
        ({}, "code"),
        ({"code": 7}, "code"),
        ({"code": ["A"]}, "code"),
        ({"code": "A" * 501}, "code"),
        ({"code": "A", "replace": "perhaps"}, "replace"),
        (["A"], ""),
    ],
)
def test_fields_that_are_unknown_missing_or_of_the_wrong_kind(body: Any, field: str, device: OwnedDevice) -> None:
    problem = refused(device.http.post(f"{device.path}/codes", json=body), 422, "invalid_fields")
    assert [wrong["field"] for wrong in problem["fields"]] == [field]


def test_a_code_sent_as_the_name_of_a_field_is_not_echoed(vendor: Vendor, device: OwnedDevice) -> None:
    """R-112."""
    code = vendor.issue()
    response = device.http.post(f"{device.path}/codes", json={code.text: 1})
    refused(response, 422, "invalid_fields")
    assert code.text not in response.text


def test_a_body_that_says_it_is_too_large(device: OwnedDevice) -> None:
    body = json.dumps({"code": "A" * BODY_BYTES_MAX}).encode()
    refused(device.http.post(f"{device.path}/codes", content=body, headers=JSON), 413, "body_too_large")


def test_a_body_that_is_too_large_and_does_not_say_so(device: OwnedDevice) -> None:
    def chunks() -> Iterator[bytes]:
        for _ in range(3):
            yield b" " * (BODY_BYTES_MAX // 2)

    refused(device.http.post(f"{device.path}/codes", content=chunks(), headers=JSON), 413, "body_too_large")


@pytest.mark.parametrize("media_type", ["text/plain", "application/x-www-form-urlencoded", "", "application/jsonx"])
def test_a_body_of_another_type(media_type: str, device: OwnedDevice) -> None:
    response = device.http.post(f"{device.path}/codes", content=b"{}", headers={"Content-Type": media_type})
    refused(response, 415, "unsupported_media_type")


# --- codes -----------------------------------------------------------------------------------


def one_symbol_wrong(code: str) -> str:
    last = code[-1]
    return code[:-1] + ALPHABET[(ALPHABET.index(last) + 1) % len(ALPHABET)]


@pytest.mark.parametrize(
    ("problem", "spoil"),
    [
        ("length", lambda code: code[:-1]),
        ("length", lambda code: code + "A"),
        ("length", lambda code: code[:0]),
        ("length", lambda code: code * 20),
        ("alphabet", lambda code: code[:-1] + "U"),
        ("alphabet", lambda code: code[:-1] + "Ж"),
        ("alphabet", lambda code: code[:-1] + "А"),
        ("check", one_symbol_wrong),
        ("check", lambda code: code[6:] + "-" + code[:5]),
    ],
)
def test_a_malformed_code_is_refused_with_what_is_wrong_and_never_echoed(
    problem: str, spoil: Callable[[str], str], device: OwnedDevice
) -> None:
    """R-05, R-06, R-112: it reaches no rule and leaves no event."""
    typed, before = spoil(new_code().reveal()), device.event_names()
    response = device.add(typed)
    answer = refused(response, 400, "malformed")
    assert answer["problem"] == problem
    assert not any(group in response.text for group in typed.split("-")[:3] if group)
    assert device.event_names() == before


def test_a_code_is_read_the_way_people_type_it(vendor: Vendor, new_device: NewDevice) -> None:
    """R-05."""
    code, device = vendor.issue(), new_device()
    expect(202, device.add("  " + code.text.lower().replace("-", " ").replace("0", "o").replace("1", "l")))
    device.sees(runs_on(code))


# --- who asks --------------------------------------------------------------------------------


@pytest.mark.parametrize("header", [None, "Basic YTpi", "Bearer", "Token Bearer"])
def test_no_credential(header: str | None, system: System, device: OwnedDevice) -> None:
    headers = {"Authorization": header} if header else {}
    with client(system, "device") as nobody:
        refused(nobody.get(f"{device.path}/license", headers=headers), 401, "credential_missing")
    with client(system, "activation") as nobody:
        refused(nobody.get(f"/v1/codes/{0:032x}", headers=headers), 401, "credential_missing")


def test_a_credential_that_nobody_has(system: System, device: OwnedDevice) -> None:
    with client(system, "device", "guessed") as stranger:
        refused(stranger.get(f"{device.path}/license"), 401, "credential_unknown")
    with client(system, "activation", device.token) as stranger:
        refused(stranger.get(f"/v1/codes/{0:032x}"), 403, "not_the_operator")
        refused(stranger.post("/v1/codes", json={"product": "a", "term": "P1Y"}), 403, "not_the_operator")


def test_another_devices_token(vendor: Vendor, device: OwnedDevice, new_device: NewDevice) -> None:
    """R-109: the same answer whether or not the other device exists."""
    other, code = new_device(), vendor.issue()
    for path in (device.path, "/v1/devices/nobody"):
        refused(other.http.get(f"{path}/license"), 403, "not_your_device")
        refused(other.http.get(f"{path}/history"), 403, "not_your_device")
        refused(other.http.post(f"{path}/codes", json={"code": code.text}), 403, "not_your_device")
        refused(other.http.post(f"{path}/activate-now"), 403, "not_your_device")
        refused(other.http.delete(f"{path}/codes/reserve"), 403, "not_your_device")


def test_a_device_that_nobody_enrolled(system: System) -> None:
    operator = OwnedDevice(system, "nobody", system.credentials.operator_key)
    refused(operator.http.get(f"{operator.path}/license"), 404, "unknown_device")
    refused(operator.http.get(f"{operator.path}/history"), 404, "unknown_device")
    refused(operator.add(new_code().reveal()), 404, "unknown_device")
    refused(operator.press_activate_now(), 404, "unknown_device")
    refused(operator.remove_reserve(), 404, "unknown_device")


@pytest.mark.parametrize("device_id", ["a%20b", "a%00b", "%D0%96", "a" * 65])
def test_a_device_id_that_cannot_be_one(device_id: str, system: System) -> None:
    with client(system, "device", system.credentials.operator_key) as operator:
        refused(operator.get(f"/v1/devices/{device_id}/license"), 422, "invalid_fields")


# --- conditions and repetition ---------------------------------------------------------------


def test_an_order_to_a_state_that_has_moved_on(vendor: Vendor, new_device: NewDevice) -> None:
    mine = new_device()
    seen = mine.http.get(f"{mine.path}/license").headers["etag"]
    code = vendor.issue()
    mine.activates(code)
    refused(mine.add(vendor.issue(), headers={"If-Match": seen}), 412, "precondition_failed")
    refused(mine.remove_reserve(headers={"If-Match": seen}), 412, "precondition_failed")
    assert runs_on(code)(mine.license())
    fresh = mine.http.get(f"{mine.path}/license").headers["etag"]
    expect(202, mine.add(vendor.issue(), headers={"If-Match": fresh}))


@pytest.mark.parametrize("etag", ["garbage", "3; drop table", '"1'])
def test_a_condition_that_is_no_etag(etag: str, vendor: Vendor, device: OwnedDevice) -> None:
    refused(device.add(vendor.issue(), headers={"If-Match": etag}), 400, "malformed_etag")


@pytest.mark.parametrize("etag", ['"-1"', 'W/"3-active-1"', '"0", "99"', '""'])
def test_an_etag_that_this_service_never_gave(etag: str, vendor: Vendor, device: OwnedDevice) -> None:
    """RFC 9110, 13.1.1."""
    refused(device.add(vendor.issue(), headers={"If-Match": etag}), 412, "precondition_failed")


def test_a_repeated_request_gets_the_same_answer_and_has_one_effect(vendor: Vendor, new_device: NewDevice) -> None:
    """R-09."""
    code, device = vendor.issue(), new_device()
    first = device.add(code, headers={"Idempotency-Key": "add-1"})
    # typed in another way it is the same code
    again = device.add(code.text.lower(), headers={"Idempotency-Key": "add-1"})
    assert (again.status_code, again.json()) == (first.status_code, first.json())
    assert again.headers["idempotent-replay"] == "true"
    device.sees(runs_on(code))
    assert device.event_names().count("CodeAdded") == 1


def test_an_idempotency_key_with_another_body_or_address(vendor: Vendor, new_device: NewDevice) -> None:
    """R-09."""
    device, key = new_device(), {"Idempotency-Key": "used"}
    code = vendor.issue()
    expect(202, device.add(code, headers=key))
    refused(device.add(code, replace=True, headers=key), 422, "idempotency_key_reused")
    refused(device.http.post(f"{device.path}/activate-now", headers=key), 422, "idempotency_key_reused")
    refused(device.add(vendor.issue(), headers=key), 422, "idempotency_key_reused")


def test_an_idempotency_key_is_each_devices_own(vendor: Vendor, new_device: NewDevice) -> None:
    """R-89, R-109."""
    code, devices = vendor.issue(seats=2), [new_device(), new_device()]
    for device in devices:
        expect(202, device.add(code, headers={"Idempotency-Key": "ours"}))
    for device in devices:
        device.sees(runs_on(code))


def test_codes_issued_again_under_the_same_key_are_the_same_codes(vendor: Vendor) -> None:
    """R-09, R-140."""
    body, key = {"product": "antivirus", "term": "P1Y", "count": 3}, {"Idempotency-Key": f"issue-{new_code().ref}"}
    first = expect(201, vendor.http.post("/v1/codes", json=body, headers=key))["codes"]
    again = expect(201, vendor.http.post("/v1/codes", json=body, headers=key))["codes"]
    assert again == first
    assert len({code["code"] for code in first}) == 3
    refused(vendor.http.post("/v1/codes", json={**body, "term": "P2Y"}, headers=key), 422, "idempotency_key_reused")


# --- dates, numbers, texts -------------------------------------------------------------------


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("term", "P100Y"),
        ("term", "1 year"),
        ("term", "P-1Y"),
        ("term", "P0D"),
        ("seats", 0),
        ("seats", 10**30),
        ("count", 1_001),
        ("regions", ["Germany"]),
        ("regions", ["DE", "EU"]),
        ("product", "Anti Virus"),
        ("kind", "gift"),
        ("activate_by", "2030-01-01T00:00:00"),
        ("activate_by", "31.12.2030"),
        ("activate_by", "2030-02-30T00:00:00Z"),
    ],
)
def test_terms_that_no_code_can_have(field: str, value: Any, vendor: Vendor) -> None:
    body = {"product": "antivirus", "term": "P1Y", field: value}
    problem = refused(vendor.http.post("/v1/codes", json=body), 422, "invalid_fields")
    assert problem["fields"][0]["field"].startswith(field)


def test_a_purchase_dated_in_the_future(vendor: Vendor, device: OwnedDevice) -> None:
    body = {"code_ref": device.license()["license"]["code_ref"], "order_id": "tomorrow", "purchased_at": FAR}
    refused(vendor.http.post("/v1/purchases", json=body), 422, "date_out_of_range")


@pytest.mark.parametrize("order_id", ["", "x" * 129, "a\0b"])
def test_an_order_id_that_cannot_be_kept(order_id: str, vendor: Vendor, device: OwnedDevice) -> None:
    body = {"code_ref": device.license()["license"]["code_ref"], "order_id": order_id}
    refused(vendor.http.post("/v1/purchases", json=body), 422, "invalid_fields")


def test_a_purchase_that_leaves_the_calendar_is_refused(vendor: Vendor, new_device: NewDevice) -> None:
    """R-75: 80 purchases of 99 years fit into the calendar, 85 do not."""
    code, device = vendor.issue(), new_device()
    device.activates(code)
    orders = [{"code_ref": code.ref, "order_id": f"century-{number}", "term": "P99Y"} for number in range(85)]
    answers = [vendor.http.post("/v1/purchases", json=order) for order in orders]
    expect(202, answers[79])
    refused(answers[84], 422, "date_out_of_range")
    shown = device.sees(lambda now: end_of_license(now).year == CALENDAR_YEAR_MAX)
    assert shown["status"] == "active"


def test_a_purchase_of_a_code_that_does_not_exist(vendor: Vendor) -> None:
    refused(vendor.http.post("/v1/purchases", json={"code_ref": f"{1:032x}", "order_id": "a"}), 404, "unknown_code")
    refused(vendor.http.post("/v1/purchases", json={"code_ref": "short", "order_id": "a"}), 422, "invalid_fields")
    refused(vendor.http.post(f"/v1/codes/{1:032x}/block", json={"note": "why"}), 404, "unknown_code")
    refused(vendor.http.get(f"/v1/codes/{1:032x}"), 404, "unknown_code")


@pytest.mark.parametrize("query", ["limit=0", "limit=501", "limit=x", "after=-1", "after=x", f"after={2**31}"])
def test_pages_that_do_not_exist(query: str, vendor: Vendor, device: OwnedDevice) -> None:
    refused(device.http.get(f"{device.path}/history?{query}"), 422, "invalid_fields")
    refused(vendor.http.get(f"/v1/codes/{1:032x}/history?{query}"), 422, "invalid_fields")


def test_a_name_that_the_database_cannot_hold(vendor: Vendor) -> None:
    refused(vendor.http.get(f"/v1/codes/{1:032x}/devices?after=%00"), 422, "invalid_fields")


def test_time_moves_forward_only_and_within_the_calendar(vendor: Vendor, time: Time) -> None:
    before = time.now()
    refused(vendor.http.post("/v1/sandbox/clock", json={"set": "2001-01-01T00:00:00Z"}), 409, "clock_backwards")
    for body in ({}, {"advance": "P1W"}, {"advance": "P1D", "set": FAR}, {"set": "tomorrow"}):
        refused(vendor.http.post("/v1/sandbox/clock", json=body), 422, "invalid_fields")
    assert (time.now() - before).total_seconds() < 60


# --- addresses -------------------------------------------------------------------------------


def test_addresses_and_methods_that_do_not_exist(device: OwnedDevice, vendor: Vendor) -> None:
    for http in (device.http, vendor.http):
        refused(http.get("/v1/nothing"), 404, "not_found")
        refused(http.get("/docs/../../etc/passwd"), 404, "not_found")
        refused(http.delete("/livez"), 405, "method_not_allowed")
    refused(device.http.put(f"{device.path}/codes", json={}), 405, "method_not_allowed")
    assert moment(device.license()["as_of"])
