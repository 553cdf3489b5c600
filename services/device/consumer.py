"""Comes in: the activation service's verdicts, and the orders of fleet tools. Translates, decides nothing."""

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
    RemoveReserve,
    ReportExpiry,
)
from services.device.store import devices_on
from shared.clock import Clock
from shared.cloudevents import Envelope
from shared.command_handler import CommandHandler, Order
from shared.consumer import Handled, Source
from shared.database import Connection
from shared.identity import new_id
from shared.inbox import Accepted
from shared.messages import ACTIVATION_EVENTS, CodeRef, DeviceId, Event, LicenseActivated, LicenseRenewed
from shared.orders import caused_by, outside_orders, read_event

VERDICTS_TOPIC = "activation.events.v1"
COMMANDS_TOPIC = "device.commands.v1"

CONCERN_DEVICES = (
    "CodeVerified",
    "CodeRejected",
    "LicenseActivated",
    "ActivationRefused",
    "ActivationDelayed",
    "LicenseRenewed",
    "SeatReleased",
)

type Handler = CommandHandler[Command, Device]


def verdicts(handler: Handler, clock: Clock) -> Source[Event]:
    """Return the consumer of the activation service's events. A verdict keeps the date that it was given (R-76)."""

    async def handle(connection: Connection, accepted: Sequence[Accepted[Event]]) -> Handled:
        devices = await _devices_by_renewal(connection, accepted)
        now = clock.now()
        orders: list[Order[Command]] = [
            Order(
                RecordVerdict(device_id=device_id, verdict=cast("CodeEvent", entry.message)),
                caused_by(entry.envelope, at=entry.envelope.occurred_at, recorded_at=now),
            )
            for entry in accepted
            for device_id in _concerned(entry.message, devices)
        ]
        return Handled(events=(await handler.decide(connection, orders)).events)

    return Source(
        name="device.verdicts",
        topic=VERDICTS_TOPIC,
        ledger=True,
        read=read_event,
        handle=handle,
        ignored={event.__name__ for event in ACTIVATION_EVENTS} - set(CONCERN_DEVICES),
    )


async def _devices_by_renewal(
    connection: Connection, accepted: Sequence[Accepted[Event]]
) -> Mapping[CodeRef, Sequence[DeviceId]]:
    """Return the devices on each renewed code, also those whose activation stands in the same batch (R-91)."""
    renewed = {entry.message.code_ref for entry in accepted if isinstance(entry.message, LicenseRenewed)}
    if not renewed:
        return {}
    devices: dict[CodeRef, list[DeviceId]] = defaultdict(list)
    for code_ref, device_id in await devices_on(connection, sorted(renewed)):
        devices[code_ref].append(device_id)
    for entry in accepted:
        message = entry.message
        if isinstance(message, LicenseActivated) and message.device_id not in devices[message.code_ref]:
            devices[message.code_ref].append(message.device_id)
    return devices


def _concerned(message: Event, devices: Mapping[CodeRef, Sequence[DeviceId]]) -> Sequence[DeviceId]:
    if isinstance(message, LicenseRenewed):
        return devices.get(message.code_ref, ())
    # every other verdict names its device
    return (cast("LicenseActivated", message).device_id,)


def commands(handler: Handler, clock: Clock) -> Source[Command]:
    """Return the consumer of `device.commands.v1`: orders of fleet tools, dated by this service's clock."""
    return outside_orders(
        handler,
        clock,
        name="device.commands",
        topic=COMMANDS_TOPIC,
        types=[EnrollDevice, AddCode, RemoveReserve, Activate, ReportExpiry],
        fill_in=_time_and_id,
    )


def _time_and_id(_: Envelope, now: datetime) -> Mapping[str, Any]:
    return {"at": now, "request_id": new_id()}
