"""What a decider is: three pure functions and the names of the streams they speak about.

No service, no rule and no I/O may come in here. The shape is Jérémie Chassaing's decider
(initial, decide, evolve), widened to the few decisions that touch two streams at once:
a switch activates one code and frees the seat on another.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self

import msgspec


class Refused(Exception):
    """An order that concerns nothing known, so that no stream could keep its refusal.

    A door answers it as a problem with this `code`; a consumer parks the message with it.
    Every other refusal is an event.
    """

    def __init__(self, code: str, detail: str) -> None:
        super().__init__(detail)
        self.code = code
        self.detail = detail


@dataclass(frozen=True, slots=True, kw_only=True)
class Decider[Command, State, Event]:
    """One service's rules, as the shell needs them.

    `streams` names every stream a command may read or write; `decide` gets their states (each at
    least `initial`) and answers events, each for one of those streams; `evolve` never refuses.
    """

    initial: State
    streams: Callable[[Command], Sequence[str]]
    decide: Callable[[Command, Mapping[str, State]], Sequence[Event]]
    evolve: Callable[[State, Event], State]
    stream_of: Callable[[Event], str]


class Part(msgspec.Struct, frozen=True, omit_defaults=True):
    """A part of a state: frozen, so that only `evolve` makes a new one, and made of facts, which are not checked again.

    A field that is None, false, 0 or empty is not written if that is its default, and what a newer version wrote more
    is passed over. A default of another value is `always` written.
    """

    def but(self, **changes: object) -> Self:
        """Return the same with `changes`."""
        return msgspec.structs.replace(self, **changes)

    def to_json(self) -> str:
        """Return it as text: the same bytes for the same state (R-118)."""
        return msgspec.json.encode(self).decode()

    def shown(self) -> dict[str, Any]:
        """Return all its fields as JSON values, for people and their programs; what is absent is left out."""
        return {name: _shown(value) for name, value in msgspec.structs.asdict(self).items() if value is not None}

    @classmethod
    def from_json(cls, text: str) -> Self:
        """Return what `to_json` wrote. Raises `msgspec.DecodeError` for anything else."""
        return msgspec.json.decode(text, type=cls)


def _shown(value: Any) -> Any:
    match value:
        case Part():
            return value.shown()
        case tuple():
            return [_shown(each) for each in value]
        case _:
            return msgspec.to_builtins(value)


def always[Value](value: Value) -> Value:
    """Return the default of a field that is written also if it has it.

    msgspec leaves a field out if it is the very object that is the default, which of equal texts may be so or not.
    """
    default: Value = msgspec.field(default_factory=lambda: value)
    return default


def fold[State, Event](evolve: Callable[[State, Event], State], events: Sequence[Event], initial: State) -> State:
    """Return the state after `events`, oldest first."""
    state = initial
    for event in events:
        state = evolve(state, event)
    return state
