"""Turns commands into recorded facts: loads the states, lets the decider decide, and packs the events it returns.

The same path serves one command of a door and hundreds of a consumer. It runs in the caller's transaction and leaves
the append to the caller, because the slice heads are locked last. No rule and no transport may come in here.
"""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple, Protocol

from prometheus_client import Counter

from shared.ledger.database import Connection
from shared.ledger.events import NewEvent
from shared.ledger.outbox import Cause, Outbox
from shared.messages import Event
from shared.rules.decider import Decider, Refused

DECISIONS = Counter("perennial_decisions", "Orders decided, refusals included", registry=None)
"""Exported by the registry of `shared.watching.metrics`."""


DECISIONS_AT_ONCE = 100
"""After so many the event loop gets its turn: heartbeats and doors do not wait for a whole batch."""


class Stored[State](NamedTuple):
    """A stream's state as of its `version`: the number of its events."""

    version: int
    state: State


class Store[Command, State](Protocol):
    """Where one service keeps the states that its rules read: a fold of its ledger."""

    async def load(
        self, connection: Connection, commands: Sequence[Command], stream_ids: Sequence[str]
    ) -> Mapping[str, Stored[State]]:
        """Return the states of `stream_ids` (sorted), locked until the commit. A stream without events is left out."""
        ...

    async def save(
        self,
        connection: Connection,
        before: Mapping[str, Stored[State]],
        after: Mapping[str, Stored[State]],
    ) -> None:
        """Write the states in `after`, each of which has a newer version than in `before`."""
        ...


type Precondition = Callable[[int], Refused | None]
"""Looks at the current version of the command's first stream. Returns a refusal if the command must not be decided."""


class Outcome(NamedTuple):
    """The result of a command: events (none if nothing changes), or a refusal that no stream can record.

    `is_on_record`: an earlier decision on the same request recorded such events, so these are not recorded.
    """

    events: Sequence[Event] = ()
    refused: Refused | None = None
    is_on_record: bool = False


class CommandMessage[Command](NamedTuple):
    """A command with its cause, and the precondition that its sender set.

    `is_on_record` tells whether an earlier decision on the same request had the same outcome.
    """

    command: Command
    cause: Cause
    precondition: Precondition | None = None
    is_on_record: Callable[[Outcome], bool] | None = None


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

    async def decide(self, connection: Connection, messages: Sequence[CommandMessage[Command]]) -> Decided:
        """Decide the commands one by one and write the new states; the caller appends the events."""
        commands = [message.command for message in messages]
        stream_ids = sorted({stream for command in commands for stream in self.decider.streams(command)})
        before = await self.store.load(connection, commands, stream_ids)
        after = dict(before)
        decided = Decided()
        for number, message in enumerate(messages, start=1):
            outcome = self._decide_one(message, after)
            decided.outcomes.append(outcome)
            if not outcome.is_on_record:
                decided.events += self._record(outcome.events, message.cause, after)
            if number % DECISIONS_AT_ONCE == 0:
                await asyncio.sleep(0)
        changed = {stream: stored for stream, stored in after.items() if stored is not before.get(stream)}
        if changed:
            await self.store.save(connection, before, changed)
        DECISIONS.inc(len(messages))
        return decided

    def _decide_one(self, message: CommandMessage[Command], states: Mapping[str, Stored[State]]) -> Outcome:
        initial = Stored(0, self.decider.initial)
        stream_ids = self.decider.streams(message.command)
        version = states.get(stream_ids[0], initial).version
        if message.precondition and (failed := message.precondition(version)):
            return Outcome(refused=failed)
        read = {stream: states.get(stream, initial).state for stream in stream_ids}
        try:
            outcome = Outcome(self.decider.decide(message.command, read))
        except Refused as refused:
            return Outcome(refused=refused)
        return outcome._replace(is_on_record=message.is_on_record is not None and message.is_on_record(outcome))

    def _record(self, events: Sequence[Event], cause: Cause, states: dict[str, Stored[State]]) -> list[NewEvent]:
        """Pack `events` and evolve the states, so that the next command of the batch sees them."""
        packed = []
        for event in events:
            stream_id = self.decider.stream_of(event)
            stored = states.get(stream_id) or Stored(0, self.decider.initial)
            stored = Stored(stored.version + 1, self.decider.evolve(stored.state, event))
            states[stream_id] = stored
            packed.append(self.outbox.pack(event, stream_id=stream_id, version=stored.version, cause=cause))
        return packed
