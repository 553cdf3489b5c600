"""The decider pattern: three pure functions, and the names of the streams that they read and write.

After Jérémie Chassaing's decider (initial, decide, evolve), extended to the few decisions that touch two streams at
once: a switch activates one code and frees the seat on another. No service, no rule and no I/O may come in here.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Self

import msgspec

from shared.calendar import instant


class Refused(Exception):
    """A refusal that no stream can record, such as that of a command about something unknown.

    A door answers with a problem of this `code`; a consumer parks the message with it. Every other refusal is an event.
    `field` names the field of the request that is to blame, if one is.
    """

    def __init__(self, code: str, detail: str, *, field: str | None = None) -> None:
        super().__init__(detail)
        self.code = code
        self.detail = detail
        self.field = field


@dataclass(frozen=True, slots=True, kw_only=True)
class Decider[Command, State, Event]:
    """One service's rules, as the shell calls them.

    `streams` names every stream that a command may read or write. `decide` gets their states (`initial` for a new
    stream) and returns events, each for one of these streams. `evolve` never refuses.
    """

    initial: State
    streams: Callable[[Command], Sequence[str]]
    decide: Callable[[Command, Mapping[str, State]], Sequence[Event]]
    evolve: Callable[[State, Event], State]
    stream_of: Callable[[Event], str]


class StateStruct(msgspec.Struct, frozen=True, omit_defaults=True):
    """Base of the structs that states are made of. Frozen; the values come from facts and are not validated again.

    A field that equals its default of None, false, 0 or empty is not written, and unknown fields of a newer version are
    ignored. Fields with any other default are declared with `always`.
    """

    def but(self, **changes: object) -> Self:
        """Return a copy with `changes`."""
        return msgspec.structs.replace(self, **changes)

    def to_json(self) -> str:
        """Return the state as JSON: equal states give equal bytes (R-118)."""
        return msgspec.json.encode(self).decode()

    def to_dict(self) -> dict[str, Any]:
        """Return all fields as JSON values, for people and their programs, without those that are None."""
        return {name: _builtin(value) for name, value in msgspec.structs.asdict(self).items() if value is not None}

    @classmethod
    def from_json(cls, text: str) -> Self:
        """Return the state that `to_json` wrote. Raises `msgspec.DecodeError` for anything else."""
        return msgspec.json.decode(text, type=cls)


def _builtin(value: Any) -> Any:
    match value:
        case StateStruct():
            return value.to_dict()
        case tuple():
            return [_builtin(each) for each in value]
        case datetime():
            return instant(value)
        case _:
            return msgspec.to_builtins(value)


def always[Value](value: Value) -> Value:
    """Return a default for a field that is written even when it has its default.

    msgspec leaves out a field only if it is the very object of the default, and equal strings may or may not be that.
    """
    default: Value = msgspec.field(default_factory=lambda: value)
    return default


def fold[State, Event](evolve: Callable[[State, Event], State], events: Sequence[Event], initial: State) -> State:
    """Return the state after `events`, oldest first."""
    state = initial
    for event in events:
        state = evolve(state, event)
    return state
