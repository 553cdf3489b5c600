"""One system for all journeys and browsers. Its time is shared: a test counts from its own licenses, never from today.

It is a plugin of `tests/conftest.py`, so that tests of several folders share it and none starts a second one.
"""

from collections.abc import Callable, Iterator

import pytest

from services.cli.system import System
from tests.journeys.people import OwnedDevice, Time, Vendor
from tests.journeys.running import running_system


@pytest.fixture(scope="session")
def system(tmp_path_factory: pytest.TempPathFactory) -> Iterator[System]:
    """Both services on real servers."""
    with running_system(tmp_path_factory.mktemp("journeys")) as system:
        yield system


@pytest.fixture(scope="session")
def vendor(system: System) -> Vendor:
    """Who issues the codes of all journeys."""
    return Vendor(system)


@pytest.fixture(scope="session")
def time(system: System) -> Time:
    """The time of all journeys."""
    return Time(system)


@pytest.fixture(scope="session")
def new_device(system: System) -> Callable[[], OwnedDevice]:
    """How a test gets a device of its own."""
    return lambda: OwnedDevice.enrolled(system)
