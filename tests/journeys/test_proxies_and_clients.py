"""HTTP as proxies, libraries and monitors speak it: keys in quotation marks, weak ETags, HEAD, a slash too many.

On real sockets, and behind a real nginx and a real HAProxy that compress.
"""

import os
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from http.client import HTTPConnection
from time import monotonic
from urllib.parse import urlsplit

import httpx
import pytest

from services.cli.names import ServiceName
from services.cli.system import System
from shared.ledger.code_generator import new_code
from shared.ledger.identity import new_id
from shared.rules.policy import POLICY
from tests.journeys import proxies
from tests.journeys.people import (
    REQUEST_SECONDS,
    OwnedDevice,
    Time,
    Vendor,
    client,
    end_of_license,
    expect,
    moment,
    reserve_is,
    runs_on,
)
from tests.journeys.waiting import until

type NewDevice = Callable[[], OwnedDevice]

WAIT_SECONDS = 2


# --- idempotency keys ----------------------------------------------------------------------------


@pytest.mark.parametrize("again", ["{key} ", "{key}\t", '"{key}"', '\t"{key}" '])
def test_one_key_in_several_forms_is_one_code(again: str, system: System) -> None:
    """R-09, R-142: as clients, proxies and libraries for structured headers write it."""
    key = f"order-{new_id()}"
    codes = [issued(system, key), issued(system, again.format(key=key))]
    assert codes[0] == codes[1]
    assert issued(system, f"{key}-2") != codes[0]


def issued(system: System, key: str) -> bytes:
    """Return the answer to an issue, with the key exactly as it is written here."""
    service = urlsplit(system.worker("activation").url)
    headers = {
        "Authorization": f"Bearer {system.credentials.operator_key}",
        "Content-Type": "application/json",
        "Idempotency-Key": key,
    }
    connection = HTTPConnection(service.hostname or "", service.port, timeout=REQUEST_SECONDS)
    try:
        connection.request("POST", "/v1/codes", '{"product": "antivirus", "term": "P1Y"}', headers)
        answer = connection.getresponse()
        assert answer.status == 201
        return answer.read()
    finally:
        connection.close()


def test_a_key_stands_for_the_query_too(vendor: Vendor, new_device: NewDevice) -> None:
    """R-84, R-142: the seat of a lost device, first by mistake with its reserve left alone."""
    device, code = new_device(), vendor.issue()
    device.activates(code)
    path, key = f"/v1/codes/{code.ref}/devices/{device.device_id}", {"Idempotency-Key": str(new_id())}
    expect(202, vendor.http.delete(path, params={"note": "lost", "keep_reserve": "true"}, headers=key))
    other = vendor.http.delete(path, params={"note": "lost", "keep_reserve": "false"}, headers=key)
    assert expect(422, other)["code"] == "idempotency_key_reused"


def test_what_was_too_early_is_not_refused_for_ever(vendor: Vendor, new_device: NewDevice, time: Time) -> None:
    """R-56, R-123, R-142: Activate now before the end, twice for the answer was lost, and once more after it."""
    device, code = new_device(), vendor.issue()
    ends_at = end_of_license(device.activates(vendor.issue("P1M")))
    expect(202, device.add(code))
    device.sees(reserve_is(code, "ready"))
    vendor.block(code)
    key = {"Idempotency-Key": str(new_id())}
    for _ in range(2):
        early = device.http.post(f"{device.path}/activate-now", headers=key)
        assert expect(409, early)["code"] == "not_expired"
    assert device.event_names().count("ActivationRefused") == 1
    time.moves_to(ends_at)
    device.sees(lambda shown: shown["status"] == "expired" and reserve_is(code, "refused")(shown))
    vendor.unblock(code)
    expect(202, device.http.post(f"{device.path}/activate-now", headers=key))
    device.sees(runs_on(code))


def test_what_was_too_often_is_not_refused_for_ever(vendor: Vendor, new_device: NewDevice, time: Time) -> None:
    """R-107, R-142: the client waits as long as Retry-After says, and sends the same request again."""
    device, code, key = new_device(), vendor.issue(), {"Idempotency-Key": str(new_id())}
    for number in range(1, POLICY.guesses_free + 2):
        expect(202, device.add(new_code().reveal()))
        until(lambda: device.event_names().count("CodeRejected"), number.__eq__)
    device.sees(lambda shown: shown["adding_available_at"])
    for _ in range(2):
        refused = device.add(code, headers=key)
        assert expect(429, refused)["code"] == "throttled"
    time.passes(seconds=int(refused.headers["Retry-After"]) + 1)
    expect(202, device.add(code, headers=key))
    device.sees(runs_on(code))
    assert device.event_names().count("CodeRejected") == POLICY.guesses_free + 2


def test_a_lost_answer_to_an_enrollment_can_be_had_again(system: System) -> None:
    """R-142."""
    body, key = {"product": "antivirus", "region": "DE"}, {"Idempotency-Key": str(new_id())}
    with httpx.Client(base_url=system.worker("device").url, trust_env=False, timeout=REQUEST_SECONDS) as nobody:
        lost, again = [expect(201, nobody.post("/v1/devices", json=body, headers=key)) for _ in range(2)]
    assert again == lost
    assert OwnedDevice(system, again["device_id"], again["token"]).license()["status"] == "unlicensed"


def test_time_moves_on_once_under_one_key(system: System) -> None:
    """R-142: the activation service first, as always."""
    services: tuple[ServiceName, ...] = ("activation", "device")
    for service in services:
        key = {"Idempotency-Key": str(new_id())}
        with client(system, service, system.credentials.operator_key) as operator:
            answers = [operator.post("/v1/sandbox/clock", json={"advance": "P1D"}, headers=key) for _ in range(2)]
            moved, again = (moment(expect(200, answer)["now"]) for answer in answers)
            assert again == moved
            assert moment(expect(200, operator.get("/v1/sandbox/clock"))["now"]) < moved + timedelta(hours=1)
            reused = operator.post("/v1/sandbox/clock", json={"advance": "P2D"}, headers=key)
            assert expect(422, reused)["code"] == "idempotency_key_reused"


# --- behind proxies that compress -------------------------------------------------------------------


@pytest.fixture(scope="module", params=proxies.PROGRAMS)
def proxy(request: pytest.FixtureRequest, system: System, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of one proxy after the other, in front of the device service."""
    if proxies.find(request.param) is None:
        missing = pytest.fail if os.environ.get("CI") == "true" else pytest.skip
        missing(proxies.MISSING)
    folder = tmp_path_factory.mktemp(request.param)
    with proxies.running_proxy(request.param, system.worker("device").url, folder) as address:
        yield address


@pytest.fixture
def behind(proxy: str, new_device: NewDevice) -> Iterator[OwnedDevice]:
    """A device that reaches its service only through the proxy."""
    device = new_device()
    headers = {**device.http.headers, "Accept-Encoding": "gzip"}
    with httpx.Client(base_url=proxy, headers=headers, timeout=REQUEST_SECONDS, trust_env=False) as http:
        device.http = http
        yield device


def etag_of(device: OwnedDevice) -> str:
    """Return the ETag of what the device sees: weak, because the proxy compressed it."""
    answer = device.http.get(f"{device.path}/license")
    expect(200, answer)
    assert answer.headers["content-encoding"] == "gzip"
    etag: str = answer.headers["etag"]
    assert etag.startswith('W/"')
    return etag


def test_a_long_poll_waits_behind_a_proxy(behind: OwnedDevice) -> None:
    """RFC 9110, 13.1.2, and RFC 7240: it looped, for a weak ETag never matched."""
    for seen in (etag_of(behind), f'"old", {etag_of(behind)}', "*"):
        since, wish = monotonic(), {"If-None-Match": seen, "Prefer": f'wait="{WAIT_SECONDS}"'}
        answer = behind.http.get(f"{behind.path}/license", headers=wish)
        assert (answer.status_code, answer.headers["preference-applied"]) == (304, f"wait={WAIT_SECONDS}")
        assert monotonic() - since >= WAIT_SECONDS


def test_a_long_poll_hears_of_a_change_behind_a_proxy(behind: OwnedDevice, vendor: Vendor) -> None:
    """R-12, RFC 7240: whoever would wait longer than the service does is told how long that is."""
    wish = {"If-None-Match": etag_of(behind), "Prefer": "respond-async, wait=1000"}
    with ThreadPoolExecutor() as elsewhere:
        waiting = elsewhere.submit(behind.http.get, f"{behind.path}/license", headers=wish, timeout=60.0)
        expect(202, behind.add(vendor.issue()))
        answer = waiting.result()
    assert (answer.status_code, answer.headers["preference-applied"]) == (200, "wait=30")


def test_an_order_about_a_state_behind_a_proxy(behind: OwnedDevice, vendor: Vendor) -> None:
    """RFC 9110, 13.1.1: a weak ETag never matches, and the answer says how to write it; a list is one."""
    etag, code = etag_of(behind), vendor.issue()
    refused = expect(412, behind.add(code, headers={"If-Match": etag}))
    assert (refused["code"], "W/" in refused["detail"]) == ("precondition_failed", True)
    expect(202, behind.add(code, headers={"If-Match": f'"1-old", {etag.removeprefix("W/")}'}))
    behind.sees(runs_on(code))


def test_a_monitor_and_a_slash_too_many_behind_a_proxy(behind: OwnedDevice) -> None:
    """RFC 9110, 9.3.2: HEAD is GET without the body, and nobody is sent to another host."""
    head = behind.http.head(f"{behind.path}/license")
    assert (head.status_code, head.content, head.headers["content-type"]) == (200, b"", "application/json")
    lost = behind.http.get(f"{behind.path}/license/", headers={"Host": "elsewhere.example"})
    assert (lost.status_code, lost.json()["code"]) == (404, "not_found")
    wrong = behind.http.post(f"{behind.path}/license")
    assert (wrong.status_code, wrong.headers["allow"]) == (405, "DELETE, GET, HEAD")
