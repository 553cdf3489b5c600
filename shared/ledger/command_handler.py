"""Turns commands into recorded facts: loads states, lets the decider decide, and packs what it answers.

The same path serves one command of a door and hundreds of a consumer. It runs in the caller's
transaction and leaves the append to the caller, because the slice heads are locked last.
No rule and no transport may come in here.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from prometheus_client import Counter

from shared.ledger.database import Connection
from shared.ledger.events import NewEvent
from shared.ledger.outbox import Cause, Outbox
from shared.messages import Event
from shared.rules.decider import Decider, Refused

DECISIONS = Counter("perennial_decisions", "Orders decided, refusals included", registry=None)
"""Shown by the registry of `shared.watching.measures`."""


@dataclass(frozen=True, slots=True)
class Stored[State]:
    """A stream's state as of its `version`: the count of its events."""

    version: int
    state: State


class Store[Command, State](Protocol):
    """Where one service keeps the states that its rules read: a fold of its ledger."""

    async def load(
        self, connection: Connection, commands: Sequence[Command], stream_ids: Sequence[str]
    ) -> Mapping[str, Stored[State]]:
        """Return the states of `stream_ids` (sorted), locked until the commit. A stream without events is absent."""
        ...

    async def save(
        self,
        connection: Connection,
        before: Mapping[str, Stored[State]],
        after: Mapping[str, Stored[State]],
    ) -> None:
        """Write the states of `after`, all of which moved on from `before`."""
        ...


@dataclass(frozen=True, slots=True)
class Order[Command]:
    """A command and its cause. `if_version` is the version that its giver saw: another one refuses the order."""

    command: Command
    cause: Cause
    if_version: int | None = None


@dataclass(frozen=True, slots=True)
class Outcome:
    """What an order came to: events (none if nothing changes), or a refusal that no stream can keep."""

    events: Sequence[Event] = ()
    refused: Refused | None = None


@dataclass(slots=True)
class Decided:
    """The outcomes of a batch in its order, and the events to append."""

    outcomes: list[Outcome] = field(default_factory=list)
    events: list[NewEvent] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class CommandHandler[Command, State]:
    """One service's decisions on its states."""

    decider: Decider[Command, State, Any]
    store: Store[Command, State]
    outbox: Outbox

    async def decide(self, connection: Connection, orders: Sequence[Order[Command]]) -> Decided:
        """Decide `orders` one after the other and write the new states; the caller appends the events."""
        commands = [order.command for order in orders]
        stream_ids = sorted({stream for command in commands for stream in self.decider.streams(command)})
        before = await self.store.load(connection, commands, stream_ids)
        after = dict(before)
        decided = Decided()
        for order in orders:
            outcome = self._decide_one(order, after)
            decided.outcomes.append(outcome)
            decided.events += self._record(outcome.events, order.cause, after)
        moved = {stream: stored for stream, stored in after.items() if stored is not before.get(stream)}
        if moved:
            await self.store.save(connection, before, moved)
        DECISIONS.inc(len(orders))
        return decided

    def _decide_one(self, order: Order[Command], states: Mapping[str, Stored[State]]) -> Outcome:
        initial = Stored(0, self.decider.initial)
        stream_ids = self.decider.streams(order.command)
        version = states.get(stream_ids[0], initial).version
        if order.if_version is not None and order.if_version != version:
            return Outcome(refused=Refused("precondition_failed", f"version {version} is current by now"))
        concerned = {stream: states.get(stream, initial).state for stream in self.decider.streams(order.command)}
        try:
            return Outcome(self.decider.decide(order.command, concerned))
        except Refused as refused:
            return Outcome(refused=refused)

    def _record(self, events: Sequence[Event], cause: Cause, states: dict[str, Stored[State]]) -> list[NewEvent]:
        """Pack `events` and let the states evolve, so that the next order of the batch sees them."""
        packed = []
        for event in events:
            stream_id = self.decider.stream_of(event)
            stored = states.get(stream_id) or Stored(0, self.decider.initial)
            stored = Stored(stored.version + 1, self.decider.evolve(stored.state, event))
            states[stream_id] = stored
            packed.append(self.outbox.pack(event, stream_id=stream_id, version=stored.version, cause=cause))
        return packed
