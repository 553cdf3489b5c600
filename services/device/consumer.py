"""Kafka in: the activation service's verdicts, and the commands of fleet tools. Translates, decides nothing."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, cast

from services.device.decider import (
    Activate,
    AddCode,
    CodeEvent,
    Command,
    Device,
    EnrollDevice,
    RecordVerdict,
    RemoveLicense,
    RemoveReserve,
    ReportExpiry,
    ReportInstallation,
    ReportOfflineActivation,
)
from services.device.store import devices_on, devices_waiting
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
    CodeRef,
    DeviceId,
    Event,
    ForDevice,
    ForHolders,
    HoldersEvent,
    LicenseActivated,
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
    AddCode,
    RemoveReserve,
    RemoveLicense,
    Activate,
    ReportOfflineActivation,
    ReportExpiry,
)
"""The commands that fleet tools may send over Kafka."""

type Handler = CommandHandler[Command, Device]


def verdicts(handler: Handler, clock: Clock) -> Source[Event]:
    """Return the consumer of the activation service's events. A verdict keeps its date (R-76)."""

    async def handle(connection: Connection, accepted: Sequence[Accepted[Event]]) -> Handled:
        devices = await _devices_by_code(connection, accepted)
        now = clock.now()
        commands: list[CommandMessage[Command]] = [
            CommandMessage(
                RecordVerdict(
                    device_id=device_id, verdict=cast("CodeEvent", entry.message), at=entry.envelope.occurred_at
                ),
                caused_by(entry.envelope, at=entry.envelope.occurred_at, recorded_at=now),
            )
            for entry in accepted
            for device_id in _devices_of(entry.message, devices)
        ]
        return Handled(events=(await handler.decide(connection, commands)).events)

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


async def _devices_by_code(
    connection: Connection, accepted: Sequence[Accepted[Event]]
) -> Mapping[CodeRef, Sequence[DeviceId]]:
    """Return the devices that the batch's events about whole codes concern, by code (R-91).

    These are the devices with the code as license or in a slot, and those whose activation is in the same batch. Each
    device decides for itself whether an event is news to it.
    """
    shared = {cast("HoldersEvent", entry.message).code_ref for entry in accepted if _concerns_all(entry.message)}
    if not shared:
        return {}
    held = await devices_on(connection, sorted(shared))
    waiting = await devices_waiting(connection, sorted(shared))
    activated = [
        (message.code_ref, message.device_id)
        for message in (entry.message for entry in accepted)
        if isinstance(message, LicenseActivated)
    ]
    devices: dict[CodeRef, list[DeviceId]] = defaultdict(list)
    for code_ref, device_id in sorted({*held, *waiting, *activated}):
        devices[code_ref].append(device_id)
    return devices


def _concerns_all(message: Event) -> bool:
    """Tell whether an event concerns all devices with the code: a first activation starts it for all (R-73)."""
    if isinstance(message, LicenseActivated):
        return message.activated_at == message.started_at
    return isinstance(message, ForHolders)


def _devices_of(message: Event, devices: Mapping[CodeRef, Sequence[DeviceId]]) -> Sequence[DeviceId]:
    if isinstance(message, ForHolders):
        return devices.get(message.code_ref, ())
    # every other verdict names its device
    own = cast("ForDevice", message).device_id
    if not isinstance(message, LicenseActivated) or not _concerns_all(message):
        return (own,)
    return (own, *(device_id for device_id in devices.get(message.code_ref, ()) if device_id != own))


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
