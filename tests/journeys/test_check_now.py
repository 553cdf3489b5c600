"""What a device hears of itself: fresh, with its age, signed, and bound to its question."""

from collections.abc import Callable, Iterator
from datetime import timedelta

import httpx
import pytest

from services.cli.system import System
from shared.calendar import instant
from shared.keys.signing import PublicKeys
from shared.rules.policy import POLICY
from tests.journeys.people import (
    IssuedCode,
    OwnedDevice,
    Shown,
    Time,
    Vendor,
    client,
    end_of_license,
    expect,
    reserve_is,
    runs_on,
)

type NewDevice = Callable[[], OwnedDevice]


@pytest.fixture(scope="module")
def keys(system: System) -> Iterator[PublicKeys]:
    """What the device service publishes."""
    with client(system, "device") as nobody:
        yield PublicKeys.from_jwks(expect(200, nobody.get("/.well-known/jwks.json")))


def test_check_now_shows_what_was_just_bought_and_signs_it(
    vendor: Vendor, new_device: NewDevice, keys: PublicKeys
) -> None:
    """R-90, R-99, R-101, R-110: everything that is recorded of the device is in the answer."""
    device, code = new_device(), vendor.issue()
    ends_at = end_of_license(device.activates(code))
    vendor.sell_renewal(code, "renewal")
    device.sees(lambda shown: end_of_license(shown) > ends_at)
    answer = device.check_now(1)
    statement = keys.verify(answer["statement"], kind="perennial-status")
    assert (statement["sub"], statement["nonce"]) == (device.device_id, "asked-just-now")
    assert statement["license"]["ends_at"] == answer["license"]["ends_at"]
    assert (answer["stale"], answer["status"]) == (False, "active")
    assert 0 <= answer["renewal_seconds"] < 60


def test_check_now_knows_what_its_own_device_did_a_moment_ago(vendor: Vendor, new_device: NewDevice) -> None:
    """R-101: the answer waits for the view, so no device sees itself as it was before its own order."""
    device = new_device()
    for sequence in range(1, 6):
        code = vendor.issue()
        expect(202, device.add(code, replace=True))
        shown = device.check_now(sequence)
        slots = [shown.get(slot, {}).get("code_ref") for slot in ("license", "reserve", "incoming")]
        assert code.ref in slots
        device.sees(settled_on(code))


def settled_on(code: IssuedCode) -> Callable[[Shown], bool]:
    """Return whether the code is the license, or the verified reserve with nothing behind it."""
    return lambda shown: "incoming" not in shown and (runs_on(code)(shown) or reserve_is(code, "ready")(shown))


def test_a_device_that_was_away_at_its_expiry_hears_of_the_switch_at_its_next_contact(
    vendor: Vendor, new_device: NewDevice, time: Time
) -> None:
    """R-37, R-39."""
    device, running, reserve = new_device(), vendor.issue("P1M"), vendor.issue()
    shown = device.activates(running)
    device.keeps_in_reserve(reserve)
    time.reaches_the_end_of(shown)
    device.sees(runs_on(reserve))
    answer = device.check_now(1)
    assert runs_on(reserve)(answer)
    assert answer["license"]["trigger"] == "automatic"


def test_a_copy_of_a_device_is_suspected_and_told(vendor: Vendor, new_device: NewDevice) -> None:
    """R-88."""
    device = new_device()
    device.activates(vendor.issue())
    assert device.check_now(7)["clone_suspected"] is False
    answer = device.check_now(3, "the-copy-asks")
    assert answer["clone_suspected"] is True
    assert answer["status"] == "active"
    assert device.event_names()[-1] == "CloneSuspected"


def test_an_answer_that_was_lost_once_makes_no_clone(vendor: Vendor, new_device: NewDevice) -> None:
    """R-138: an impatient client asks again under the same number, in its own words."""
    device = new_device()
    device.activates(vendor.issue())
    for nonce in ("lost-on-the-way", "asked-once-more"):
        assert device.check_now(1, nonce)["clone_suspected"] is False
    assert device.check_now(2)["clone_suspected"] is False
    assert "CloneSuspected" not in device.event_names()


def test_a_restored_virtual_machine_is_suspected_until_it_has_a_new_token(
    system: System, vendor: Vendor, new_device: NewDevice
) -> None:
    """R-83, R-138: the license stays, and the alarm ends as its page says."""
    device = new_device()
    before = device.activates(vendor.issue())
    for sequence in range(1, 8):
        device.check_now(sequence)
    assert device.check_now(3, "restored-yesterday")["clone_suspected"] is True
    with client(system, "device", system.credentials.operator_key) as operator:
        token = expect(200, operator.post(f"{device.path}/token"))["token"]
    restored = OwnedDevice(system, device.device_id, token)
    answer = restored.check_now(4, "with-a-new-token")
    assert (answer["clone_suspected"], answer["license"]) == (False, before["license"])
    assert restored.event_names()[-1] == "CloneSuspicionEnded"


def test_a_restored_virtual_machine_that_counts_on_is_suspected_no_longer(new_device: NewDevice) -> None:
    """R-138: nobody else uses its identity."""
    device = new_device()
    for sequence in (7, 3):
        device.check_now(sequence, f"asked-as-number-{sequence}")
    seen = [device.check_now(sequence)["clone_suspected"] for sequence in range(8, 8 + POLICY.clone_sound_contacts)]
    assert seen == [*[True] * (POLICY.clone_sound_contacts - 1), False]


def test_a_clock_that_is_off_is_told_and_decides_nothing(vendor: Vendor, new_device: NewDevice, time: Time) -> None:
    """R-62, R-111: and its being right again is told once more."""
    device, running, reserve = new_device(), vendor.issue(), vendor.issue()
    device.activates(running)
    device.keeps_in_reserve(reserve)
    ahead = device.check_now(1, device_time=instant(time.now() + timedelta(days=4_000)))
    assert (ahead["clock_deviates"], ahead["status"], ahead["may_activate_now"]) == (True, "active", False)
    assert ahead["clock_offset_seconds"] > 86_400 * 3_999
    assert reserve_is(reserve, "ready")(ahead)
    again = device.check_now(2, device_time=instant(time.now()))
    assert (again["clock_deviates"], again["clock_offset_seconds"]) == (False, None)
    assert device.event_names()[-2:] == ["DeviceClockObserved"] * 2


def test_an_answer_to_another_question_is_not_this_ones(new_device: NewDevice, keys: PublicKeys) -> None:
    """R-110."""
    device = new_device()
    first, second = device.check_now(1, "first-question"), device.check_now(2, "second-question")
    assert first["statement"] != second["statement"]
    assert [keys.verify(answer["statement"], kind="perennial-status")["nonce"] for answer in (first, second)] == [
        "first-question",
        "second-question",
    ]


def test_a_view_waits_for_a_change_and_its_tag_changes_with_it(vendor: Vendor, new_device: NewDevice) -> None:
    """R-99: a page that waits is told at once."""
    device, code = new_device(), vendor.issue()
    before = device.http.get(f"{device.path}/license")
    expect(202, device.add(code))
    headers = {"If-None-Match": before.headers["ETag"], "Prefer": "wait=20"}
    after = device.http.get(f"{device.path}/license", headers=headers)
    assert after.status_code == httpx.codes.OK
    assert after.headers["ETag"] != before.headers["ETag"]
