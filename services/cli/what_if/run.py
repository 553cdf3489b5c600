"""Replays lives under two policies and tells the devices that differ. Pure but for the reading."""

from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from services.cli.what_if.differences import Counted, Different, differences
from services.cli.what_if.engine import Plan, Replay
from services.cli.what_if.plan import Lives, plan_of
from services.cli.what_if.reading import Ledgers, Together, in_batches
from services.device import decider as device
from shared.decider import fold
from shared.policy import Policy


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


def replayed(lives: Lives, question: Question, tally: Tally) -> list[Different]:
    """Replay lives that belong together under both policies and return the devices that differ."""
    plan = plan_of(lives, since=question.since)
    present, other = (_ran(plan, policy, question.until) for policy in (question.present, question.other))
    found = list(differences(present, other, until=question.until))
    tally.devices += len(lives.devices)
    tally.codes += len(lives.codes)
    tally.orders += len(plan.orders)
    tally.different += len(found)
    tally.unlike_history += sum(
        _held(fold(device.evolve, [entry.fact for entry in life], device.Device()))
        != _held(present.devices.get(name, device.Device()))
        for name, life in lives.devices.items()
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


async def ask(
    ledgers: Ledgers,
    groups: Sequence[Together],
    question: Question,
    tally: Tally,
    tell: Callable[[int, int], None] = lambda _done, _total: None,
) -> AsyncIterator[Different]:
    """Give the devices that differ; `tell` hears how many devices are done, of how many."""
    total = sum(len(group.devices) for group in groups)
    for batch in in_batches(groups):
        lives = await ledgers.lives(batch)
        for group in batch:
            part = Lives(
                devices={name: lives.devices[name] for name in group.devices},
                codes={name: lives.codes[name] for name in group.codes},
            )
            for different in replayed(part, question, tally):
                yield different
            tell(tally.devices, total)
