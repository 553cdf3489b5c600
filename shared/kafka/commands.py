"""Orders that come over Kafka: from events of another ledger, or as messages of outside tools.

An outside message is an order's name and its fields as JSON, without those that this service fills in.
What a rule refuses without a stream to record it in is parked. No rule may come in here.
"""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any

from pydantic import BaseModel
from pydantic_core import from_json

from shared.kafka.cloudevents import Envelope
from shared.kafka.consumer import Handled, Source
from shared.kafka.inbox import Accepted, Parked
from shared.ledger.clock import Clock
from shared.ledger.command_handler import CommandHandler, Order
from shared.ledger.database import Connection
from shared.ledger.identity import new_id, uuid_or_none
from shared.ledger.outbox import Cause
from shared.messages import Event, UnknownEvent, UnreadableEvent, decode, first_problem
from shared.watching.traces import follow


def read_event(envelope: Envelope, data: bytes) -> Event:
    """Return the event of a ledger's record. Raises `UnknownEvent` or `UnreadableEvent`."""
    return decode(envelope.type_name, envelope.schema_version, data)


def caused_by(envelope: Envelope, *, at: datetime, recorded_at: datetime) -> Cause:
    """Return the cause of what follows from a message: decided as of `at`, recorded now, in the same story."""
    return Cause(
        at=at,
        recorded_at=recorded_at,
        correlation_id=envelope.correlation_id or new_id(),
        causation_id=uuid_or_none(envelope.event_id),
        traceparent=follow(envelope),
    )


def outside_orders[Command: BaseModel, State](
    handler: CommandHandler[Command, State],
    clock: Clock,
    *,
    name: str,
    topic: str,
    types: Sequence[type[Command]],
    fill_in: Callable[[Envelope, datetime], Mapping[str, Any]],
) -> Source[Command]:
    """Return the consumer `name` of outside orders of `types`; `fill_in(envelope, now)` gives the fields not sent."""
    by_name = {order_type.__name__: order_type for order_type in types}

    def read(envelope: Envelope, data: bytes) -> Command:
        return read_order(envelope, data, types=by_name, filled_in=fill_in(envelope, clock.now()))

    async def handle(connection: Connection, accepted: Sequence[Accepted[Command]]) -> Handled:
        now = clock.now()
        orders = [Order(entry.message, caused_by(entry.envelope, at=now, recorded_at=now)) for entry in accepted]
        decided = await handler.decide(connection, orders)
        parked = [
            Parked(entry.record, outcome.refused.code, outcome.refused.detail)
            for entry, outcome in zip(accepted, decided.outcomes, strict=True)
            if outcome.refused
        ]
        return Handled(events=decided.events, parked=parked)

    return Source(name=name, topic=topic, ledger=False, read=read, handle=handle)


def read_order[Command: BaseModel](
    envelope: Envelope, data: bytes, *, types: Mapping[str, type[Command]], filled_in: Mapping[str, Any]
) -> Command:
    """Return the order in a message.

    Raises `UnknownEvent` for a name that is no order, `UnreadableEvent` for a body that does not fit it.
    """
    order_type = types.get(envelope.type_name)
    if order_type is None:
        raise UnknownEvent(f"{envelope.type_name[:80]!r} is no order here")
    try:
        body = from_json(data)  # unlike json.loads it has a limit for nesting, and refuses it with a ValueError
        if not isinstance(body, dict) or "at" in body or "request_id" in body:
            raise UnreadableEvent(f"{envelope.type_name}: body: a JSON object without at and request_id is needed")
        return order_type.model_validate({**filled_in, **body})
    except (ValueError, RecursionError) as error:
        raise UnreadableEvent(f"{envelope.type_name}: {first_problem(error)}") from None
