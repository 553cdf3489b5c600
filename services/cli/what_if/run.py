"""Replays lives under two policies and tells the devices that differ. Pure but for the reading.

A replay is a function of its plan and of what it reads off its policy (R-119). One that read none of the decisions
that the other policy takes otherwise is the other one too, and is not run again.
"""

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from services.cli.what_if.consulted import Consulted, differing
from services.cli.what_if.differences import Counted, Different, differences
from services.cli.what_if.engine import Plan, Replay
from services.cli.what_if.plan import Lives, plan_of
from services.cli.what_if.reading import Ledgers, Together, in_batches
from services.device import decider as device
from shared.rules.policy import Policy


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """What would `other` have done with the history after `since`, up to `until`, that `present` did not?"""

    present: Policy
    other: Policy
    since: datetime | None
    until: datetime


@dataclass(slots=True)
class Tally:
    """How much was replayed. `unlike_history` are devices for which the present policy does not end as the log does."""

    devices: int = 0
    codes: int = 0
    orders: int = 0
    unlike_history: int = 0
    counted: Counted = field(default_factory=Counted)
    different: int = 0

    def add(self, further: "Tally") -> None:
        """Count what another part of the replay counted."""
        self.devices += further.devices
        self.codes += further.codes
        self.orders += further.orders
        self.unlike_history += further.unlike_history
        self.counted.add_all(further.counted)
        self.different += further.different


@dataclass(frozen=True, slots=True)
class Answer:
    """What a part of the lives came to."""

    tally: Tally
    different: Sequence[Different]


@dataclass(frozen=True, slots=True)
class Answering:
    """Who answers for some groups of devices and codes, here or in other processes, and for how many batches `at_once`.

    `answer` raises `UnknownEvent`.
    """

    answer: Callable[[Sequence[Together]], Awaitable[Answer]]
    at_once: int = 1


def replayed(lives: Lives, question: Question, tally: Tally) -> list[Different]:
    """Replay lives that belong together under both policies and return the devices that differ."""
    plan = plan_of(lives, since=question.since)
    consulted = Consulted(question.present)
    present = _ran(plan, consulted.as_policy(), question.until)
    found: list[Different] = []
    if not consulted.keys.isdisjoint(differing(question.present, question.other)):
        other = _ran(plan, question.other, question.until)
        found = list(differences(present, other, until=question.until))
    tally.devices += len(lives.devices)
    tally.codes += len(lives.codes)
    tally.orders += len(plan.orders)
    tally.different += len(found)
    tally.unlike_history += sum(
        _held(state) != _held(present.devices.get(name, device.Device())) for name, state in plan.ends.items()
    )
    for different in found:
        tally.counted.add(different)
    return found


def _ran(plan: Plan, policy: Policy, until: datetime) -> Replay:
    replay = Replay(plan, policy, until=until)
    replay.run()
    return replay


def _held(state: device.Device) -> tuple[str | None, ...]:
    slots = (state.license, state.reserve, state.incoming)
    return tuple(slot.code_ref if slot else None for slot in slots)


async def answer_for(ledgers: Ledgers, question: Question, groups: Sequence[Together]) -> Answer:
    """Read and replay some groups. Raises `UnknownEvent` for an event of another release."""
    tally = Tally()
    different: list[Different] = []
    lives = await ledgers.lives(groups)
    for group in groups:
        different += replayed(lives.of(group.devices, group.codes), question, tally)
    return Answer(tally, different)


async def ask(
    groups: Sequence[Together],
    answering: Answering,
    tally: Tally,
    tell: Callable[[int, int], None] = lambda _done, _total: None,
) -> AsyncIterator[Different]:
    """Give the devices that differ; `tell` hears how many devices are done, of how many."""
    total = sum(len(group.devices) for group in groups)
    async for answered in _in_order(in_batches(groups), answering):
        tally.add(answered.tally)
        tell(tally.devices, total)
        for different in answered.different:
            yield different


async def _in_order(batches: Iterable[Sequence[Together]], answering: Answering) -> AsyncIterator[Answer]:
    """Give the answers in the order of the batches, with as many batches under way as may be."""
    running: deque[asyncio.Future[Answer]] = deque()
    try:
        for batch in batches:
            if len(running) == answering.at_once:
                yield await running.popleft()
            running.append(asyncio.ensure_future(answering.answer(batch)))
        while running:
            yield await running.popleft()
    finally:
        for each in running:
            each.cancel()
