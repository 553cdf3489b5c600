"""Decides what follows from the activation service's verdicts: a slot is freed, the next attempt is due."""

from datetime import datetime

from services.device.decider.activating import next_attempt
from services.device.decider.adding import removed
from services.device.decider.commands import RecordVerdict
from services.device.decider.evolve import evolve
from services.device.decider.guess_throttle import throttled
from services.device.decider.prediction_changes import prediction_changes
from services.device.decider.relevant_verdicts import fact_of
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
    """Return the verdict if it concerns the device, followed by what it causes."""
    device_id = device.device_id
    if device_id is None:
        return []
    fact = fact_of(device_id, device, command.verdict)
    if fact is None:
        return [*prediction_changes(device, command.verdict, command.at)]
    device = evolve(device, fact)
    changes = prediction_changes(device, command.verdict, command.at)
    device = fold(evolve, changes, device)
    delays = throttled(device_id, device, fact, command.at, policy)
    device = fold(evolve, delays, device)
    removals = _replaced(device_id, device)
    device = fold(evolve, removals, device)
    return [fact, *changes, *delays, *removals, *_next_attempt(device, fact, command.at, policy)]


def _replaced(device_id: DeviceId, device: Device) -> list[DeviceEvent]:
    """Give the old reserve back once the code that replaces it is verified and no attempt is running (R-15, R-20)."""
    reserve, incoming = device.reserve, device.incoming
    if reserve is None or incoming is None or reserve.awaits or incoming.status != "ready":
        return []
    return [removed(device_id, reserve, "replaced")]


def _next_attempt(device: Device, fact: DeviceEvent, at: datetime, policy: Policy) -> list[DeviceEvent]:
    """Return the attempt of a ready reserve if the device's license is over: it has nothing to wait for (R-25, R-31).

    It does wait if the license was renewed in the meantime: the `LicenseRenewed` is on its way.
    """
    reserve = device.reserve
    if reserve is None or reserve.held or not _is_due(device, reserve, fact):
        return []
    return [next_attempt(device, reserve, at, policy)]


def _is_due(device: Device, reserve: Reserve, fact: DeviceEvent) -> bool:
    match fact:
        case SeatReleased():
            # the license it waited for is gone, so a refused or delayed attempt is made again
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
        return False  # even if a renewal was the reason: that license is no longer this device's
    runs_on = isinstance(fact, ActivationRefused) and fact.reason in LICENSE_RUNS_ON
    return runs_on or not device.license.expired
