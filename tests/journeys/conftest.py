"""The journeys' system, and what only some journeys need beside it."""

from collections.abc import Iterator

import pytest

from services.cli.system import System
from tests.journeys.everyday import new_device, system, time, vendor
from tests.journeys.running import running_system

__all__ = ["besieged", "new_device", "system", "time", "vendor"]


@pytest.fixture(scope="package")
def besieged(tmp_path_factory: pytest.TempPathFactory) -> Iterator[System]:
    """A second system, for forged and broken records: the topics of the first stay as its services wrote them."""
    with running_system(tmp_path_factory.mktemp("besieged")) as system:
        yield system
