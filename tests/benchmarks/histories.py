"""Years of license history, made in memory by the real deciders. The same seed makes the same events, byte for byte.

Each service's decider is called through its `CommandHandler`, as in the service; its events go straight to the other
service's. A cohort is a group of devices whose lives run in parallel. No database, no Kafka and no clock is used.
"""

import heapq
import random
from collections.abc import Callable, Coroutine, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Any, Literal, cast
from uuid import UUID

from services.activation import decider as codes
from services.activation import outbox as activation_outbox
from services.device import decider as devices
from services.device import outbox as device_outbox
from shared.ledger.command_handler import CommandHandler, CommandMessage, Stored
from shared.ledger.events import NewEvent
from shared.ledger.outbox import Cause, Outbox
from shared.ledger.slices import slice_of
from shared.messages import CodeEvent, Event, LicenseRenewed

type ServiceName = Literal["device", "activation"]
type Act = Callable[["Cohort", datetime], None]

EPOCH = datetime(2018, 1, 1, tzinfo=UTC)
COHORT_DAYS = 400
"""All devices of a cohort are bought within this many days."""
TERM_DAYS = 365
MOMENT = timedelta(milliseconds=40)
NOBODYS_CONNECTION: Any = None
DEVICE_EVENTS_PER_LIFE = 9
"""The approximate number of events per life, over all its devices."""
LIVES: Mapping[str, int] = {"switched": 5, "late": 1, "bought": 2, "mistyped": 1, "family": 1}
"""The relative frequency of each kind of life."""


class Memory[Command, State]:
    """A store in memory."""

    def __init__(self) -> None:
        self.states: dict[str, Stored[State]] = {}

    async def load(self, _: Any, commands: Sequence[Command], ids: Sequence[str]) -> Mapping[str, Stored[State]]:
        """Return the states that are stored."""
        return {stream: self.states[stream] for stream in ids if stream in self.states}

    async def save(self, _: Any, before: Mapping[str, Stored[State]], after: Mapping[str, Stored[State]]) -> None:
        """Store the states."""
        self.states |= after


@dataclass(slots=True)
class Written:
    """The output of a cohort: both logs in order of time, and the final states of its devices and codes."""

    device: list[NewEvent] = field(default_factory=list)
    activation: list[NewEvent] = field(default_factory=list)
    device_states: Mapping[str, Stored[devices.Device]] = field(default_factory=dict)
    code_states: Mapping[str, Stored[codes.Code]] = field(default_factory=dict)


class Cohort:
    """A group of devices with ids only in the slices that `owns` accepts, so that cohorts can be made in parallel."""

    def __init__(self, seed: str, *, begins_at: datetime, owns: Callable[[int], bool] = lambda _: True) -> None:
        self.chance = random.Random(seed)
        self.begins_at = begins_at
        self.written = Written()
        self._owns = owns
        self._numbers = count()
        self._agenda: list[tuple[datetime, int, Act]] = []
        self._devices: Memory[devices.Command, devices.Device] = Memory()
        self._codes: Memory[codes.Command, codes.Code] = Memory()
        self._device_rules = CommandHandler(devices.DECIDER, self._devices, self._named(device_outbox.SANDBOX_OUTBOX))
        self._code_rules = CommandHandler(codes.DECIDER, self._codes, self._named(activation_outbox.SANDBOX_OUTBOX))

    # --- events ------------------------------------------------------------------------------

    def later(self, at: datetime, act: Act) -> None:
        """Schedule an action."""
        heapq.heappush(self._agenda, (at, next(self._numbers), act))

    def pass_time(self) -> Written:
        """Run all scheduled actions in order of time, and return the output."""
        while self._agenda:
            at, _, act = heapq.heappop(self._agenda)
            act(self, at)
        self.written.device_states, self.written.code_states = self._devices.states, self._codes.states
        return self.written

    def on_device(self, command: devices.Command, at: datetime) -> None:
        """Send a command to the device service, and its events to the activation service."""
        facts, packed = _decided(self._device_rules, command, self._cause(at))
        self.written.device += packed
        for fact in facts:
            for asked in codes.commands_for(fact, at + MOMENT):
                self.on_code(asked, at + MOMENT)

    def on_code(self, command: codes.Command, at: datetime) -> None:
        """Send a command to the activation service, and its verdicts to the devices."""
        facts, packed = _decided(self._code_rules, command, self._cause(at))
        self.written.activation += packed
        for fact in facts:
            for device_id in self._concerned(fact):
                self.on_device(
                    devices.RecordVerdict(device_id=device_id, verdict=cast("CodeEvent", fact), at=at + MOMENT),
                    at + MOMENT,
                )

    def _concerned(self, fact: Event) -> Sequence[str]:
        if isinstance(fact, LicenseRenewed):
            return sorted(self._codes.states[fact.code_ref].state.holders)
        device_id = getattr(fact, "device_id", None)
        return (device_id,) if device_id else ()

    # --- ids and times ------------------------------------------------------------------------

    def new_uuid(self) -> UUID:
        """Return a random id."""
        return UUID(int=self.chance.getrandbits(128), version=4)

    def new_device(self) -> str:
        """Return a device id in one of our slices."""
        return self._ours(lambda: str(self.new_uuid()))

    def new_code(self) -> str:
        """Return a code reference in one of our slices."""
        return self._ours(lambda: self.new_uuid().hex)

    def _ours(self, make: Callable[[], str]) -> str:
        return next(made for made in iter(make, None) if self._owns(slice_of(made)))

    def _cause(self, at: datetime) -> Cause:
        return Cause(at=at, recorded_at=at, correlation_id=self.new_uuid())

    def _named(self, outbox: Outbox) -> Outbox:
        return replace(outbox, event_id=lambda event: outbox.event_id(event) or self.new_uuid())


def _decided(
    rules: CommandHandler[Any, Any], command: object, cause: Cause
) -> tuple[Sequence[Event], Sequence[NewEvent]]:
    decided = _at_once(rules.decide(NOBODYS_CONNECTION, [CommandMessage(command, cause)]))
    return decided.outcomes[0].events, decided.events


def _at_once[Answer](asked: Coroutine[Any, Any, Answer]) -> Answer:
    """Return the result of a coroutine that never waits."""
    try:
        asked.send(None)
    except StopIteration as done:
        return cast("Answer", done.value)
    raise RuntimeError("the coroutine waits for something")


# --- lives ----------------------------------------------------------------------------------


def cohort(
    seed: str, lives: int, *, begins_at: datetime = EPOCH, owns: Callable[[int], bool] = lambda _: True
) -> Written:
    """Return the output of this many lives."""
    crowd = Cohort(seed, begins_at=begins_at, owns=owns)
    for _ in range(lives):
        bought_at = begins_at + timedelta(seconds=crowd.chance.randrange(COHORT_DAYS * 86_400))
        (kind,) = crowd.chance.choices(list(LIVES), weights=list(LIVES.values()))
        _live(crowd, kind, bought_at)
    return crowd.pass_time()


def _live(crowd: Cohort, kind: str, bought_at: datetime) -> None:
    first, second = crowd.new_code(), crowd.new_code()
    for code in (first, second):
        crowd.later(bought_at - timedelta(days=1), _issue(code, seats=3 if kind == "family" else 1))
    for number in range(3 if kind == "family" else 1):
        device, added_at = crowd.new_device(), bought_at + timedelta(days=number, minutes=2)
        ends_at = bought_at + timedelta(days=TERM_DAYS, minutes=3)
        crowd.later(bought_at + timedelta(days=number), _enroll(device))
        if kind == "mistyped":
            crowd.later(added_at - timedelta(minutes=1), _add(device, crowd.new_code()))
        crowd.later(added_at, _add(device, first))
        match kind:
            case "late":
                crowd.later(ends_at, _expire(device))
                crowd.later(ends_at + timedelta(days=3), _add(device, second))
            case "bought":
                for year in (1, 2):
                    crowd.later(bought_at + year * timedelta(days=TERM_DAYS - 20), _buy(first))
                crowd.later(bought_at + timedelta(days=3 * TERM_DAYS + 5), _expire(device))
            case _:
                crowd.later(ends_at - timedelta(days=crowd.chance.randrange(5, 90)), _add(device, second))
                crowd.later(ends_at + timedelta(days=number), _expire(device))
                crowd.later(ends_at + timedelta(days=number, minutes=2), _press(device))


def _issue(code: str, *, seats: int) -> Act:
    return lambda crowd, at: crowd.on_code(
        codes.IssueCode(
            code_ref=code,
            last_group=_last_group(code),
            product="antivirus",
            kind="paid",
            term="P1Y",
            seats=seats,
            at=at,
        ),
        at,
    )


def _enroll(device: str) -> Act:
    return lambda crowd, at: crowd.on_device(
        devices.EnrollDevice(device_id=device, product="antivirus", region="DE", at=at, request_id=crowd.new_uuid()), at
    )


def _add(device: str, code: str) -> Act:
    return lambda crowd, at: crowd.on_device(
        devices.AddCode(
            device_id=device, code_ref=code, last_group=_last_group(code), at=at, request_id=crowd.new_uuid()
        ),
        at,
    )


def _press(device: str) -> Act:
    return lambda crowd, at: crowd.on_device(devices.Activate(device_id=device, at=at, request_id=crowd.new_uuid()), at)


def _expire(device: str) -> Act:
    return lambda crowd, at: crowd.on_device(devices.Expire(device_id=device, at=at), at)


def _buy(code: str) -> Act:
    return lambda crowd, at: crowd.on_code(
        codes.RecordPurchase(code_ref=code, order_id=str(crowd.new_uuid()), settled=True, purchased_at=at, at=at), at
    )


def _last_group(code: str) -> str:
    return code[:5].upper()


def cohorts(seed: int, device_events: int, *, lives: int, part: int = 0, parts: int = 1) -> Iterator[Written]:
    """Yield cohorts of up to `lives` lives until they have about `device_events` device events.

    All their ids are in the slices of part `part` of `parts`.
    """
    left, begins_at = device_events, EPOCH
    for number in count():
        if left <= 0:
            return
        written = cohort(
            f"{seed}/{part}/{number}",
            min(lives, -(-left // DEVICE_EVENTS_PER_LIFE)),
            begins_at=begins_at,
            owns=lambda slice_number: slice_number % parts == part,
        )
        left -= len(written.device)
        yield written
