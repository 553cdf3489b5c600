"""The two event topics for readers: what they carry, under which key, with an example of each event."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from shared.calendar import instant
from shared.kafka.cloudevents import to_headers
from shared.kafka.parking import stream_of
from shared.ledger.events import NewEvent, RecordedEvent
from shared.ledger.hash_chain import GENESIS, chained_hash
from shared.ledger.slices import slice_of
from shared.messages import ACTIVATION_EVENTS, DEVICE_EVENTS, PARKING_EVENTS, Event, encode
from shared.reference.examples import examples

OCCURRED_AT = datetime(2026, 3, 1, 12, 0, 0, 250_000, tzinfo=UTC)
EVENT_ID = UUID("0198a1b2-0000-7000-8000-00000000000e")
CORRELATION_ID = UUID("0198a1b2-0000-7000-8000-00000000000c")
EXAMPLES: Mapping[str, Event] = {type(event).__name__: event for event in examples()}


@dataclass(frozen=True, slots=True, kw_only=True)
class EventTopic:
    """One service's events. `key_field` names the event field that is the record key."""

    name: str
    source: str
    about: str
    key: str
    key_field: str
    events: tuple[type[Event], ...]

    def key_of(self, event: Event) -> str:
        """Return the record key of the event."""
        if isinstance(event, PARKING_EVENTS):
            place: dict[str, Any] = {name: getattr(event, name) for name in ("topic", "partition", "offset")}
            return stream_of("activation.purchases", **place)
        return str(getattr(event, self.key_field))

    def headers_of(self, event: Event) -> dict[str, str]:
        """Return the headers of the event as the relay writes them."""
        key = self.key_of(event)
        fresh = NewEvent(
            slice_number=slice_of(key),
            stream_id=key,
            version=1,
            type_name=type(event).__name__,
            schema_version=event.schema_version,
            event_id=EVENT_ID,
            occurred_at=OCCURRED_AT,
            recorded_at=OCCURRED_AT,
            correlation_id=CORRELATION_ID,
            causation_id=None,
            traceparent=None,
            data=encode(event),
        )
        return {name: value.decode() for name, value in to_headers(_recorded(fresh), self.source)}


def _recorded(fresh: NewEvent) -> RecordedEvent:
    first_hash = chained_hash(
        GENESIS,
        event_id=str(fresh.event_id),
        type_name=fresh.type_name,
        stream_id=fresh.stream_id,
        occurred_at=instant(fresh.occurred_at),
        data=fresh.data,
    )
    return RecordedEvent(fresh, position=1, prev_hash=GENESIS, hash=first_hash)


DEVICE_TOPIC = EventTopic(
    name="device.events.v1",
    source="/perennial/device",
    about="The complete history of each device, kept forever.",
    key="the device's id, which is also ce_subject",
    key_field="device_id",
    events=DEVICE_EVENTS,
)
ACTIVATION_TOPIC = EventTopic(
    name="activation.events.v1",
    source="/perennial/activation",
    about="The complete history of each code, kept forever.",
    key="the code's reference, which is also ce_subject",
    key_field="code_ref",
    events=ACTIVATION_EVENTS,
)
EVENT_TOPICS = (DEVICE_TOPIC, ACTIVATION_TOPIC)
