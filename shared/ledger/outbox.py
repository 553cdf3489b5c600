"""How a service's events go out: under which source, to which topic, with which id and date.

The event table is the outbox. Each service defines its own values in its `outbox.py`. No rule may come in here.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from shared.ledger.events import NewEvent
from shared.ledger.identity import new_id
from shared.ledger.slices import slice_of
from shared.messages import Event, encode


class Cause(NamedTuple):
    """What caused a decision: when it was requested and by which message, with the correlation and trace ids.

    `at` is the time of the request: the door's clock, or the recorded time of the event that requested it (R-76).
    """

    at: datetime
    recorded_at: datetime
    correlation_id: UUID
    causation_id: UUID | None = None
    traceparent: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Outbox:
    """How one service's events go out.

    `event_id` may derive an event's id from its content, so that it can exist only once. `occurred_at` may date an
    event before its cause, such as an expiry that was noticed late.
    """

    source: str
    topic: str
    event_id: Callable[[Event], UUID | None]
    occurred_at: Callable[[Event], datetime | None]

    def pack(self, event: Event, *, stream_id: str, version: int, cause: Cause) -> NewEvent:
        """Return `event` with its metadata, ready for the ledger."""
        return NewEvent(
            slice_number=slice_of(stream_id),
            stream_id=stream_id,
            version=version,
            type_name=type(event).__name__,
            schema_version=event.schema_version,
            event_id=self.event_id(event) or new_id(),
            occurred_at=self.occurred_at(event) or cause.at,
            recorded_at=cause.recorded_at,
            correlation_id=cause.correlation_id,
            causation_id=cause.causation_id,
            traceparent=cause.traceparent,
            data=encode(event),
        )
