"""Makes a plan of what two ledgers say about devices and codes that have to do with each other. Pure."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import chain
from typing import Any
from uuid import UUID

from services.activation import decider as activation
from services.cli.what_if.engine import ALWAYS, OnCode, OnDevice, Order, Plan, Verdict, verdict_of
from services.cli.what_if.inputs import asked_of_code, asked_of_device
from services.device import decider as device
from shared.ledger.events import NewEvent
from shared.messages import (
    ActivationDelayed,
    ActivationRetried,
    Attempt,
    CodeEvent,
    CodeRef,
    DeviceEvent,
    DeviceId,
    LicenseExpired,
    MessageDiscarded,
    MessageParked,
    MessageRedriven,
    decode,
)
from shared.rules.decider import fold


@dataclass(frozen=True, slots=True)
class Entry[Fact]:
    """An event as a ledger has it."""

    fact: Fact
    event_id: UUID
    causation_id: UUID | None
    version: int
    occurred_at: datetime
    recorded_at: datetime


@dataclass(frozen=True, slots=True)
class Lives:
    """The streams of some devices and of every code that they were ever asked with, whole, each in its order."""

    devices: Mapping[DeviceId, Sequence[Entry[DeviceEvent]]]
    codes: Mapping[CodeRef, Sequence[Entry[CodeEvent]]]

    def of(self, devices: Iterable[DeviceId], codes: Iterable[CodeRef]) -> "Lives":
        """Return some of the streams."""
        return Lives({name: self.devices[name] for name in devices}, {name: self.codes[name] for name in codes})


type Followed = tuple[Sequence[tuple[Entry[DeviceEvent], device.Device]], device.Device]
"""A device's events, each with the device as it was before the order, and the device as it is after all of them."""


def entry_of(event: NewEvent) -> Entry[Any] | None:
    """Return an event of a ledger, read; None for one that no decider made."""
    fact = decode(event.type_name, event.schema_version, event.data)
    if isinstance(fact, MessageParked | MessageRedriven | MessageDiscarded):
        return None
    return Entry(fact, event.event_id, event.causation_id, event.version, event.occurred_at, event.recorded_at)


def plan_of(lives: Lives, *, since: datetime | None) -> Plan:
    """Return what is to be replayed: everything, or what was recorded after `since` on what was known by then."""
    followed = {device_id: _followed(life) for device_id, life in lives.devices.items()}
    return Plan(
        begins_at=since or ALWAYS,
        devices=_states(lives.devices, since, device.evolve, device.Device()),
        codes=_states(lives.codes, since, activation.evolve, activation.Code()),
        orders=[order for _, order in sorted(_orders(lives, followed, since), key=lambda one: one[0])],
        under_way=[*_asked_before(lives, since), *_told_before(lives, since)] if since else (),
        answered_at=_times(_all(lives.codes)),
        heard_at=_heard(lives),
        blind={device_id: list(_blind(life)) for device_id, life in lives.devices.items()},
        ends={device_id: end for device_id, (_, end) in followed.items()},
    )


def _states[Fact, State](
    streams: Mapping[str, Sequence[Entry[Fact]]],
    since: datetime | None,
    evolve: Callable[[State, Fact], State],
    initial: State,
) -> dict[str, State]:
    return {
        stream: fold(evolve, [entry.fact for entry in life if not _is_after(entry, since)], initial)
        for stream, life in streams.items()
        if since and life and not _is_after(life[0], since)
    }


def _is_after(entry: Entry[Any], since: datetime | None) -> bool:
    return since is None or entry.recorded_at > since


def _orders(
    lives: Lives, followed: Mapping[DeviceId, Followed], since: datetime | None
) -> Iterator[tuple[tuple[Any, ...], Order]]:
    """Give every order from outside, with what sorts it into recorded order."""
    verdicts = _ids(lives.codes)
    for device_id, (life, _) in followed.items():
        for entry, before in life:
            if _is_after(entry, since) and entry.causation_id not in verdicts:
                order = {"device_id": device_id, "at": entry.occurred_at, "request_id": _request_id(entry)}
                if (command := asked_of_device(entry.fact, before, order)) is not None:
                    yield (entry.recorded_at, 1, device_id, entry.version), OnDevice(command, entry.recorded_at)
    for code_ref, story in lives.codes.items():
        for told in story:
            terms = {"code_ref": code_ref, "at": told.occurred_at}
            if _is_after(told, since) and (wanted := asked_of_code(told.fact, terms)) is not None:
                yield (told.recorded_at, 0, code_ref, told.version), OnCode(wanted, told.occurred_at)


def _followed(life: Sequence[Entry[DeviceEvent]]) -> Followed:
    """Return each event with the device as it was before the order that made it: one order may make several."""
    state = before = device.Device()
    entries: list[tuple[Entry[DeviceEvent], device.Device]] = []
    last: Entry[DeviceEvent] | None = None
    for entry in life:
        if last is None or (last.recorded_at, last.causation_id) != (entry.recorded_at, entry.causation_id):
            before = state
        entries.append((entry, before))
        state, last = device.evolve(state, entry.fact), entry
    return entries, state


def _request_id(entry: Entry[DeviceEvent]) -> UUID:
    return getattr(entry.fact, "request_id", entry.event_id)


def _asked_before(lives: Lives, since: datetime) -> Iterator[tuple[datetime, Order]]:
    """Give what devices had asked by then and codes answered later."""
    answered_at = {entry.causation_id: entry.recorded_at for entry in _all(lives.codes) if _is_after(entry, since)}
    for entry in _all(lives.devices):
        if entry.event_id in answered_at and not _is_after(entry, since):
            for command in activation.commands_for(entry.fact, entry.recorded_at):
                yield answered_at[entry.event_id], OnCode(command, entry.recorded_at)


def _told_before(lives: Lives, since: datetime) -> Iterator[tuple[datetime, Order]]:
    """Give what codes had said by then and devices heard later."""
    said = {entry.event_id: entry for entry in _all(lives.codes) if not _is_after(entry, since)}
    for device_id, life in lives.devices.items():
        heard_at = {
            entry.causation_id: entry.recorded_at
            for entry in reversed(life)
            if _is_after(entry, since) and entry.causation_id in said
        }
        for event_id, recorded_at in heard_at.items():
            verdict = said[event_id]
            told = device.RecordVerdict(device_id=device_id, verdict=verdict.fact, at=verdict.occurred_at)
            yield recorded_at, OnDevice(told, recorded_at)


def _all[Fact](streams: Mapping[str, Sequence[Entry[Fact]]]) -> Iterator[Entry[Fact]]:
    return chain.from_iterable(streams.values())


def _ids(streams: Mapping[str, Sequence[Entry[Any]]]) -> set[UUID | None]:
    return {entry.event_id for entry in _all(streams)}


def _times(entries: Iterable[Entry[Any]]) -> dict[UUID, datetime]:
    """Return when a request was first spoken of."""
    times: dict[UUID, datetime] = {}
    for entry in entries:
        if (request_id := getattr(entry.fact, "request_id", None)) is not None:
            times.setdefault(request_id, entry.recorded_at)
    return times


def _heard(lives: Lives) -> dict[Verdict, datetime]:
    """Return when devices heard what was said of codes."""
    said = {entry.event_id: entry for entry in _all(lives.codes)}
    return {
        verdict_of(device_id, said[entry.causation_id].fact, said[entry.causation_id].occurred_at): entry.recorded_at
        for device_id, life in lives.devices.items()
        for entry in reversed(life)
        if entry.causation_id in said
    }


def _blind(life: Sequence[Entry[DeviceEvent]]) -> Iterator[tuple[datetime, datetime]]:
    """Give from when to when something of the device was due that no timer had looked at."""
    due: dict[str, datetime] = {}
    for entry in life:
        match entry.fact:
            case LicenseExpired(ended_at=ended_at):
                yield ended_at, entry.recorded_at
            case ActivationRetried() if "retry" in due:
                yield due["retry"], entry.recorded_at
            case ActivationDelayed(cause="no_answer") if "answer" in due:
                yield due["answer"], entry.recorded_at
            case _:
                pass
        due |= _due(entry.fact)


def _due(fact: DeviceEvent) -> dict[str, datetime]:
    match fact:
        case ActivationDelayed():
            return {"retry": fact.retry_at}
        case Attempt(answer_by=datetime() as answer_by):
            return {"answer": answer_by}
        case _:
            return {}
