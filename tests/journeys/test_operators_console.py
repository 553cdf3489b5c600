"""An operator at the console of a running system: parked messages and a rebuild, seen and ended without SQL."""

import pytest

from services.cli.system import System
from shared.ledger.identity import new_id
from tests.journeys.at_the_console import Console
from tests.journeys.logs import COMMANDS, Tool, query, send
from tests.journeys.people import OwnedDevice, Time, Vendor, client, expect
from tests.journeys.waiting import until


@pytest.fixture(scope="module")
def console(system: System) -> Console:
    return Console(system)


@pytest.fixture
def tool(time: Time) -> Tool:
    return Tool(source=f"/tool/{new_id()}", at=time.now())


def parked_by(system: System, tool: Tool, device_id: str, vendor: Vendor) -> str:
    """Return the name under which an order for an unknown device was parked."""
    code = vendor.issue()
    message = tool.order("AddCode", device_id=device_id, code_ref=code.ref, last_group=code.last_group)
    ((_, partition, offset),) = send(system, COMMANDS, [message])
    sql = "select reason from parked where consumer = 'device.commands' and partition = $1 and \"offset\" = $2"
    assert until(lambda: query(system, "device", sql, partition, offset), bool)[0]["reason"] == "unknown_device"
    return f"device.commands:{partition}:{offset}"


def test_a_parked_order_is_seen_and_redriven_once_its_device_is_known(
    system: System, console: Console, tool: Tool, vendor: Vendor
) -> None:
    """R-122."""
    device_id = f"fleet-{new_id()}"
    parked_id = parked_by(system, tool, device_id, vendor)
    assert parked_id in console.goes_to("/console/parked")
    page = console.goes_to(f"/console/parked/{parked_id}")
    assert "No such device is enrolled." in page
    assert device_id in page
    assert "It cannot be processed now" in page

    send(system, COMMANDS, [tool.order("EnrollDevice", device_id=device_id, product="antivirus", region="DE")])
    owner = system.credentials.operator_key
    device = OwnedDevice(system, device_id, owner)
    until(lambda: device.http.get(f"{device.path}/history").status_code, lambda status: status == 200)
    page = console.goes_to(f"/console/parked/{parked_id}")
    assert f"CodeAdded for {device_id}" in page
    assert device.event_names() == ["DeviceEnrolled"]
    assert "Redriven" in console.presses("Redrive")
    assert until(device.event_names, lambda names: "LicenseActivated" in names)[1] == "CodeAdded"
    assert parked_id not in console.goes_to("/console/parked")


def test_a_parked_order_is_discarded_with_a_reason_that_stays(
    system: System, console: Console, tool: Tool, vendor: Vendor
) -> None:
    """R-122, R-127: on the topic too."""
    parked_id = parked_by(system, tool, f"nobody-{new_id()}", vendor)
    console.goes_to(f"/console/parked/{parked_id}")
    page = console.presses("Discard for good", reason="ordered by a test of the tool")
    assert "Discarded" in page
    assert "ordered by a test of the tool" in page
    assert "Grace" in page
    assert parked_id not in console.goes_to("/console/parked")
    assert parked_id in console.goes_to("/console/parked?state=discarded")
    sql = "select data from event where type = 'MessageDiscarded' and position(convert_to($1, 'UTF8') in data) > 0"
    assert len(query(system, "device", sql, "ordered by a test of the tool")) == 1


@pytest.mark.parametrize(
    ("side", "name", "source"),
    [
        ("device", "license_view", "ledger"),
        ("device", "code_terms", "kafka"),
        ("activation", "switchover_forecast", "kafka"),
    ],
)
def test_a_rebuild_is_started_and_ends_equal_and_swapped(side: str, name: str, source: str, console: Console) -> None:
    """R-118."""
    path = f"/console/projections/{side}/{name}"
    console.goes_to(path)
    page = console.presses("Rebuild", source=source)
    if "Running" in page:
        page = until(lambda: console.goes_to(path), lambda shown: "Running" not in shown, seconds=60)
    assert "Equal, swapped." in page
    assert "0 differ" in page
    assert f"Read from {'Kafka' if source == 'kafka' else 'the ledger'}" in page


def test_the_system_page_tells_of_every_part_of_both_services(console: Console) -> None:
    """Every worker writes what it reads within a few seconds."""
    page = until(lambda: console.goes_to("/console/system"), lambda shown: "no worker has told" not in shown)
    for part in ("device.commands", "device.verdicts", "license_view", "activation.requests", "code_view"):
        assert part in page
    assert "Stalled" not in page
    assert "The latest signed checkpoint covers" in page


def test_the_age_of_the_last_checkpoint_is_a_metric(system: System) -> None:
    """R-127."""
    for service in ("device", "activation"):
        with client(system, service, system.credentials.operator_key) as operator:
            latest = expect(200, operator.get("/v1/log/checkpoints"))
            metrics = operator.get("/metrics").text
        age = next(line for line in metrics.splitlines() if line.startswith("perennial_checkpoint_age_seconds "))
        assert 0 <= float(age.split()[1]) < 3_600
        assert latest["events"] > 0
