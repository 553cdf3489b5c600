"""Views that nobody waits for take a steady flow in few batches, and the first of it at once."""

from time import monotonic

import httpx

from services.activation.__main__ import GATHER_SECONDS
from services.cli.system import System
from tests.journeys.people import Vendor
from tests.journeys.waiting import until

CODES = 60


def counted(system: System, what: str) -> float:
    """Return how much `code_view` has handled."""
    lines = httpx.get(f"{system.worker('activation').url}/metrics", trust_env=False).text.splitlines()
    [line] = [line for line in lines if line.startswith(f'perennial_consumer_{what}_total{{consumer="code_view"}}')]
    return float(line.rsplit(" ", 1)[1])


def test_a_steady_flow_is_handled_together(system: System, vendor: Vendor) -> None:
    """Each batch costs the same, whether it has one record or hundreds."""
    records, batches, began = counted(system, "records"), counted(system, "batches"), monotonic()
    for _ in range(CODES):
        vendor.issue()
    until(lambda: counted(system, "records"), lambda now: now >= records + CODES)
    most = (monotonic() - began) / GATHER_SECONDS + 2
    assert counted(system, "batches") - batches <= most
