"""Somebody writes verdicts to the activation service's topic: no device gets, keeps or loses a license by them."""

import pytest

from services.cli.system import System
from shared.ledger.identity import new_id
from tests.journeys.forging import event, forged, head_of
from tests.journeys.logs import ACTIVATION_EVENTS, parked, send
from tests.journeys.people import OwnedDevice, Vendor, expect
from tests.journeys.waiting import until

NOBODY = bytes(32)
FAR_AWAY = "2190-01-01T00:00:00Z"


@pytest.fixture(scope="module")
def besieged_vendor(besieged: System) -> Vendor:
    """Who issues the codes here."""
    return Vendor(besieged)


@pytest.mark.parametrize("type_name", ["LicenseActivated", "LicenseRenewed", "CodeVerified", "SeatReleased"])
@pytest.mark.parametrize("behind", [0, 1])
def test_a_forged_verdict_is_set_aside_with_its_reason_and_nobody_is_licensed_by_it(
    type_name: str, behind: int, besieged: System, besieged_vendor: Vendor
) -> None:
    """R-109, R-122, R-127: a record that does not continue the chain is none of the service's."""
    licensed, free = OwnedDevice.enrolled(besieged), OwnedDevice.enrolled(besieged)
    code = besieged_vendor.issue()
    before = licensed.activates(code)["license"]
    target = free if type_name in ("LicenseActivated", "CodeVerified") else licensed
    body = {
        "device_id": target.device_id,
        "code_ref": code.ref,
        "request_id": str(new_id()),
        "last_group": code.last_group,
        "trigger": "immediate",
        "term": "P99Y",
        "order_id": "forged",
        "purchased_at": before["started_at"],
        "previous_ends_at": before["ends_at"],
        "activated_at": before["started_at"],
        "started_at": before["started_at"],
        "ends_at": FAR_AWAY,
        "predicted_ends_at": FAR_AWAY,
        "cause": "operator",
    }
    head = head_of(besieged, ACTIVATION_EVENTS, code.ref)
    lie = event(code.ref, type_name, **body)
    position = head.position + (0 if behind else 1)
    message = forged(lie, position=position, after=NOBODY, partitions=besieged.partitions)
    (place,) = send(besieged, ACTIVATION_EVENTS, [message])
    # every consumer of the topic finds it by itself
    rows = until(lambda: parked(besieged, "device", place), bool)
    assert {row["reason"] for row in rows} <= {"broken_chain", "conflicting_position"}
    # the slice goes on: what the service itself says afterwards is taken
    expect(202, besieged_vendor.http.post(f"/v1/codes/{code.ref}/block", json={"note": "stolen"}))
    after = licensed.sees(lambda shown: shown["stops_at"])["license"]
    assert {name: after[name] for name in ("code_ref", "ends_at")} == {
        name: before[name] for name in ("code_ref", "ends_at")
    }
    assert free.license()["status"] == "unlicensed"
    assert free.event_names() == ["DeviceEnrolled"]
