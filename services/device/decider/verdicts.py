"""What follows from the activation service's verdicts: a slot makes room, the next attempt is due."""

from datetime import datetime

from services.device.decider.activating import tried_again
from services.device.decider.adding import removed
from services.device.decider.belonging import fact_of
from services.device.decider.commands import RecordVerdict
from services.device.decider.evolve import evolve
from services.device.decider.foreseeing import foreseen
from services.device.decider.guesses import throttled
from services.device.decider.slots import LICENSE_RUNS_ON
from services.device.decider.state import Device, Reserve
from shared.messages import (
    ActivationRefused,
    AutoRenewalChanged,
    DeviceEvent,
    DeviceId,
    ForHolders,
    PurchaseCancelled,
    SeatReleased,
)
from shared.rules.decider import fold
from shared.rules.policy import Policy


def record(device: Device, command: RecordVerdict, policy: Policy) -> list[DeviceEvent]:
    """Return the verdict if it concerns the device, then what it sets going."""
    device_id = device.device_id
    if device_id is None:
        return []
    fact = fact_of(device_id, device, command.verdict)
    facts: list[DeviceEvent] = [] if fact is None else [fact]
    facts += foreseen(fold(evolve, facts, device), command.verdict, command.at)
    if fact is None:
        return facts
    facts += throttled(device_id, fold(evolve, facts, device), fact, command.at, policy)
    facts += _replaced(device_id, fold(evolve, facts, device))
    return [*facts, *_tried(fold(evolve, facts, device), fact, command.at, policy)]


def _replaced(device_id: DeviceId, device: Device) -> list[DeviceEvent]:
    """Return the old reserve given back, once the code that replaces it is good and no attempt runs (R-15, R-20)."""
    reserve, incoming = device.reserve, device.incoming
    if reserve is None or incoming is None or reserve.awaits or incoming.status != "ready":
        return []
    return [removed(device_id, reserve, "replaced")]


def _tried(device: Device, fact: DeviceEvent, at: datetime, policy: Policy) -> list[DeviceEvent]:
    """Return the attempt of a ready reserve on a device whose license is over: it waits for nothing (R-25, R-31).

    Only a license that was renewed meanwhile is waited for: its `LicenseRenewed` is on the way.
    """
    reserve = device.reserve
    if reserve is None or reserve.held or not _is_due(device, reserve, fact):
        return []
    return [tried_again(device, reserve, at, policy)]


def _is_due(device: Device, reserve: Reserve, fact: DeviceEvent) -> bool:
    match fact:
        case SeatReleased():
            # the license that it waited for is gone, so what was refused or put off is tried afresh
            return not reserve.awaits and reserve.status != "verifying"
        case PurchaseCancelled():
            return reserve.delay == "purchase_pending"
        case AutoRenewalChanged():
            return reserve.delay == "renewal_due" and not fact.auto_renews
        case ForHolders():
            return False
        case _:
            return reserve.status == "ready" and not _has_license_ahead(device, fact)


def _has_license_ahead(device: Device, fact: DeviceEvent) -> bool:
    if device.license is None:
        return False  # also when another's renewal was the reason: it is not this device's any more
    runs_on = isinstance(fact, ActivationRefused) and fact.reason in LICENSE_RUNS_ON
    return runs_on or not device.license.expired
