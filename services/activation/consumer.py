"""Kafka in: what devices request, and what shops sold. Translates, decides nothing."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from services.activation.decider import CancelPurchase, Code, Command, RecordPurchase, RecordRefund, commands_for
from shared.kafka.cloudevents import Envelope, read_event
from shared.kafka.commands import caused_by, external_commands
from shared.kafka.consumer import Handled, Source
from shared.kafka.inbox import Accepted
from shared.ledger.clock import Clock
from shared.ledger.command_handler import CommandHandler, CommandMessage
from shared.ledger.database import Connection
from shared.messages import DEVICE_EVENTS, Event

DEVICES_TOPIC = "device.events.v1"
PURCHASES_TOPIC = "store.purchases.v1"

REQUEST_TYPES = (
    "CodeAdded",
    "LicenseExpired",
    "LicenseRemoved",
    "ActivateNow",
    "ActivationRetried",
    "VerificationRepeated",
    "OfflineActivationReported",
)

SHOP_COMMANDS: tuple[type[Command], ...] = (RecordPurchase, CancelPurchase, RecordRefund)
"""The commands that shops may send over Kafka."""

type Handler = CommandHandler[Command, Code]


def requests(handler: Handler, clock: Clock) -> Source[Event]:
    """Return the consumer of the device service's events.

    A request is decided as of the time it was recorded, so that handling it again gives the same decision (R-76).
    """

    async def handle(connection: Connection, accepted: Sequence[Accepted[Event]]) -> Handled:
        now = clock.now()
        commands = [
            CommandMessage(command, caused_by(entry.envelope, at=entry.envelope.recorded_at, recorded_at=now))
            for entry in accepted
            for command in commands_for(entry.message, entry.envelope.recorded_at)
        ]
        return Handled(events=(await handler.decide(connection, commands)).events)

    return Source(
        name="activation.requests",
        topic=DEVICES_TOPIC,
        ledger=True,
        read=read_event,
        handle=handle,
        ignored={event.__name__ for event in DEVICE_EVENTS} - set(REQUEST_TYPES),
    )


def purchases(handler: Handler, clock: Clock) -> Source[Command]:
    """Return the consumer of `store.purchases.v1`: what was bought, cancelled and refunded (R-70, R-90, R-96)."""
    return external_commands(
        handler,
        clock,
        name="activation.purchases",
        topic=PURCHASES_TOPIC,
        types=SHOP_COMMANDS,
        fill_in=_purchase_times,
    )


def _purchase_times(envelope: Envelope, now: datetime) -> Mapping[str, Any]:
    """A purchase without a date of its own gets the message's; other commands get this service's time alone."""
    if envelope.type_name == RecordPurchase.__name__:
        return {"at": now, "purchased_at": envelope.occurred_at}
    return {"at": now}
