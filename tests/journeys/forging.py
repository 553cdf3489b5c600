"""Writes what only a ledger may write: records of an event topic with any position, hash or type."""

import json
from dataclasses import dataclass
from typing import Any

from services.cli.names import ServiceName
from services.cli.system import System
from shared.calendar import instant
from shared.kafka.cloudevents import to_headers
from shared.ledger.clock import machine_now
from shared.ledger.events import NewEvent, RecordedEvent
from shared.ledger.hash_chain import chained_hash
from shared.ledger.identity import new_id
from shared.ledger.slices import partition_of, slice_of
from tests.journeys.logs import ACTIVATION_EVENTS, COMMANDS, DEVICE_EVENTS, PURCHASES, Message, query

WRITERS: dict[str, ServiceName] = {DEVICE_EVENTS: "device", ACTIVATION_EVENTS: "activation"}
READERS: dict[str, tuple[tuple[ServiceName, str], ...]] = {
    DEVICE_EVENTS: (("activation", "activation.requests"), ("device", "license_view")),
    ACTIVATION_EVENTS: (("device", "device.verdicts"), ("device", "code_terms")),
    COMMANDS: (("device", "device.commands"),),
    PURCHASES: (("activation", "activation.purchases"),),
}


@dataclass(frozen=True, slots=True)
class Head:
    """Where a slice of a ledger ends."""

    position: int
    hash: bytes


def head_of(system: System, topic: str, stream_id: str) -> Head:
    """Return the end of the slice in which the stream lives."""
    sql = "select position, hash from slice_head where slice = $1"
    (row,) = query(system, WRITERS[topic], sql, slice_of(stream_id))
    return Head(row["position"], row["hash"])


def event(stream_id: str, type_name: str, **body: Any) -> NewEvent:
    """Return an event that no decider decided."""
    now = machine_now()
    return NewEvent(
        slice_number=slice_of(stream_id),
        stream_id=stream_id,
        version=1,
        type_name=type_name,
        schema_version=1,
        event_id=new_id(),
        occurred_at=now,
        recorded_at=now,
        correlation_id=new_id(),
        causation_id=None,
        traceparent=None,
        data=json.dumps(body).encode(),
    )


def forged(new: NewEvent, *, position: int, after: bytes, partitions: int) -> Message:
    """Return the record of an event at `position` that continues the chain after the hash `after`."""
    chained = chained_hash(
        after,
        event_id=str(new.event_id),
        type_name=new.type_name,
        stream_id=new.stream_id,
        occurred_at=instant(new.occurred_at),
        data=new.data,
    )
    return Message(
        value=new.data,
        key=new.stream_id.encode(),
        headers=to_headers(RecordedEvent(new, position, after, chained), "/forger"),
        partition=partition_of(new.slice_number, partitions),
    )
