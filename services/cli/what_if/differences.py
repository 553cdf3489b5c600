"""The differences between two replays of the same history, by device and counted by kind. Pure."""

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import msgspec

from services.cli.what_if.replay import Replay, ReplayedEvent
from services.device import decider as device
from shared.calendar import instant
from shared.messages import DeviceId, Event

NOT_COMPARED = frozenset({"policy_version", "findings", "request_id", "answer_by", "again_at", "generation"})
"""Fields that differ between policies without consequences for anybody."""


@dataclass(frozen=True, slots=True)
class Change:
    """One fact that only one replay has, or that differs between them. Similar changes have the same `kind`."""

    kind: str
    description: str


@dataclass(frozen=True, slots=True, kw_only=True)
class DeviceDifference:
    """A device whose history would have been different. `licensed` is how much longer it would have had a license."""

    device_id: DeviceId
    changes: Sequence[Change]
    licensed: timedelta
    status: tuple[str, str]


@dataclass(slots=True)
class ChangeCounts:
    """How many devices and facts are affected by the changes of each kind."""

    devices: Counter[str] = field(default_factory=Counter)
    facts: Counter[str] = field(default_factory=Counter)

    def add(self, different: DeviceDifference) -> None:
        """Count the changes of a device."""
        self.facts.update(change.kind for change in different.changes)
        self.devices.update({change.kind for change in different.changes})

    def add_all(self, others: "ChangeCounts") -> None:
        """Add the counts of other devices."""
        self.facts.update(others.facts)
        self.devices.update(others.devices)


def device_differences(present: Replay, other: Replay, *, until: datetime) -> Iterator[DeviceDifference]:
    """Yield the devices that differ, in the order of their ids."""
    for device_id in sorted(present.devices.keys() | other.devices.keys()):
        before, after = present.lives[device_id], other.lives[device_id]
        changes = list(_changes(before, after))
        status = (_status(present, device_id, until), _status(other, device_id, until))
        if status[0] != status[1]:
            changes.append(Change(f"ends as {status[1]}, not {status[0]}", f"{status[0]} → {status[1]}"))
        if changes:
            gained = licensed_time(after, until=until) - licensed_time(before, until=until)
            yield DeviceDifference(device_id=device_id, changes=changes, licensed=gained, status=status)


def _status(replay: Replay, device_id: DeviceId, until: datetime) -> device.LicenseStatus:
    return device.status(replay.devices.get(device_id, device.Device()), until, replay.policy)


def licensed_time(life: Sequence[ReplayedEvent], *, until: datetime) -> timedelta:
    """Return how long a device had a license in force according to its events."""
    total, state, since = timedelta(0), device.Device(), None
    for happened in [*life, None]:
        now = until if happened is None else happened.recorded_at
        ends_at = device.expires_at(state)
        if since is not None and ends_at is not None:
            total += max(min(now, ends_at) - since, timedelta(0))
        if happened is not None:
            state = device.evolve(state, happened.event)
        since = now
    return total


def _changes(before: Sequence[ReplayedEvent], after: Sequence[ReplayedEvent]) -> Iterator[Change]:
    """Yield facts that are gone, facts that are new, and facts with another time or content."""
    if len(before) == len(after) and all(map(_alike, before, after)):
        return  # most devices, and the quickest check
    olds, news = _by_label(before), _by_label(after)
    for label in sorted(olds.keys() | news.keys()):
        old, new = olds[label], news[label]
        gone, come = _without(old, new), _without(new, old)
        for was, becomes in zip(gone, come, strict=False):
            yield Change(f"changed: {label}", _difference(was, becomes))
        for was in gone[len(come) :]:
            yield Change(f"gone: {label}", _told(was))
        for becomes in come[len(gone) :]:
            yield Change(f"new: {label}", _told(becomes))


def _alike(one: ReplayedEvent, other: ReplayedEvent) -> bool:
    return type(one.event) is type(other.event) and _compared(one) == _compared(other)


def _by_label(life: Sequence[ReplayedEvent]) -> dict[str, list[dict[str, Any]]]:
    facts: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for happened in life:
        facts[_label(happened.event)].append(_compared(happened))
    return facts


def _label(event: Event) -> str:
    words = (getattr(event, name, None) for name in ("reason", "cause", "purpose"))
    return " ".join((type(event).__name__, *(str(word) for word in words if word is not None)))


def _compared(happened: ReplayedEvent) -> dict[str, Any]:
    facts = {name: value for name, value in msgspec.structs.asdict(happened.event).items() if name not in NOT_COMPARED}
    return {"occurred_at": happened.occurred_at, **facts}


def _without(facts: list[dict[str, Any]], others: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return the facts that are not among the others, duplicates counted."""
    left = list(others)
    rest = []
    for fact in facts:
        if fact in left:
            left.remove(fact)
        else:
            rest.append(fact)
    return rest


def _difference(was: Mapping[str, Any], becomes: Mapping[str, Any]) -> str:
    changed = [name for name in was if was[name] != becomes.get(name)]
    return ", ".join(f"{name} {_word(was[name])} → {_word(becomes.get(name))}" for name in changed)


def _told(fact: Mapping[str, Any]) -> str:
    return f"{_word(fact['occurred_at'])}, code {str(fact.get('code_ref'))[:8]}…"


def _word(value: Any) -> str:
    return instant(value) if isinstance(value, datetime) else str(value)
