"""How the tests are shared out among processes (`pytest -n 3`): by file, the longest first.

A file's fixtures start once. Files that share a running system stay in one process, so that no system starts twice.
"""

import os
from pathlib import PurePosixPath
from typing import override

import pytest
from xdist.remote import Producer
from xdist.scheduler import LoadScopeScheduling

from shared.local.ports import share_free_ports

SHARED_SYSTEMS = {
    "the journeys' system": ("tests/journeys",),
    "the browser's system": ("tests/browser",),
    "the besieged system": tuple(
        f"tests/journeys/test_{name}.py" for name in ("bad_messages", "bad_orders", "forged_verdicts")
    ),
    "the checks' Kafka": tuple(f"tests/proof/test_{name}.py" for name in ("log_commands", "republish", "topic_check")),
}
"""The folders and files whose tests share a system; a file that is named here or below is not its folder's."""

LONGEST_FIRST = (
    "the journeys' system",
    "the browser's system",
    "tests/replay/test_projection_command.py",
    "tests/cli/test_operator.py",
    "tests/journeys/test_two_workers.py",
    "tests/journeys/test_faults.py",
    "tests/shared/local/test_local_stack.py",
    "tests/journeys/test_restore.py",
    "tests/test_random_histories.py",
    "tests/replay/test_rebuild.py",
    "tests/journeys/test_checker.py",
    "tests/cli/test_demo.py",
    "the checks' Kafka",
    "the besieged system",
    "tests/journeys/test_traces.py",
    "tests/device/test_doors.py",
    "tests/replay/test_why.py",
    "tests/replay/test_what_if.py",
    "tests/shared/doors/test_command_queue.py",
)
"""What takes more than ten seconds (`--durations=0`); what is short fills the gaps at the end."""

_BY_FILE = {
    **{name: name for name in LONGEST_FIRST if name.endswith(".py")},
    **{place: system for system, places in SHARED_SYSTEMS.items() for place in places},
}


def group_of(nodeid: str) -> str:
    """Return what stays together in one process: the test's file, or the system that it shares."""
    file = nodeid.partition("::")[0]
    return _BY_FILE.get(file) or _BY_FILE.get(str(PurePosixPath(file).parent), file)


class ByFileOrSystem(LoadScopeScheduling):
    """Gives each process a group of tests at a time."""

    @override
    def _split_scope(self, nodeid: str) -> str:
        return group_of(nodeid)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> LoadScopeScheduling:
    """Return the scheduler. pytest-xdist 3.8.0 has one for named groups, which pytest 9.2.0 silently disables."""
    return ByFileOrSystem(config, log)


def pytest_configure() -> None:
    """Give each process free ports of its own."""
    if worker := os.environ.get("PYTEST_XDIST_WORKER"):
        share_free_ports(number=int(worker.removeprefix("gw")), of=int(os.environ["PYTEST_XDIST_WORKER_COUNT"]))


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put the longest groups first."""
    rank = {group: number for number, group in enumerate(LONGEST_FIRST)}
    items.sort(key=lambda item: rank.get(group_of(item.nodeid), len(rank)))
