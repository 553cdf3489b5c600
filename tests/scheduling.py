"""Which tests run in which order when several processes share them (`pytest -n 3`).

A file is the unit: its fixtures start once. What shares a running system stays together too, so that each system starts
in one process alone. The longest go first; what is short fills the gaps at the end.
"""

import os

import pytest

from shared.local.ports import share_free_ports

LONGEST_FIRST = (
    "tests/journeys: system",
    "tests/browser: system",
    "tests/replay/test_projection_command.py",
    "tests/cli/test_operator.py",
    "tests/shared/local/test_local_stack.py",
    "tests/journeys/test_restore.py",
    "tests/journeys/test_two_workers.py",
    "tests/journeys/test_faults.py",
    "tests/test_random_histories.py",
    "tests/replay/test_rebuild.py",
    "tests/journeys/test_checker.py",
    "tests/cli/test_demo.py",
    "tests/device/test_doors.py",
    "tests/replay/test_why.py",
    "tests/replay/test_what_if.py",
    "tests/shared/doors/test_door.py",
    "tests/journeys/test_traces.py",
    "tests/proof: kafka",
    "tests/journeys: besieged",
)
"""Files, and folders whose tests share a system; `--durations=0` tells how long each takes."""

SHARED_SYSTEMS = {
    "system": ("tests/journeys", "tests/browser"),
    "besieged": ("tests/journeys",),
    "kafka": ("tests/proof",),
}
"""Fixtures that run for the whole session, and the folders in each of which all their users stay together."""


def pytest_configure() -> None:
    """Give each process free ports of its own."""
    if worker := os.environ.get("PYTEST_XDIST_WORKER"):
        share_free_ports(number=int(worker.removeprefix("gw")), of=int(os.environ["PYTEST_XDIST_WORKER_COUNT"]))


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Name the group of each test, before pytest-xdist looks, and put the longest groups first."""
    rank = {group: number for number, group in enumerate(LONGEST_FIRST)}
    for item in items:
        item.add_marker(pytest.mark.xdist_group(_group_of(item)))
    items.sort(key=lambda item: rank.get(_group_of(item), len(rank)))


def _group_of(item: pytest.Item) -> str:
    """Return the file of a test, or the system that it shares with tests of other files in its folder."""
    file = item.nodeid.partition("::")[0]
    for shared, folders in SHARED_SYSTEMS.items():
        for folder in folders:
            if file.startswith(f"{folder}/") and _shares(item, shared):
                return f"{folder}: {shared}"
    return file


def _shares(item: pytest.Item, fixture: str) -> bool:
    """Tell whether the test uses the session's fixture of this name; a file may have another one of its own."""
    definitions = item._fixtureinfo.name2fixturedefs.get(fixture, ())  # type: ignore[attr-defined]
    return bool(definitions) and definitions[-1].scope == "session"
