"""One system for all tests of a folder. Its time is shared: a test counts from its own licenses, never from today.

The folder's `conftest.py` imports these fixtures, so that the system ends with the folder's tests: at rest it would
take an eighth of a core from the tests that follow.
"""

from collections.abc import Callable, Iterator

import pytest

from services.cli.system import System
from tests.journeys.people import OwnedDevice, Time, Vendor
from tests.journeys.running import running_system


@pytest.fixture(scope="package")
def system(tmp_path_factory: pytest.TempPathFactory) -> Iterator[System]:
    """Both services on real servers."""
    with running_system(tmp_path_factory.mktemp("journeys")) as system:
        yield system


@pytest.fixture(scope="package")
def vendor(system: System) -> Vendor:
    """Who issues the codes of all tests."""
    return Vendor(system)


@pytest.fixture(scope="package")
def time(system: System) -> Time:
    """The time of all tests."""
    return Time(system)


@pytest.fixture(scope="package")
def new_device(system: System) -> Callable[[], OwnedDevice]:
    """How a test gets a device of its own."""
    return lambda: OwnedDevice.enrolled(system)
