"""The rules of the device service, as three pure functions: `Device()`, `decide` and `evolve`.

No clock, chance, id or I/O may come in here: time and ids come in with the command.
`state` and `commands` are what is known and asked, `answers` what can be read off a device, `adding`,
`activating` and `verdicts` what is decided, `evolve` what becomes of it.
"""

from collections.abc import Mapping, Sequence
from typing import assert_never

from services.device.decider.activating import activate_now, expiry_due, report_expiry, retry
from services.device.decider.adding import add_code, enroll, remove_reserve
from services.device.decider.answers import (
    ActivateNowAnswer,
    LicenseStatus,
    days_remaining,
    expires_at,
    in_force,
    may_activate_now,
    retry_at,
    status,
)
from services.device.decider.commands import (
    Activate,
    AddCode,
    Command,
    EnrollDevice,
    Expire,
    RecordVerdict,
    RemoveReserve,
    ReportExpiry,
    RetryActivation,
)
from services.device.decider.evolve import evolve
from services.device.decider.state import Device, License, Reserve, ReserveStatus
from services.device.decider.verdicts import record
from shared.decider import Decider, Refused, fold
from shared.messages import CodeEvent, DeviceEvent

__all__ = [
    "DECIDER",
    "Activate",
    "ActivateNowAnswer",
    "AddCode",
    "CodeEvent",
    "Command",
    "Device",
    "DeviceEvent",
    "EnrollDevice",
    "Expire",
    "License",
    "LicenseStatus",
    "RecordVerdict",
    "RemoveReserve",
    "ReportExpiry",
    "Reserve",
    "ReserveStatus",
    "RetryActivation",
    "days_remaining",
    "decide",
    "evolve",
    "expires_at",
    "in_force",
    "may_activate_now",
    "retry_at",
    "status",
]


def decide(command: Command, devices: Mapping[str, Device]) -> Sequence[DeviceEvent]:
    """Return the facts that `command` makes. Raises `Refused` for an order to a device that nobody enrolled."""
    device = devices.get(command.device_id, Device())
    match command:
        case EnrollDevice():
            return enroll(device, command)
        case RecordVerdict():
            return record(device, command.verdict)
        case _ if device.device_id is None:
            raise Refused("unknown_device", f"no device {command.device_id} is enrolled")
        case ReportExpiry():
            return report_expiry(device, command)
        case Expire():
            return expiry_due(device, command.at)
        case AddCode() | RemoveReserve() | Activate() | RetryActivation():
            # an expiry that is due stands before everything decided after it: a late timer changes no answer
            due = expiry_due(device, command.at)
            return [*due, *_decide_now(command, fold(evolve, due, device))]
        case _:
            assert_never(command)


def _decide_now(command: AddCode | RemoveReserve | Activate | RetryActivation, device: Device) -> list[DeviceEvent]:
    match command:
        case AddCode():
            return add_code(device, command)
        case RemoveReserve():
            return remove_reserve(device, command)
        case Activate():
            return activate_now(device, command)
        case RetryActivation():
            return retry(device, command)
        case _:
            assert_never(command)


def _streams(command: Command) -> Sequence[str]:
    return (command.device_id,)


def _stream_of(event: DeviceEvent) -> str:
    # only a renewal in the activation service's log concerns a whole code; in this one it names its device
    return event.device_id or ""


DECIDER = Decider(initial=Device(), streams=_streams, decide=decide, evolve=evolve, stream_of=_stream_of)
