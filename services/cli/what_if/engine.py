"""Both services' rules over a history, in memory, under any policy: nothing is read and nothing written.

The orders from outside come as they were recorded; everything that follows from them follows here, by the
same deciders. A question and its answer take the time they took in the log where they stand there, and no
time where they do not; a timer is noticed when the log says that it was looked at, and else when it is due.
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
"""What follows from one order comes to an end long before: a timer that fires for ever is a fault of a rule."""

NO_DEVICE, NO_CODE = device.Device(), activation.Code()
NO_REQUEST = UUID(int=0)
ALWAYS = datetime.min.replace(tzinfo=UTC)
DELIVERED, TIMED, ORDERED = range(3)
"""At one moment: first what is under way arrives, then timers look, then people order."""


class Happened(NamedTuple):
    """A fact that the replay made, when it happened, and when it was recorded."""

    event: DeviceEvent
    occurred_at: datetime
    recorded_at: datetime


@dataclass(frozen=True, slots=True)
class OnDevice:
    """Something that a device is asked, at a time."""

    command: device.Command
    at: datetime


@dataclass(frozen=True, slots=True)
class OnCode:
    """Something that a code is asked, decided as of `at`."""

    command: activation.Command
    at: datetime


@dataclass(frozen=True, slots=True)
class Look:
    """The timers look at a device."""

    device_id: DeviceId


type Order = OnDevice | OnCode

type Verdict = tuple[DeviceId, str, CodeRef | None, datetime]
"""What tells one verdict that a device hears from another, whatever policy it was decided by."""


def verdict_of(device_id: DeviceId, event: CodeEvent, occurred_at: datetime) -> Verdict:
    """Return what names a verdict to a device."""
    return device_id, type(event).__name__, event.code_ref, occurred_at


@dataclass(slots=True, kw_only=True)
class Plan:
    """What is replayed: where the states begin, the orders from outside in recorded order, and how long things took.

    `under_way` are orders that the two services gave each other before the replay begins and that arrive in it.
    `answered_at` and `heard_at` tell when the log has the answer to a request, and when a device heard of it; `blind`
    from when to when nobody looked at a device's timers; `ends` how the log has the devices in the end.
    """

    begins_at: datetime = ALWAYS
    devices: Mapping[DeviceId, device.Device] = field(default_factory=dict)
    codes: Mapping[CodeRef, activation.Code] = field(default_factory=dict)
    orders: Sequence[Order] = ()
    under_way: Sequence[tuple[datetime, Order]] = ()
    answered_at: Mapping[UUID, datetime] = field(default_factory=dict)
    heard_at: Mapping[Verdict, datetime] = field(default_factory=dict)
    blind: Mapping[DeviceId, Sequence[tuple[datetime, datetime]]] = field(default_factory=dict)
    ends: Mapping[DeviceId, device.Device] = field(default_factory=dict)


class Replay:
    """One run of a plan under a policy, up to `until`."""

    def __init__(self, plan: Plan, policy: Policy, *, until: datetime) -> None:
        self._plan = plan
        self._until = until
        self._on_devices = device.decider(policy)
        self._on_codes = activation.decider(policy)
        self.devices = dict(plan.devices)
        self.codes = dict(plan.codes)
        self.lives: dict[DeviceId, list[Happened]] = defaultdict(list)
        self._holding: dict[CodeRef, set[DeviceId]] = defaultdict(set)
        self._agenda: list[tuple[datetime, int, int, Order | Look]] = []
        self._looks: dict[DeviceId, datetime] = {}
        self._numbers = count()

    def run(self) -> None:
        """Replay to the end."""
        for device_id, state in self.devices.items():
            self._note(device_id, NO_DEVICE, state)
            self._look_later(device_id, self._plan.begins_at, moved=True)
        for at, under_way in self._plan.under_way:
            self._put(at, DELIVERED, under_way)
        for ordered in self._plan.orders:
            self._put(ordered.at, ORDERED, ordered)
        steps_left = STEPS_PER_ORDER_MAX * (len(self._agenda) + 1)
        while self._agenda:
            at, _, _, order = heappop(self._agenda)
            steps_left -= 1
            if steps_left < 0:
                raise RuntimeError("the replay goes on for ever")
            self._do(order, at)

    def _put(self, at: datetime, kind: int, order: Order | Look) -> None:
        if at <= self._until:
            heappush(self._agenda, (at, kind, next(self._numbers), order))

    def _do(self, order: Order | Look, at: datetime) -> None:
        match order:
            case Look():
                self._look(order.device_id, at)
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
            self._note(device_id, before, after)
            self.lives[device_id].append(Happened(event, _occurred_at(event, command), at))
            self._ask_about(event, at)
        self._look_later(device_id, at, moved=bool(events))

    def _ask_about(self, event: DeviceEvent, recorded_at: datetime) -> None:
        for command in activation.commands_for(event, recorded_at):
            handled_at = self._plan.answered_at.get(getattr(event, "request_id", NO_REQUEST), recorded_at)
            self._put(max(handled_at, recorded_at), DELIVERED, OnCode(command, recorded_at))

    def _note(self, device_id: DeviceId, before: device.Device, after: device.Device) -> None:
        """Keep in mind which devices have a code on them."""
        had, has = _codes_on(before), _codes_on(after)
        for code_ref in had - has:
            self._holding[code_ref].discard(device_id)
        for code_ref in has - had:
            self._holding[code_ref].add(device_id)

    def _look_later(self, device_id: DeviceId, at: datetime, *, moved: bool) -> None:
        """Let the timers look when something is due, or at the first moment from then on at which anybody looked."""
        due = _due_at(self.devices.get(device_id, NO_DEVICE))
        if due is None or (due <= at and not moved):
            return  # they have just looked, and nothing came of it
        look_at = max(self._noticed(device_id, due), at)
        if look_at > at and self._looks.get(device_id) == look_at:
            return
        self._looks[device_id] = look_at
        self._put(look_at, TIMED, Look(device_id))

    def _look(self, device_id: DeviceId, at: datetime) -> None:
        """Ask for what is due; what a later fact moved is not."""
        state = self.devices.get(device_id, NO_DEVICE)
        if (ends_at := device.expires_at(state)) is not None and ends_at <= at:
            self._ask_device(device.Expire(device_id=device_id, at=at), at)
            state = self.devices[device_id]
        if (retry_at := device.retry_at(state)) is not None and retry_at <= at:
            self._ask_device(device.RetryActivation(device_id=device_id, at=at), at)

    def _noticed(self, device_id: DeviceId, due: datetime) -> datetime:
        noticed = [end for begin, end in self._plan.blind.get(device_id, ()) if begin <= due < end]
        return min(noticed, default=due)

    # --- the activation service ------------------------------------------------------------------

    def _ask_code(self, order: OnCode, at: datetime) -> None:
        for event in _decided(lambda: self._on_codes.decide(order.command, self.codes)):
            code_ref = self._on_codes.stream_of(event)
            self.codes[code_ref] = activation.evolve(self.codes.get(code_ref, NO_CODE), event)
            for device_id in self._concerned(event):
                heard_at = self._plan.heard_at.get(verdict_of(device_id, event, order.at), at)
                told = device.RecordVerdict(device_id=device_id, verdict=event, at=order.at)
                self._put(max(heard_at, at), DELIVERED, OnDevice(told, order.at))

    def _concerned(self, event: CodeEvent) -> Iterable[DeviceId]:
        """Return whom an event may concern: the device it names; for what is true of the code, all who have it."""
        named = {event.device_id} if isinstance(event, ForDevice) and event.device_id in self.devices else set()
        starts = isinstance(event, LicenseActivated) and event.activated_at == event.started_at
        if event.code_ref is None or not (starts or isinstance(event, ForHolders)):
            return named
        return sorted(named | self._holding[event.code_ref])


def _decided[Fact: Event](decide: Callable[[], Sequence[Fact]]) -> Sequence[Fact]:
    try:
        return decide()
    except Refused:
        return ()  # the door said no; nothing happened


def _occurred_at(event: DeviceEvent, command: device.Command) -> datetime:
    return OUTBOX.occurred_at(event) or command.at


def _due_at(state: device.Device) -> datetime | None:
    return min(filter(None, (device.expires_at(state), device.retry_at(state))), default=None)


def _codes_on(state: device.Device) -> set[CodeRef]:
    return {slot.code_ref for slot in (state.license, state.reserve, state.incoming) if slot is not None}
