"""Licenses and seats given back: here, from afar, offline; used elsewhere; and orders that contradict each other."""

import json
import subprocess
import sys
from base64 import urlsafe_b64encode
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from jwt import PyJWS

from services.cli.system import System
from shared.calendar import instant
from shared.keys.signing import PublicKeys, key_id_of
from tests.journeys.people import (
    PRODUCT,
    OwnedDevice,
    Time,
    Vendor,
    client,
    expect,
    moment,
    reserve_is,
    runs_on,
    was_refused,
)
from tests.journeys.waiting import until

SCRIPT = Path(__file__).parents[2] / "deploy" / "offline" / "verify_license.py"

type NewDevice = Callable[[], OwnedDevice]


def test_a_license_that_is_given_back_lets_the_reserve_take_over_and_frees_its_seat(
    vendor: Vendor, new_device: NewDevice
) -> None:
    """R-25, R-84."""
    device, code, reserve = new_device(), vendor.issue(), vendor.issue()
    device.activates(code)
    device.keeps_in_reserve(reserve)
    expect(202, device.remove_license())
    shown = device.sees(runs_on(reserve))
    assert shown["license"]["trigger"] == "removal"
    until(lambda: (vendor.holders(code), vendor.holders(reserve)), lambda held: held == ([], [device.device_id]))


def test_a_seat_is_moved_by_giving_it_back_here_and_adding_the_code_there(
    vendor: Vendor, new_device: NewDevice
) -> None:
    """R-82, R-84."""
    here, there, code = new_device(), new_device(), vendor.issue(seats=1)
    here.activates(code)
    expect(202, there.add(code))
    there.sees(was_refused("seats_exhausted"))
    expect(202, here.remove_license())
    until(lambda: vendor.holders(code), lambda held: held == [])
    there.activates(code)
    assert here.license()["status"] == "unlicensed"


def test_a_lost_devices_seat_is_taken_and_its_reserve_is_not_spent_on_it(vendor: Vendor, new_device: NewDevice) -> None:
    """R-84: whoever finds it may still activate the reserve by hand."""
    lost, code, reserve = new_device(), vendor.issue(), vendor.issue()
    lost.activates(code)
    lost.keeps_in_reserve(reserve)
    vendor.takes_seat(code, lost.device_id, keep_reserve=True)
    shown = lost.sees(lambda shown: shown["status"] == "unlicensed")
    assert reserve_is(reserve, "ready")(shown)
    assert shown["may_activate_now"] is True
    assert (vendor.holders(code), vendor.holders(reserve)) == ([], [])
    expect(202, lost.press_activate_now())
    lost.sees(runs_on(reserve))


def test_removing_and_activating_at_once_end_in_one_order_and_one_license(
    vendor: Vendor, new_device: NewDevice
) -> None:
    """R-60, R-123: the device's stream decides which was first; the other one gets its refusal, or nothing to do."""
    device, code, reserve = new_device(), vendor.issue(), vendor.issue()
    device.activates(code)
    device.keeps_in_reserve(reserve)
    orders: list[Callable[[], Any]] = [device.remove_license, device.press_activate_now] * 4
    with ThreadPoolExecutor(len(orders)) as threads:
        answers = list(threads.map(lambda order: order(), orders))
    assert {answer.status_code for answer in answers} <= {202, 409}
    refused = {answer.json()["code"] for answer in answers if answer.status_code == 409}
    assert refused <= {
        "no_license",
        "not_expired",
        "activation_running",
        "already_activated",
        "no_reserve",
        "throttled",
    }
    device.sees(lambda shown: shown["status"] in ("active", "unlicensed") and "reserve" not in shown)
    names = device.event_names()
    assert names.count("LicenseRemoved") in (1, 2)
    assert names.count("LicenseActivated") == 2
    assert vendor.holders(code) == []


def test_two_products_on_one_device_have_a_license_and_a_reserve_each(
    system: System, vendor: Vendor, new_device: NewDevice, time: Time
) -> None:
    """R-42: what happens to one does nothing to the other."""
    main = new_device()
    vpn = main.with_product(system, "vpn")
    running, code = vendor.issue("P2Y"), vendor.issue("P1M", product="vpn")
    next_one = vendor.issue(product="vpn")
    before = main.activates(running)
    shown = vpn.activates(code)
    vpn.keeps_in_reserve(next_one)
    time.reaches_the_end_of(shown)
    vpn.sees(runs_on(next_one))
    after = main.sees(lambda shown: shown["add_ons"][0]["status"] == "active")
    assert after["license"] == before["license"]
    assert [entry["product"] for entry in after["add_ons"]] == ["vpn"]
    assert "reserve" not in after


def test_a_code_of_another_vendor_does_not_exist_for_a_device(system: System, vendor: Vendor) -> None:
    """R-108: the very word of a code that nobody issued."""
    device, code = OwnedDevice.enrolled(system, vendor="acme"), vendor.issue(vendor="globex")
    expect(202, device.add(code))
    device.sees(was_refused("unknown_code"))


def test_an_activation_made_offline_is_told_later_and_keeps_its_day(
    vendor: Vendor, new_device: NewDevice, time: Time
) -> None:
    """R-77."""
    device, code = new_device(), vendor.issue()
    time.passes(days=4)
    at = time.now() - timedelta(days=3)
    body = {"code": code.text, "activated_at": instant(at)}
    expect(202, device.http.post(f"{device.path}/offline-activations", json=body))
    shown = device.sees(runs_on(code))
    assert moment(shown["license"]["started_at"]) == moment(instant(at))
    assert shown["license"]["trigger"] == "offline"


class OfflineDevice:
    """A device that signs for itself."""

    def __init__(self, system: System) -> None:
        self._private = Ed25519PrivateKey.generate()
        public = urlsafe_b64encode(self._private.public_key().public_bytes_raw()).rstrip(b"=").decode()
        self.owned = OwnedDevice.enrolled(system, name="Ada's notebook", public_key=public)

    def gives_back(self, code_ref: str, removed_at: str) -> str:
        """Return the proof, made without a network."""
        said = {"device_id": self.owned.device_id, "code_ref": code_ref, "removed_at": removed_at}
        headers = {"kid": key_id_of(self._private.public_key()), "typ": "perennial-deactivation"}
        return PyJWS().encode(json.dumps(said).encode(), self._private, algorithm="EdDSA", headers=headers)


def test_a_license_given_back_offline_is_proven_and_its_seat_is_free(
    system: System, vendor: Vendor, time: Time
) -> None:
    """R-114: and the receipt is the service's word for it."""
    device, code = OfflineDevice(system), vendor.issue(seats=1)
    device.owned.activates(code)
    time.passes(hours=2)
    removed_at = instant(time.now() - timedelta(hours=1))
    proof = device.gives_back(code.ref, removed_at)
    answer = expect(202, device.owned.http.post(f"{device.owned.path}/deactivations", json={"proof": proof}))
    with client(system, "device") as nobody:
        keys = PublicKeys.from_jwks(expect(200, nobody.get("/.well-known/jwks.json")))
    receipt = keys.verify(answer["receipt"], kind="perennial-receipt")
    assert (receipt["device_id"], receipt["removed_at"]) == (device.owned.device_id, removed_at)
    device.owned.sees(lambda shown: shown["status"] == "unlicensed")
    until(lambda: vendor.holders(code), lambda held: held == [])


def test_a_license_document_is_verified_offline_with_what_was_published(
    system: System, vendor: Vendor, tmp_path: Path
) -> None:
    """R-113."""
    device = OfflineDevice(system).owned
    device.activates(vendor.issue(edition="plus"))
    answer = device.http.get(f"{device.path}/license/document", params={"nonce": "asked-just-now"})
    assert answer.status_code == 200
    (tmp_path / "license.jws").write_text(answer.text)
    (tmp_path / "jwks.json").write_text(device.http.get("/.well-known/jwks.json").text)
    words = [sys.executable, "-I", str(SCRIPT), "license.jws", "jwks.json", "asked-just-now"]
    done = subprocess.run(words, cwd=tmp_path, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert (told["device_name"], told["product"], told["edition"]) == ("Ada's notebook", PRODUCT, "plus")
