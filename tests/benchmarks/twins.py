"""Twins of a crowd: what it wrote, once more, by others who lived the same.

The rules take a hundred microseconds for an event, and decide alike for two lives that differ in nothing but their ids:
a long log need not ask them about every life. Every id in a twin's events and states is another one, and nothing else.
"""

import random
import re
from collections.abc import Callable, Mapping
from typing import Any
from uuid import UUID

from shared.ledger.command_handler import Stored
from shared.ledger.events import NewEvent
from shared.ledger.slices import slice_of
from tests.benchmarks.histories import Written

ID = re.compile(r'"([0-9a-f-]{32,36})"')
MASKS = 2_000
"""So many tries to find a stream's id in one of our slices never fail: one of two or four is ours."""


class Twin:
    """One twin of a crowd, told from the others by its number; all its streams lie in slices that `owns` calls ours."""

    def __init__(self, number: int, *, owns: Callable[[int], bool] = lambda _: True) -> None:
        chance = random.Random(f"twin {number}")
        self._masks = [chance.getrandbits(128) for _ in range(MASKS)]
        self._owns = owns
        self._streams: dict[str, str] = {}

    def written(self, original: Written) -> Written:
        """Return what the twin wrote."""
        for event in (*original.device, *original.activation):
            if event.stream_id not in self._streams:
                self._streams[event.stream_id] = self._stream(event.stream_id)
        return Written(
            device=[self._event(event) for event in original.device],
            activation=[self._event(event) for event in original.activation],
            device_states=self._states(original.device_states, self._stored),
            code_states=self._states(original.code_states, self._code),
        )

    def _event(self, event: NewEvent) -> NewEvent:
        stream_id = self._streams[event.stream_id]
        return event._replace(
            slice_number=slice_of(stream_id),
            stream_id=stream_id,
            event_id=self._uuid(event.event_id),
            correlation_id=self._uuid(event.correlation_id),
            causation_id=event.causation_id and self._uuid(event.causation_id),
            data=self._text(event.data.decode()).encode(),
        )

    def _states(
        self, states: Mapping[str, Stored[Any]], twin_of: Callable[[Stored[Any]], Stored[Any]]
    ) -> Mapping[str, Stored[Any]]:
        return {self._streams[stream_id]: twin_of(stored) for stream_id, stored in states.items()}

    def _code(self, stored: Stored[Any]) -> Stored[Any]:
        """Return the code with its seats, which have a table of their own and are not in its document."""
        holders = frozenset(self._id(holder) for holder in stored.state.holders)
        return Stored(stored.version, self._stored(stored).state.but(holders=holders))

    def _stored(self, stored: Stored[Any]) -> Stored[Any]:
        read = type(stored.state).from_json
        return Stored(stored.version, read(self._text(stored.state.to_json())))

    def _stream(self, original: str) -> str:
        tries = (_masked(original, mask) for mask in self._masks)
        return next(tried for tried in tries if self._owns(slice_of(tried)))

    def _uuid(self, original: UUID) -> UUID:
        return UUID(int=original.int ^ self._masks[0])

    def _text(self, text: str) -> str:
        return ID.sub(lambda found: f'"{self._id(found[1])}"', text)

    def _id(self, original: str) -> str:
        return self._streams.get(original) or _masked(original, self._masks[0])


def _masked(original: str, mask: int) -> str:
    """Return another id in the same form."""
    digits = f"{int(original.replace('-', ''), 16) ^ mask:032x}"
    if "-" not in original:
        return digits
    return f"{digits[:8]}-{digits[8:12]}-{digits[12:16]}-{digits[16:20]}-{digits[20:]}"
