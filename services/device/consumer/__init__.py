"""Kafka in: the activation service's verdicts, and the commands of fleet tools. Translates, decides nothing."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, cast

from services.device.consumer.fan_out import ORDERS_MAX, devices_concerned, next_part
from services.device.decider import (
    Activate,
    AddCode,
    CodeEvent,
    Command,
    CorrectRegion,
    Device,
    EnrollDevice,
    RecordVerdict,
    RemoveLicense,
    RemoveReserve,
    ReportExpiry,
    ReportInstallation,
    ReportOfflineActivation,
)
from shared.kafka.cloudevents import Envelope, read_event
from shared.kafka.commands import caused_by, external_commands
from shared.kafka.consumer import Handled, Source
from shared.kafka.inbox import Accepted
from shared.ledger.clock import Clock
from shared.ledger.command_handler import CommandHandler, CommandMessage
from shared.ledger.database import Connection
from shared.ledger.identity import new_id
from shared.messages import (
    ACTIVATION_EVENTS,
    Event,
)
from shared.watching.metrics import time_verdicts

VERDICTS_TOPIC = "activation.events.v1"
COMMANDS_TOPIC = "device.commands.v1"

CONCERN_DEVICES = (
    "CodeVerified",
    "CodeRejected",
    "LicenseActivated",
    "ActivationRefused",
    "ActivationDelayed",
    "SeatReleased",
    "LicenseRenewed",
    "LicenseShortened",
    "CodeBlocked",
    "CodeUnblocked",
    "PurchaseAnnounced",
    "PurchaseCancelled",
    "AutoRenewalChanged",
)

FLEET_COMMANDS: tuple[type[Command], ...] = (
    EnrollDevice,
    ReportInstallation,
    CorrectRegion,
    AddCode,
    RemoveReserve,
    RemoveLicense,
    Activate,
    ReportOfflineActivation,
    ReportExpiry,
)
"""The commands that fleet tools may send over Kafka."""

type Handler = CommandHandler[Command, Device]


def verdicts(handler: Handler, clock: Clock, *, orders_max: int = ORDERS_MAX) -> Source[Event]:
    """Return the consumer of the activation service's events. A verdict keeps its date (R-76).

    A transaction makes up to `orders_max` decisions, however many devices a record concerns.
    """

    async def handle(connection: Connection, accepted: Sequence[Accepted[Event]]) -> Handled:
        concerned, unfinished = await next_part(connection, await devices_concerned(connection, accepted), orders_max)
        now = clock.now()
        commands: list[CommandMessage[Command]] = [
            CommandMessage(
                RecordVerdict(
                    device_id=device_id, verdict=cast("CodeEvent", entry.message), at=entry.envelope.occurred_at
                ),
                caused_by(entry.envelope, at=entry.envelope.occurred_at, recorded_at=now),
            )
            for entry, devices in concerned
            for device_id in devices
        ]
        return Handled(events=(await handler.decide(connection, commands)).events, unfinished=unfinished)

    return Source(
        name="device.verdicts",
        topic=VERDICTS_TOPIC,
        ledger=True,
        read=read_event,
        handle=handle,
        ignored={event.__name__ for event in ACTIVATION_EVENTS} - set(CONCERN_DEVICES),
        committed=lambda accepted: time_verdicts(
            (entry.envelope.type_name, entry.envelope.correlation_id) for entry in accepted
        ),
    )


def commands(handler: Handler, clock: Clock) -> Source[Command]:
    """Return the consumer of `device.commands.v1`: commands of fleet tools, dated by this service's clock."""
    return external_commands(
        handler,
        clock,
        name="device.commands",
        topic=COMMANDS_TOPIC,
        types=FLEET_COMMANDS,
        fill_in=_time_and_id,
    )


def _time_and_id(_: Envelope, now: datetime) -> Mapping[str, Any]:
    return {"at": now, "request_id": new_id()}
