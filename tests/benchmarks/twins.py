"""Twins of a cohort: copies of its output with other ids.

The deciders take a hundred microseconds per event, and decide the same for two lives that differ only in their ids. So
a long log does not need their decision for every life. In a twin's events and states, only the ids are different.
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
"""With this many tries, an id in one of our slices is always found: every second or fourth slice is ours."""


class Twin:
    """One twin of a cohort, identified by its number, with ids only in the slices that `owns` accepts."""

    def __init__(self, number: int, *, owns: Callable[[int], bool] = lambda _: True) -> None:
        chance = random.Random(f"twin {number}")
        self._masks = [chance.getrandbits(128) for _ in range(MASKS)]
        self._owns = owns
        self._streams: dict[str, str] = {}

    def written(self, original: Written) -> Written:
        """Return the output of the twin."""
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
        """Return the code with its seats, which are stored in a separate table and not in its document."""
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
    """Return another id of the same format."""
    digits = f"{int(original.replace('-', ''), 16) ^ mask:032x}"
    if "-" not in original:
        return digits
    return f"{digits[:8]}-{digits[8:12]}-{digits[12:16]}-{digits[16:20]}-{digits[20:]}"
