"""Makes the plan of a replay from the history of devices and codes that share codes. Pure."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import chain
from typing import Any
from uuid import UUID

from services.activation import decider as activation
from services.cli.what_if.inputs import code_command_of, device_command_of
from services.cli.what_if.replay import ALWAYS, OnCode, OnDevice, Order, Plan, Verdict, verdict_of
from services.device import decider as device
from shared.ledger.events import NewEvent
from shared.messages import (
    ActivationDelayed,
    ActivationRefused,
    ActivationRetried,
    Attempt,
    CodeEvent,
    CodeRef,
    CodeRejected,
    DeviceEvent,
    DeviceId,
    LicenseActivated,
    LicenseExpired,
    MessageDiscarded,
    MessageParked,
    MessageRedriven,
    decode,
)
from shared.rules.decider import fold


@dataclass(frozen=True, slots=True)
class Entry[Fact]:
    """An event of a ledger, decoded."""

    fact: Fact
    event_id: UUID
    causation_id: UUID | None
    version: int
    occurred_at: datetime
    recorded_at: datetime


@dataclass(frozen=True, slots=True)
class History:
    """The complete streams of some devices and of every code that was ever used with them."""

    devices: Mapping[DeviceId, Sequence[Entry[DeviceEvent]]]
    codes: Mapping[CodeRef, Sequence[Entry[CodeEvent]]]

    def part(self, devices: Iterable[DeviceId], codes: Iterable[CodeRef]) -> "History":
        """Return the part with some of the streams."""
        return History({name: self.devices[name] for name in devices}, {name: self.codes[name] for name in codes})


type Followed = tuple[Sequence[tuple[Entry[DeviceEvent], device.Device]], device.Device]
"""A device's events, each with the state before its command, and the final state."""


def entry_of(event: NewEvent) -> Entry[Any] | None:
    """Return a decoded event of a ledger; None for one that no decider made."""
    fact = decode(event.type_name, event.schema_version, event.data)
    if isinstance(fact, MessageParked | MessageRedriven | MessageDiscarded):
        return None
    return Entry(fact, event.event_id, event.causation_id, event.version, event.occurred_at, event.recorded_at)


def make_plan(history: History, *, since: datetime | None) -> Plan:
    """Return the plan: the whole history, or what was recorded after `since`, starting from the states of that time."""
    followed = {device_id: _followed(life) for device_id, life in history.devices.items()}
    return Plan(
        begins_at=since or ALWAYS,
        devices=_states(history.devices, since, device.evolve, device.Device()),
        codes=_states(history.codes, since, activation.evolve, activation.Code()),
        orders=[order for _, order in sorted(_orders(history, followed, since), key=lambda one: one[0])],
        in_flight=[*_requests_in_flight(history, since), *_verdicts_in_flight(history, since)] if since else (),
        answered_at=_first_times(_all(history.codes)),
        delivered_at=_delivery_times(history),
        unchecked={device_id: list(_unchecked_periods(life)) for device_id, life in history.devices.items()},
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
    history: History, followed: Mapping[DeviceId, Followed], since: datetime | None
) -> Iterator[tuple[tuple[Any, ...], Order]]:
    """Yield every order from outside, with a key that sorts it into recorded order."""
    verdicts = _ids(history.codes)
    for device_id, (life, _) in followed.items():
        for entry, before in life:
            if _is_after(entry, since) and entry.causation_id not in verdicts:
                order = {"device_id": device_id, "at": entry.occurred_at, "request_id": _request_id(entry)}
                if (command := device_command_of(entry.fact, before, order)) is not None:
                    yield (entry.recorded_at, 1, device_id, entry.version), OnDevice(command, entry.recorded_at)
    for code_ref, story in history.codes.items():
        for told in story:
            terms = {"code_ref": code_ref, "at": told.occurred_at}
            if _is_after(told, since) and (wanted := code_command_of(told.fact, terms)) is not None:
                yield (told.recorded_at, 0, code_ref, told.version), OnCode(wanted, told.occurred_at)


def _followed(life: Sequence[Entry[DeviceEvent]]) -> Followed:
    """Return each event with the state before its command: one command may make several events."""
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


def _requests_in_flight(history: History, since: datetime) -> Iterator[tuple[datetime, Order]]:
    """Yield the requests of devices until then that codes answered later."""
    answered_at = {entry.causation_id: entry.recorded_at for entry in _all(history.codes) if _is_after(entry, since)}
    for entry in _all(history.devices):
        if entry.event_id in answered_at and not _is_after(entry, since):
            for command in activation.commands_for(entry.fact, entry.recorded_at):
                yield answered_at[entry.event_id], OnCode(command, entry.recorded_at)


def _verdicts_in_flight(history: History, since: datetime) -> Iterator[tuple[datetime, Order]]:
    """Yield the verdicts about codes until then that devices recorded later."""
    said = {entry.event_id: entry for entry in _all(history.codes) if not _is_after(entry, since)}
    for device_id, life in history.devices.items():
        delivered_at = {
            entry.causation_id: entry.recorded_at
            for entry in reversed(life)
            if _is_after(entry, since) and entry.causation_id in said
        }
        for event_id, recorded_at in delivered_at.items():
            verdict = said[event_id]
            told = device.RecordVerdict(device_id=device_id, verdict=verdict.fact, at=verdict.occurred_at)
            yield recorded_at, OnDevice(told, recorded_at)


def _all[Fact](streams: Mapping[str, Sequence[Entry[Fact]]]) -> Iterator[Entry[Fact]]:
    return chain.from_iterable(streams.values())


def _ids(streams: Mapping[str, Sequence[Entry[Any]]]) -> set[UUID | None]:
    return {entry.event_id for entry in _all(streams)}


def _first_times(entries: Iterable[Entry[Any]]) -> dict[UUID, datetime]:
    """Return by request the time of the first event that names it."""
    times: dict[UUID, datetime] = {}
    for entry in entries:
        if (request_id := getattr(entry.fact, "request_id", None)) is not None:
            times.setdefault(request_id, entry.recorded_at)
    return times


def _delivery_times(history: History) -> dict[Verdict, datetime]:
    """Return when devices recorded verdicts about codes."""
    said = {entry.event_id: entry for entry in _all(history.codes)}
    return {
        verdict_of(device_id, said[entry.causation_id].fact, said[entry.causation_id].occurred_at): entry.recorded_at
        for device_id, life in history.devices.items()
        for entry in reversed(life)
        if entry.causation_id in said
    }


def _unchecked_periods(life: Sequence[Entry[DeviceEvent]]) -> Iterator[tuple[datetime, datetime]]:
    """Yield the periods in which something was due for the device and no timer had fired yet."""
    due: dict[str, datetime] = {}
    for entry in life:
        match entry.fact:
            case LicenseExpired(ended_at=ended_at):
                yield ended_at, entry.recorded_at
            case ActivationRetried() if "retry" in due:
                yield due["retry"], entry.recorded_at
            case ActivationDelayed() | ActivationRefused() | CodeRejected() | LicenseActivated() if "answer" in due:
                # a timer that is late may find the answer already there
                yield due.pop("answer"), entry.recorded_at
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
