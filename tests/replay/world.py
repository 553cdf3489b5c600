"""A small world of both services in memory, with all that a policy decides about: the same seed, the same two logs.

The real rules make every event. A question takes a while to be answered, and timers are looked at some time after they
are due, so that there is something for a replay to be faithful to.
"""

import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from heapq import heappop, heappush
from itertools import count
from typing import Any
from uuid import UUID

from services.activation import decider as activation
from services.activation.outbox import SANDBOX_OUTBOX as CODES_OUT
from services.device import decider as device
from services.device.outbox import SANDBOX_OUTBOX as DEVICES_OUT
from shared.ledger.events import NewEvent
from shared.ledger.outbox import Cause, Outbox
from shared.messages import CodeEvent, ForDevice, ForHolders, LicenseActivated
from shared.rules.decider import Refused
from shared.rules.policy import POLICY, Policy

BEGIN = datetime(2026, 1, 31, 12, tzinfo=UTC)
HOUR, DAY = timedelta(hours=1), timedelta(days=1)
TRAVEL = timedelta(milliseconds=30)
FOREVER = datetime(2100, 1, 1, tzinfo=UTC)

type Act = Callable[[datetime], None]


@dataclass
class World:
    """Devices and codes, both logs, and what is still to happen.

    `travel` is about how long an event is on its way to the other service, `slowness` how late timers are looked at.
    """

    seed: int = 1
    policy: Policy = POLICY
    travel: timedelta = TRAVEL
    slowness: timedelta = timedelta(seconds=2)
    device_log: list[NewEvent] = field(default_factory=list)
    code_log: list[NewEvent] = field(default_factory=list)
    devices: dict[str, device.Device] = field(default_factory=dict)
    codes: dict[str, activation.Code] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.chance, self._hurry = random.Random(self.seed), random.Random(self.seed)
        self._numbers = count(1)
        self._versions: dict[str, int] = {}
        self._agenda: list[tuple[datetime, int, Act]] = []
        self._on_devices = device.decider(self.policy)
        self._on_codes = activation.decider(self.policy)

    def later(self, at: datetime, act: Act) -> None:
        """Note what happens when."""
        heappush(self._agenda, (at, next(self._numbers), act))

    def run(self, until: datetime = FOREVER) -> None:
        """Let everything happen that is due until then."""
        while self._agenda and self._agenda[0][0] <= until:
            at, _, act = heappop(self._agenda)
            act(at)

    # --- what people, shops and operators do ------------------------------------------------------

    def on_device(self, at: datetime, order: type[device.Command], device_id: str, **terms: Any) -> None:
        """Give a device an order through its door."""
        fields = {"device_id": device_id, "request_id": UUID(int=next(self._numbers)), **terms}
        self.later(at, lambda now: self._ask_device(order(at=now, **fields), now, now, None))

    def enroll(self, at: datetime, device_id: str, **terms: Any) -> None:
        """A device becomes known."""
        self.on_device(at, device.EnrollDevice, device_id, **{"product": "security", "region": "DE", **terms})

    def add(self, at: datetime, device_id: str, code_ref: str, **terms: Any) -> None:
        """A person adds a code."""
        self.on_device(at, device.AddCode, device_id, code_ref=code_ref, last_group=code_ref[:5].upper(), **terms)

    def on_code(self, at: datetime, order: type[activation.Command], code_ref: str, **terms: Any) -> None:
        """Give an order about a code through the activation service's door."""
        self.later(at, lambda now: self._ask_code(order(at=now, code_ref=code_ref, **terms), now, now, None))

    def issue(self, at: datetime, code_ref: str, **terms: Any) -> None:
        """A code comes into being."""
        usual = {"product": "security", "kind": "paid", "term": "P1M", "seats": 1, "last_group": code_ref[:5].upper()}
        self.on_code(at, activation.IssueCode, code_ref, **{**usual, **terms})

    # --- the two services -------------------------------------------------------------------------

    def _ask_device(self, command: device.Command, at: datetime, recorded_at: datetime, cause: UUID | None) -> None:
        for event in _decided(lambda: self._on_devices.decide(command, self.devices)):
            stream = self._on_devices.stream_of(event)
            self.devices[stream] = device.evolve(self.devices.get(stream, device.Device()), event)
            packed = self._pack(DEVICES_OUT, event, stream, at, recorded_at, cause)
            self.device_log.append(packed)
            for asked in activation.commands_for(event, recorded_at):
                self._travels(recorded_at, self._asking(asked, recorded_at, packed.event_id))
        self._look_later(command.device_id, recorded_at)

    def _asking(self, command: activation.Command, at: datetime, cause: UUID) -> Act:
        return lambda now: self._ask_code(command, at, now, cause)

    def _ask_code(self, command: activation.Command, at: datetime, recorded_at: datetime, cause: UUID | None) -> None:
        for event in _decided(lambda: self._on_codes.decide(command, self.codes)):
            stream = self._on_codes.stream_of(event)
            self.codes[stream] = activation.evolve(self.codes.get(stream, activation.Code()), event)
            packed = self._pack(CODES_OUT, event, stream, at, recorded_at, cause)
            self.code_log.append(packed)
            self._travels(recorded_at, self._telling(event, at, packed.event_id))

    def _telling(self, event: CodeEvent, at: datetime, cause: UUID) -> Act:
        def tell(now: datetime) -> None:
            for device_id in self._concerned(event):
                self._ask_device(device.RecordVerdict(device_id=device_id, verdict=event, at=at), at, now, cause)

        return tell

    def _concerned(self, event: CodeEvent) -> Sequence[str]:
        named = [event.device_id] if isinstance(event, ForDevice) else []
        starts = isinstance(event, LicenseActivated) and event.may_start_term
        if starts or isinstance(event, ForHolders):
            named += [name for name, state in self.devices.items() if event.code_ref in _codes_on(state)]
        return sorted(set(named))

    def _travels(self, at: datetime, act: Act) -> None:
        self.later(_whole(at + self.travel * self._hurry.uniform(0.5, 2)), act)

    def _look_later(self, device_id: str, at: datetime) -> None:
        state = self.devices.get(device_id, device.Device())
        for order, due in ((device.Expire, device.expires_at(state)), (device.RetryActivation, device.retry_at(state))):
            if due is not None:
                look_at = max(due, at) + self.slowness * self._hurry.random()
                self.later(_whole(look_at), self._looking(order, device_id))

    def _looking(self, order: type[device.Expire] | type[device.RetryActivation], device_id: str) -> Act:
        def look(now: datetime) -> None:
            before = self.devices[device_id]
            due = (device.expires_at(before), device.retry_at(before))
            if any(moment is not None and moment <= now for moment in due):
                self._ask_device(order(device_id=device_id, at=now), now, now, None)

        return look

    def _pack(
        self, outbox: Outbox, event: Any, stream: str, at: datetime, recorded_at: datetime, cause: UUID | None
    ) -> NewEvent:
        self._versions[stream] = version = self._versions.get(stream, 0) + 1
        number = UUID(int=next(self._numbers))
        told = Cause(at=at, recorded_at=_whole(recorded_at), correlation_id=number, causation_id=cause)
        packed = outbox.pack(event, stream_id=stream, version=version, cause=told)
        return packed._replace(event_id=outbox.event_id(event) or number)


def _decided(decide: Callable[[], Sequence[Any]]) -> Sequence[Any]:
    try:
        return decide()
    except Refused:
        return ()


def _codes_on(state: device.Device) -> set[str]:
    return {slot.code_ref for slot in (state.license, *state.slots) if slot is not None}


def _whole(at: datetime) -> datetime:
    """What a ledger keeps of a time."""
    return at.replace(microsecond=at.microsecond // 1_000 * 1_000)


CODES = tuple(letter * 32 for letter in "0123456789abcdef")
KINDS: Sequence[Mapping[str, Any]] = (
    {},
    {"seats": 2},
    {"seats": 3, "term": "P2M"},
    {"kind": "trial", "term": "P30D"},
    {"kind": "subscription", "auto_renews": True},
    {"kind": "renewal", "short_term": "P10D"},
    {"grace_days": 5, "term": "P20D"},
    {"regions": ("FR",)},
)


def random_world(seed: int, *, device_count: int = 6, days: int = 150, steps: int = 120, **terms: Any) -> World:
    """Return a world in which everything may happen to a few devices that share a few codes, run to its end."""
    world = World(seed=seed, **terms)
    let_anything_happen(world, device_count=device_count, days=days, steps=steps)
    world.run(world_ends(days))
    return world


def world_ends(days: int = 150) -> datetime:
    """Return when everything that was set going in so many days has come to its end."""
    return BEGIN + (days + 200) * DAY


def let_anything_happen(world: World, *, device_count: int, days: int, steps: int) -> None:
    """Note what people, shops and operators will do; nothing of it has happened yet."""
    names = [f"device-{number}" for number in range(1, device_count + 1)]
    for number, code_ref in enumerate(CODES):
        world.issue(BEGIN, code_ref, **KINDS[number % len(KINDS)])
    for number, name in enumerate(names):
        world.enroll(BEGIN + HOUR, name)
        world.add(BEGIN + 2 * HOUR, name, CODES[(0, 1, 2, 8, 9, 10)[number % 6]])
    for _ in range(steps):
        at = _whole(BEGIN + DAY + world.chance.random() * days * DAY)
        _something(world, at, world.chance.choice(names), world.chance.choice(CODES))


def _something(world: World, at: datetime, name: str, code_ref: str) -> None:
    """Let one thing happen."""
    what = world.chance.randrange(16)
    order_id = f"order-{world.chance.randrange(6)}"
    bought = {"order_id": order_id, "purchased_at": at}
    match what:
        case 0 | 1 | 2 | 3 | 4:
            world.add(at, name, code_ref, replace=world.chance.random() < 0.5, accepts_short_term=True)
        case 5:
            world.on_device(at, device.RemoveReserve, name)
        case 6:
            world.on_device(at, device.Activate, name)
        case 7:
            world.on_device(at, device.RemoveLicense, name)
        case 8:
            world.add(at, name, world.chance.randbytes(16).hex())
        case 9 | 10:
            world.on_code(at, activation.RecordPurchase, code_ref, settled=what == 9, **bought)
        case 11:
            world.on_code(at, activation.RecordRefund, code_ref, order_id=order_id, note="sent back")
        case 12:
            world.on_code(at, activation.BlockCode, code_ref, note="reported")
            world.on_code(at + 20 * DAY, activation.UnblockCode, code_ref, note="settled")
        case 13:
            world.on_code(at, activation.ReleaseSeat, code_ref, device_id=name, note="lost")
        case 14:
            world.on_code(at, activation.SetAutoRenewal, code_ref, auto_renews=False)
        case _:
            world.on_code(at, activation.CancelPurchase, code_ref, order_id=order_id)
