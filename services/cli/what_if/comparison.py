"""Replays history under two policies and yields the devices that differ. Pure except for reading.

A replay is a function of its plan and of the policy keys that it reads (R-119). If it read no key in which the policies
differ, both replays are the same, and the second one is not run.
"""

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from services.cli.what_if.differences import ChangeCounts, DeviceDifference, device_differences
from services.cli.what_if.ledger_reader import Group, Ledgers, in_batches
from services.cli.what_if.plan import History, make_plan
from services.cli.what_if.recording_policy import RecordingPolicy, differing_keys
from services.cli.what_if.replay import Plan, Replay
from services.device import decider as device
from shared.rules.policy import Policy


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """What would `other` have done differently from `present` with the history after `since`, up to `until`?"""

    present: Policy
    other: Policy
    since: datetime | None
    until: datetime


@dataclass(slots=True)
class Tally:
    """How much was replayed. `unlike_history` counts devices that end differently than in the log."""

    devices: int = 0
    codes: int = 0
    orders: int = 0
    unlike_history: int = 0
    counted: ChangeCounts = field(default_factory=ChangeCounts)
    different: int = 0

    def add(self, further: "Tally") -> None:
        """Add the tally of another part."""
        self.devices += further.devices
        self.codes += further.codes
        self.orders += further.orders
        self.unlike_history += further.unlike_history
        self.counted.add_all(further.counted)
        self.different += further.different


@dataclass(frozen=True, slots=True)
class PartialResult:
    """The result of comparing some groups."""

    tally: Tally
    different: Sequence[DeviceDifference]


@dataclass(frozen=True, slots=True)
class Executor:
    """Compares groups, here or in other processes, up to `at_once` batches at a time.

    `compare` raises `UnknownEvent`.
    """

    compare: Callable[[Sequence[Group]], Awaitable[PartialResult]]
    at_once: int = 1


def compare_policies(history: History, question: Question, tally: Tally) -> list[DeviceDifference]:
    """Replay the history of a group under both policies and return the devices that differ."""
    plan = make_plan(history, since=question.since)
    recording = RecordingPolicy(question.present)
    present = _run(plan, recording.as_policy(), question.until)
    found: list[DeviceDifference] = []
    if not recording.keys_read.isdisjoint(differing_keys(question.present, question.other)):
        other = _run(plan, question.other, question.until)
        found = list(device_differences(present, other, until=question.until))
    tally.devices += len(history.devices)
    tally.codes += len(history.codes)
    tally.orders += len(plan.orders)
    tally.different += len(found)
    tally.unlike_history += sum(
        _codes_on(state) != _codes_on(present.devices.get(name, device.Device())) for name, state in plan.ends.items()
    )
    for different in found:
        tally.counted.add(different)
    return found


def _run(plan: Plan, policy: Policy, until: datetime) -> Replay:
    replay = Replay(plan, policy, until=until)
    replay.run()
    return replay


def _codes_on(state: device.Device) -> tuple[str | None, ...]:
    slots = (state.license, state.reserve, state.incoming)
    return tuple(slot.code_ref if slot else None for slot in slots)


async def compare_groups(ledgers: Ledgers, question: Question, groups: Sequence[Group]) -> PartialResult:
    """Read and replay some groups. Raises `UnknownEvent` for an event of another release."""
    tally = Tally()
    different: list[DeviceDifference] = []
    history = await ledgers.history(groups)
    for group in groups:
        different += compare_policies(history.part(group.devices, group.codes), question, tally)
    return PartialResult(tally, different)


async def compare_all(
    groups: Sequence[Group],
    executor: Executor,
    tally: Tally,
    on_progress: Callable[[int, int], None] = lambda _done, _total: None,
) -> AsyncIterator[DeviceDifference]:
    """Yield the devices that differ; `on_progress` is called with the number of devices done, and the total."""
    total = sum(len(group.devices) for group in groups)
    async for result in _in_order(in_batches(groups), executor):
        tally.add(result.tally)
        on_progress(tally.devices, total)
        for different in result.different:
            yield different


async def _in_order(batches: Iterable[Sequence[Group]], executor: Executor) -> AsyncIterator[PartialResult]:
    """Yield the results in the order of the batches, while up to `at_once` batches are running."""
    running: deque[asyncio.Future[PartialResult]] = deque()
    try:
        for batch in batches:
            if len(running) == executor.at_once:
                yield await running.popleft()
            running.append(asyncio.ensure_future(executor.compare(batch)))
        while running:
            yield await running.popleft()
    finally:
        for each in running:
            each.cancel()
