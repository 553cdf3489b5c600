"""Commands that come over Kafka: caused by events of another ledger, or sent as messages by outside tools.

An outside message has the command's name as its type and the fields as JSON, without those that this service fills in.
A command that a rule refuses, where no stream could record the refusal, is parked. No rule may come in here.
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
from shared.ledger.command_handler import CommandHandler, CommandMessage
from shared.ledger.database import Connection
from shared.ledger.identity import new_id, uuid_or_none
from shared.ledger.outbox import Cause
from shared.messages import UnknownEvent, UnreadableEvent, first_problem
from shared.watching.traces import continue_trace


def caused_by(envelope: Envelope, *, at: datetime, recorded_at: datetime) -> Cause:
    """Return the cause of whatever follows from a message: decided as of `at`, with the message's correlation id."""
    return Cause(
        at=at,
        recorded_at=recorded_at,
        correlation_id=envelope.correlation_id or new_id(),
        causation_id=uuid_or_none(envelope.event_id),
        traceparent=continue_trace(envelope),
    )


def external_commands[Command: BaseModel, State](
    handler: CommandHandler[Command, State],
    clock: Clock,
    *,
    name: str,
    topic: str,
    types: Sequence[type[Command]],
    fill_in: Callable[[Envelope, datetime], Mapping[str, Any]],
) -> Source[Command]:
    """Return the consumer `name` of outside commands of `types`. `fill_in(envelope, now)` gives the fields not sent."""
    by_name = {command_type.__name__: command_type for command_type in types}

    def read(envelope: Envelope, data: bytes) -> Command:
        return read_command(envelope, data, types=by_name, filled_in=fill_in(envelope, clock.now()))

    async def handle(connection: Connection, accepted: Sequence[Accepted[Command]]) -> Handled:
        now = clock.now()
        commands = [
            CommandMessage(entry.message, caused_by(entry.envelope, at=now, recorded_at=now)) for entry in accepted
        ]
        decided = await handler.decide(connection, commands)
        parked = [
            Parked(entry.record, outcome.refused.code, outcome.refused.detail)
            for entry, outcome in zip(accepted, decided.outcomes, strict=True)
            if outcome.refused
        ]
        return Handled(events=decided.events, parked=parked)

    return Source(name=name, topic=topic, ledger=False, read=read, handle=handle)


def read_command[Command: BaseModel](
    envelope: Envelope, data: bytes, *, types: Mapping[str, type[Command]], filled_in: Mapping[str, Any]
) -> Command:
    """Return the command in a message.

    Raises `UnknownEvent` for an unknown command name, `UnreadableEvent` for a body that does not fit the command.
    """
    command_type = types.get(envelope.type_name)
    if command_type is None:
        raise UnknownEvent(f"{envelope.type_name[:80]!r} is not a command of this service")
    try:
        body = from_json(data)  # unlike json.loads it limits nesting, and reports it as a ValueError
        if not isinstance(body, dict) or "at" in body or "request_id" in body:
            raise UnreadableEvent(f"{envelope.type_name}: body: a JSON object without at and request_id is needed")
        return command_type.model_validate({**filled_in, **body}, strict=True)
    except (ValueError, RecursionError) as error:
        raise UnreadableEvent(f"{envelope.type_name}: {first_problem(error)}") from None
