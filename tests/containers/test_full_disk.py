"""A ledger without room: orders are refused in time, the worker says why, and with room again everything goes on."""

from collections.abc import Iterator
from typing import cast

import httpx
import pytest

from services.cli.names import SERVICES
from services.cli.system import System
from shared.local.ports import free_port
from shared.local.stack import LocalStack
from tests.containers.servers import ContainerStack
from tests.journeys.people import PRODUCT, REGION, OwnedDevice, Vendor, client, runs_on
from tests.journeys.running import wait_until_ready
from tests.journeys.waiting import until

DISK_BYTES = 320 * 2**20
ORDERS_MAX = 2_000
ORDER = {"product": PRODUCT, "region": REGION}


@pytest.fixture
def stack() -> ContainerStack:
    """Servers of which PostgreSQL's disk is small."""
    return ContainerStack(disk_bytes=DISK_BYTES)


@pytest.fixture
def system(stack: ContainerStack, tmp_path_factory: pytest.TempPathFactory) -> Iterator[System]:
    """A system on those servers."""
    system = System(tmp_path_factory.mktemp("disk"), http_ports={name: free_port() for name in SERVICES})
    system.stack = cast("LocalStack", stack)
    try:
        with system:
            wait_until_ready(system)
            yield system
    finally:
        stack.erase()


@pytest.mark.timeout(240)
def test_a_ledger_without_room_refuses_orders_says_why_and_takes_them_later(
    system: System, stack: ContainerStack
) -> None:
    """R-120, R-121."""
    vendor, device = Vendor(system), OwnedDevice.enrolled(system)
    code, key = vendor.issue(), {"Idempotency-Key": "whole"}
    stack.postgres.fill_disk()
    use_up_what_room_there_is(system)
    refusal = device.add(code, headers=key)
    assert (refusal.status_code, refusal.json()["code"]) == (503, "ledger_unavailable")
    worker = httpx.get(f"{system.worker('device').url}/readyz", timeout=5, trust_env=False)
    assert worker.status_code == httpx.codes.SERVICE_UNAVAILABLE
    assert "the ledger accepts no commands" in worker.json()["detail"]
    stack.postgres.free_disk()
    until(lambda: device.add(code, headers=key), lambda answer: answer.is_success, seconds=60)
    device.sees(runs_on(code))
    assert device.event_names() == ["DeviceEnrolled", "CodeAdded", "LicenseActivated"]
    wait_until_ready(system)


def use_up_what_room_there_is(system: System) -> None:
    """Enroll devices until the ledger takes none: some find room in what it already has."""
    with client(system, "device") as nobody:
        for _ in range(ORDERS_MAX):
            if not nobody.post("/v1/devices", json=ORDER).is_success:
                return
    raise AssertionError(f"{ORDERS_MAX} orders were taken without room")
