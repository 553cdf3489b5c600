"""The rules of the device service, as three pure functions: `Device()`, `decide` and `evolve`.

No I/O, clock, chance or id may come in here: time and ids come in with the command. `state` and `commands` are the
input, `queries` derives facts from a state. `checks` and `activate_now_checks` are the rules as named values, applied
to a `case`. `adding`, `activating`, `correcting`, `reporting` and `verdicts` (with `relevant_verdicts`,
`prediction_changes` and `guess_throttle`) make the decisions; `evolve` (with `slots`, `licenses` and `predictions`)
changes the state.
"""

from collections.abc import Mapping, Sequence
from typing import assert_never

from services.device.decider.activate_now_checks import ACTIVATE_NOW, ActivateNowAnswer, Click, may_activate_now
from services.device.decider.activating import activate_now, expiry_due, report_expiry, retry
from services.device.decider.adding import add_code, remove_reserve
from services.device.decider.case import Case, Check
from services.device.decider.checks import ADD_CODE, CLAIM_EXPIRY, REMOVE_LICENSE, REMOVE_RESERVE, REPORT_OFFLINE
from services.device.decider.commands import (
    Activate,
    AddCode,
    Command,
    CorrectRegion,
    EnrollDevice,
    Expire,
    RecordContact,
    RecordNewToken,
    RecordVerdict,
    RemoveLicense,
    RemoveReserve,
    ReportExpiry,
    ReportInstallation,
    ReportOfflineActivation,
    RetryActivation,
)
from services.device.decider.correcting import correct_region
from services.device.decider.evolve import evolve
from services.device.decider.queries import (
    LicenseStatus,
    days_remaining,
    expires_at,
    in_force,
    renewal_announced,
    renewal_due,
    retry_at,
    status,
    stops_at,
    takes_over_at,
    works_until,
)
from services.device.decider.reporting import (
    enroll,
    record_contact,
    record_new_token,
    remove_license,
    report_installation,
    report_offline_activation,
)
from services.device.decider.state import AnnouncedPurchase, Device, License, Reserve, ReserveStatus
from services.device.decider.verdicts import record
from shared.messages import CodeEvent, DeviceEvent
from shared.rules.checks import Looked, findings_of, first_broken, looked_at
from shared.rules.decider import Decider, Refused, fold
from shared.rules.policy import POLICY, Policy, decided_by

__all__ = [
    "ACTIVATE_NOW",
    "ADD_CODE",
    "CLAIM_EXPIRY",
    "DECIDER",
    "POLICY",
    "REMOVE_LICENSE",
    "REMOVE_RESERVE",
    "REPORT_OFFLINE",
    "Activate",
    "ActivateNowAnswer",
    "AddCode",
    "AnnouncedPurchase",
    "Case",
    "Check",
    "Click",
    "CodeEvent",
    "Command",
    "CorrectRegion",
    "Device",
    "DeviceEvent",
    "EnrollDevice",
    "Expire",
    "License",
    "LicenseStatus",
    "Looked",
    "Policy",
    "RecordContact",
    "RecordNewToken",
    "RecordVerdict",
    "RemoveLicense",
    "RemoveReserve",
    "ReportExpiry",
    "ReportInstallation",
    "ReportOfflineActivation",
    "Reserve",
    "ReserveStatus",
    "RetryActivation",
    "days_remaining",
    "decide",
    "decider",
    "evolve",
    "expires_at",
    "findings_of",
    "first_broken",
    "in_force",
    "looked_at",
    "may_activate_now",
    "renewal_announced",
    "renewal_due",
    "retry_at",
    "status",
    "stops_at",
    "takes_over_at",
    "works_until",
]


def decide(command: Command, devices: Mapping[str, Device], policy: Policy = POLICY) -> Sequence[DeviceEvent]:
    """Return the events that `command` causes under `policy`, each with the policy's version (R-54).

    A verdict keeps the version it was decided under. Raises `Refused` for a command about an unknown device.
    """
    return decided_by(policy, _facts(command, devices.get(command.device_id, Device()), policy))


def _facts(  # noqa: PLR0911 - one line per command
    command: Command, device: Device, policy: Policy
) -> Sequence[DeviceEvent]:
    match command:
        case EnrollDevice():
            return enroll(device, command)
        case RecordVerdict():
            return record(device, command, policy)
        case _ if device.device_id is None:
            raise Refused("unknown_device", f"no device {command.device_id} is enrolled")
        case ReportInstallation():
            return report_installation(device, command)
        case RecordNewToken():
            return record_new_token(device, command)
        case ReportExpiry():
            return report_expiry(device, command, policy)
        case Expire():
            return expiry_due(device, command.at, policy)
        case _:
            # an expiry that is due comes before anything decided after it, so a late timer changes no answer
            due = expiry_due(device, command.at, policy)
            return [*due, *_decide_now(command, fold(evolve, due, device), policy)]


def _decide_now(  # noqa: PLR0911 - one line per command
    command: AddCode
    | CorrectRegion
    | RemoveReserve
    | RemoveLicense
    | Activate
    | ReportOfflineActivation
    | RecordContact
    | RetryActivation,
    device: Device,
    policy: Policy,
) -> list[DeviceEvent]:
    match command:
        case AddCode():
            return add_code(device, command, policy)
        case RemoveReserve():
            return remove_reserve(device, command)
        case RemoveLicense():
            return remove_license(device, command, policy)
        case Activate():
            return activate_now(device, command, policy)
        case CorrectRegion():
            return correct_region(device, command, policy)
        case ReportOfflineActivation():
            return report_offline_activation(device, command, policy)
        case RecordContact():
            return record_contact(device, command, policy)
        case RetryActivation():
            return retry(device, command, policy)
        case _:
            assert_never(command)


def _streams(command: Command) -> Sequence[str]:
    return (command.device_id,)


def _stream_of(event: DeviceEvent) -> str:
    # events about every holder of a code have no device in the activation service's log, but always one in this log
    return event.device_id or ""


def decider(policy: Policy) -> Decider[Command, Device, DeviceEvent]:
    """Return the decider under `policy`."""

    def under_policy(command: Command, devices: Mapping[str, Device]) -> Sequence[DeviceEvent]:
        return decide(command, devices, policy)

    return Decider(initial=Device(), streams=_streams, decide=under_policy, evolve=evolve, stream_of=_stream_of)


DECIDER = decider(POLICY)
