"""Replays a history in memory with both services' rules, under any policy: nothing is read and nothing is written.

The orders from outside come as they were recorded; everything that follows from them is decided again by the same
deciders. A request and its answer take as long as in the log, or no time if they are not in the log. A timer fires when
it did in the log, or else when it is due.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from heapq import heappop, heappush
from itertools import count
from typing import NamedTuple
from uuid import UUID

from services.activation import decider as activation
from services.device import decider as device
from services.device.outbox import OUTBOX
from shared.messages import (
    CodeEvent,
    CodeRef,
    DeviceEvent,
    DeviceId,
    Event,
    ForDevice,
    ForHolders,
    LicenseActivated,
)
from shared.rules.decider import Refused
from shared.rules.policy import Policy

STEPS_PER_ORDER_MAX = 1_000
"""One order never has this many consequences: a timer that fires forever is a bug in a rule."""

NO_DEVICE, NO_CODE = device.Device(), activation.Code()
NO_REQUEST = UUID(int=0)
ALWAYS = datetime.min.replace(tzinfo=UTC)
DELIVERED, TIMED, ORDERED = range(3)
"""The order of things that happen at the same time: deliveries, then timers, then new orders."""


class ReplayedEvent(NamedTuple):
    """An event that the replay made, when it occurred, and when it was recorded."""

    event: DeviceEvent
    occurred_at: datetime
    recorded_at: datetime


@dataclass(frozen=True, slots=True)
class OnDevice:
    """A command to a device at a time."""

    command: device.Command
    at: datetime


@dataclass(frozen=True, slots=True)
class OnCode:
    """A command to a code, decided as of `at`."""

    command: activation.Command
    at: datetime


@dataclass(frozen=True, slots=True)
class TimerCheck:
    """A check of a device's timers."""

    device_id: DeviceId


type Order = OnDevice | OnCode

type Verdict = tuple[DeviceId, str, CodeRef | None, datetime]
"""Identifies a verdict delivered to a device, whatever policy it was decided under."""


def verdict_of(device_id: DeviceId, event: CodeEvent, occurred_at: datetime) -> Verdict:
    """Return the identity of a verdict for a device."""
    return device_id, type(event).__name__, event.code_ref, occurred_at


@dataclass(slots=True, kw_only=True)
class Plan:
    """What is replayed: the initial states, the orders from outside in recorded order, and how long things took.

    `in_flight` are commands between the services from before the start of the replay that arrive during it.
    `answered_at` is when the log has the answer to a request, `delivered_at` when a device recorded a verdict.
    `unchecked` are the periods in which a due timer had not fired yet, by device. `ends` are the final states in the
    log.
    """

    begins_at: datetime = ALWAYS
    devices: Mapping[DeviceId, device.Device] = field(default_factory=dict)
    codes: Mapping[CodeRef, activation.Code] = field(default_factory=dict)
    orders: Sequence[Order] = ()
    in_flight: Sequence[tuple[datetime, Order]] = ()
    answered_at: Mapping[UUID, datetime] = field(default_factory=dict)
    delivered_at: Mapping[Verdict, datetime] = field(default_factory=dict)
    unchecked: Mapping[DeviceId, Sequence[tuple[datetime, datetime]]] = field(default_factory=dict)
    ends: Mapping[DeviceId, device.Device] = field(default_factory=dict)


class Replay:
    """One run of a plan under a policy, up to `until`."""

    def __init__(self, plan: Plan, policy: Policy, *, until: datetime) -> None:
        self._plan = plan
        self.policy = policy
        self._until = until
        self._on_devices = device.decider(policy)
        self._on_codes = activation.decider(policy)
        self.devices = dict(plan.devices)
        self.codes = dict(plan.codes)
        self.lives: dict[DeviceId, list[ReplayedEvent]] = defaultdict(list)
        self._holding: dict[CodeRef, set[DeviceId]] = defaultdict(set)
        self._agenda: list[tuple[datetime, int, int, Order | TimerCheck]] = []
        self._checks: dict[DeviceId, datetime] = {}
        self._numbers = count()

    def run(self) -> None:
        """Replay to the end."""
        for device_id, state in self.devices.items():
            self._index_codes(device_id, NO_DEVICE, state)
            self._schedule_check(device_id, self._plan.begins_at, moved=True)
        for at, in_flight in self._plan.in_flight:
            self._put(at, DELIVERED, in_flight)
        for ordered in self._plan.orders:
            self._put(ordered.at, ORDERED, ordered)
        steps_left = STEPS_PER_ORDER_MAX * (len(self._agenda) + 1)
        while self._agenda:
            at, _, _, order = heappop(self._agenda)
            steps_left -= 1
            if steps_left < 0:
                raise RuntimeError("the replay does not end")
            self._do(order, at)

    def _put(self, at: datetime, kind: int, order: Order | TimerCheck) -> None:
        if at <= self._until:
            heappush(self._agenda, (at, kind, next(self._numbers), order))

    def _do(self, order: Order | TimerCheck, at: datetime) -> None:
        match order:
            case TimerCheck():
                self._check_timers(order.device_id, at)
            case OnDevice():
                self._ask_device(order.command, at)
            case OnCode():
                self._ask_code(order, at)

    # --- the device service ----------------------------------------------------------------------

    def _ask_device(self, command: device.Command, at: datetime) -> None:
        device_id = command.device_id
        events = _decided(lambda: self._on_devices.decide(command, self.devices))
        for event in events:
            before = self.devices.get(device_id, NO_DEVICE)
            self.devices[device_id] = after = device.evolve(before, event)
            self._index_codes(device_id, before, after)
            self.lives[device_id].append(ReplayedEvent(event, _occurred_at(event, command), at))
            self._request_verdicts(event, at)
        self._schedule_check(device_id, at, moved=bool(events))

    def _request_verdicts(self, event: DeviceEvent, recorded_at: datetime) -> None:
        for command in activation.commands_for(event, recorded_at):
            handled_at = self._plan.answered_at.get(getattr(event, "request_id", NO_REQUEST), recorded_at)
            self._put(max(handled_at, recorded_at), DELIVERED, OnCode(command, recorded_at))

    def _index_codes(self, device_id: DeviceId, before: device.Device, after: device.Device) -> None:
        """Keep the index of the devices that have a code."""
        had, has = _codes_on(before), _codes_on(after)
        for code_ref in had - has:
            self._holding[code_ref].discard(device_id)
        for code_ref in has - had:
            self._holding[code_ref].add(device_id)

    def _schedule_check(self, device_id: DeviceId, at: datetime, *, moved: bool) -> None:
        """Schedule a check of a device's timers for when something is due, or for when the log has it fire."""
        due = _due_at(self.devices.get(device_id, NO_DEVICE))
        if due is None or (due <= at and not moved):
            return  # it was just checked without effect
        check_at = max(self._fires_at(device_id, due), at)
        if check_at > at and self._checks.get(device_id) == check_at:
            return
        self._checks[device_id] = check_at
        self._put(check_at, TIMED, TimerCheck(device_id))

    def _check_timers(self, device_id: DeviceId, at: datetime) -> None:
        """Fire the timers that are due by now; a later event may have moved them."""
        state = self.devices.get(device_id, NO_DEVICE)
        if (ends_at := device.expires_at(state)) is not None and ends_at <= at:
            self._ask_device(device.Expire(device_id=device_id, at=at), at)
            state = self.devices[device_id]
        if (retry_at := device.retry_at(state)) is not None and retry_at <= at:
            self._ask_device(device.RetryActivation(device_id=device_id, at=at), at)

    def _fires_at(self, device_id: DeviceId, due: datetime) -> datetime:
        fired = [end for begin, end in self._plan.unchecked.get(device_id, ()) if begin <= due < end]
        return min(fired, default=due)

    # --- the activation service ------------------------------------------------------------------

    def _ask_code(self, order: OnCode, at: datetime) -> None:
        for event in _decided(lambda: self._on_codes.decide(order.command, self.codes)):
            code_ref = self._on_codes.stream_of(event)
            self.codes[code_ref] = activation.evolve(self.codes.get(code_ref, NO_CODE), event)
            for device_id in self._devices_concerned(event):
                delivered_at = self._plan.delivered_at.get(verdict_of(device_id, event, order.at), at)
                told = device.RecordVerdict(device_id=device_id, verdict=event, at=order.at)
                self._put(max(delivered_at, at), DELIVERED, OnDevice(told, order.at))

    def _devices_concerned(self, event: CodeEvent) -> Iterable[DeviceId]:
        """Return the devices that an event may concern: the one it names, or all that have the code."""
        named = {event.device_id} if isinstance(event, ForDevice) and event.device_id in self.devices else set()
        starts = isinstance(event, LicenseActivated) and event.may_start_term
        if event.code_ref is None or not (starts or isinstance(event, ForHolders)):
            return named
        return sorted(named | self._holding[event.code_ref])


def _decided[Fact: Event](decide: Callable[[], Sequence[Fact]]) -> Sequence[Fact]:
    try:
        return decide()
    except Refused:
        return ()  # refused by the door: nothing happened


def _occurred_at(event: DeviceEvent, command: device.Command) -> datetime:
    return OUTBOX.occurred_at(event) or command.at


def _due_at(state: device.Device) -> datetime | None:
    return min(filter(None, (device.expires_at(state), device.retry_at(state))), default=None)


def _codes_on(state: device.Device) -> set[CodeRef]:
    return {slot.code_ref for slot in (state.license, state.reserve, state.incoming) if slot is not None}
