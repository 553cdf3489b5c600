"""A ledger without room: orders are refused in time, the worker says why, and with room again everything goes on."""

from collections.abc import Iterator
from typing import cast

import httpx
import pytest

from services.cli.system import SERVICES, System
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
    code = vendor.issue()
    stack.postgres.fill_disk()
    key, refusal = refused_order(system)
    assert (refusal.status_code, refusal.json()["code"]) == (503, "ledger_unavailable")
    worker = httpx.get(f"{system.worker('device').url}/readyz", timeout=5, trust_env=False)
    assert worker.status_code == httpx.codes.SERVICE_UNAVAILABLE
    assert "the ledger takes no orders" in worker.json()["detail"]
    stack.postgres.free_disk()
    enrolled = until(lambda: order(system, key), lambda answer: answer.is_success, seconds=60)
    assert order(system, key).json() == enrolled.json()
    device.activates(code)
    device.sees(runs_on(code))
    wait_until_ready(system)


def refused_order(system: System) -> tuple[str, httpx.Response]:
    """Return the first order that the ledger does not take, by its key; some still find room."""
    for number in range(ORDERS_MAX):
        answer = order(system, key := f"order-{number}")
        if not answer.is_success:
            return key, answer
    raise AssertionError(f"{ORDERS_MAX} orders were taken without room")


def order(system: System, key: str) -> httpx.Response:
    """Enroll a device."""
    with client(system, "device") as nobody:
        return nobody.post("/v1/devices", json=ORDER, headers={"Idempotency-Key": key})
