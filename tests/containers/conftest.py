"""One deployment for all tests of this folder; they run only where an engine answers.

CI says so with PERENNIAL_ENGINE=required: then a missing engine is a failure and no test is passed over.
"""

import os
from collections.abc import AsyncIterator, Iterator
from datetime import datetime
from typing import cast, override

import httpx
import pytest

from services.cli.names import SERVICES
from services.cli.system import System
from tests.containers.deployment import Deployment
from tests.containers.servers import KAFKA_IMAGE, POSTGRES_IMAGE, engine_missing
from tests.containers.watcher import Watcher, watching
from tests.journeys.everyday import new_device, vendor
from tests.journeys.faults import quiet_kafka_client
from tests.journeys.load import Load
from tests.journeys.people import Time, moment
from tests.journeys.waiting import until

__all__ = ["deployment", "engine", "load", "new_device", "system", "time", "vendor", "watcher"]

SEED = 7
WAVE_LIVES = 24
ATTEMPT_SECONDS = 15.0  # more than an order's deadline at the door: the answer is heard, not cut off


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark every test of this folder."""
    for item in items:
        if item.path.is_relative_to(os.path.dirname(__file__)):
            item.add_marker(pytest.mark.containers)


@pytest.fixture(scope="session", autouse=True)
def engine() -> None:
    """Pass the tests over where there is no engine."""
    if problem := engine_missing(KAFKA_IMAGE, POSTGRES_IMAGE):
        assert os.environ.get("PERENNIAL_ENGINE") != "required", problem
        pytest.skip(problem)


@pytest.fixture(scope="session")
def deployment() -> Iterator[Deployment]:
    """The compose project, up and well."""
    with Deployment(f"perennial-test-{os.getpid()}") as deployment:
        yield deployment


@pytest.fixture(scope="session")
def watcher(deployment: Deployment, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Watcher]:
    """Who watches the deployment from its first moment on, if Prometheus is installed here."""
    with watching(deployment.project, tmp_path_factory.mktemp("prometheus")) as watcher:
        yield watcher


@pytest.fixture(scope="session")
def system(deployment: Deployment) -> Deployment:
    """What the journeys call it."""
    return deployment


class TimeOfAll(Time):
    """Time that has passed when every worker knows: each looks at its ledger's clock ten times a second."""

    def __init__(self, deployment: Deployment) -> None:
        super().__init__(cast("System", deployment))
        self._deployment = deployment

    @override
    def moves_to(self, when: datetime) -> None:
        """Let time pass until `when`, for everybody."""
        super().moves_to(when)
        headers = {"Authorization": f"Bearer {self._deployment.credentials.operator_key}"}
        for url in (url for service in SERVICES for url in self._deployment.urls(service)):
            with httpx.Client(base_url=url, headers=headers, trust_env=False) as worker:
                until(lambda: moment(worker.get("/v1/sandbox/clock").json()["now"]), lambda now: now >= when)


@pytest.fixture(scope="session")
def time(deployment: Deployment) -> Time:
    """The time of all journeys."""
    return TimeOfAll(deployment)


@pytest.fixture(scope="session")
async def load(deployment: Deployment) -> AsyncIterator[Load]:
    """Whoever lives here all the time; what was acknowledged to them is checked at the end."""
    quiet_kafka_client()
    load = Load(cast("System", deployment), SEED, WAVE_LIVES, attempt_seconds=ATTEMPT_SECONDS)
    yield load
    await load.close()
