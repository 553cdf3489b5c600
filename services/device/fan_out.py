"""Finds the devices that the events of a batch concern: those they name, and those with the code (R-73, R-91).

Each device decides for itself whether an event is news to it. No rule may come in here.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import cast

from services.device.store import devices_on, devices_waiting, devices_waiting_for_start
from shared.kafka.inbox import Accepted
from shared.ledger.database import Connection
from shared.messages import CodeRef, DeviceId, Event, ForDevice, ForHolders, LicenseActivated

type Devices = Mapping[CodeRef, Sequence[DeviceId]]


async def devices_concerned(
    connection: Connection, accepted: Sequence[Accepted[Event]]
) -> list[tuple[Accepted[Event], Sequence[DeviceId]]]:
    """Return each event of the batch with the devices that it concerns."""
    holders = await _holders(connection, accepted)
    first = _first_activations(accepted)
    waiting = _by_code(await devices_waiting_for_start(connection, sorted(first))) if first else {}
    return [(entry, _devices_of(entry.message, holders, first, waiting)) for entry in accepted]


async def _holders(connection: Connection, accepted: Iterable[Accepted[Event]]) -> Devices:
    """Return who has a code of the batch's events about whole codes, as license or in a slot (R-91).

    These may be devices whose activation is in the same batch.
    """
    messages = [entry.message for entry in accepted]
    shared = sorted({message.code_ref for message in messages if isinstance(message, ForHolders)})
    if not shared:
        return {}
    activated = [(message.code_ref, message.device_id) for message in messages if isinstance(message, LicenseActivated)]
    return _by_code([*await devices_on(connection, shared), *await devices_waiting(connection, shared), *activated])


def _first_activations(accepted: Sequence[Accepted[Event]]) -> Mapping[CodeRef, LicenseActivated]:
    """Return the activations that started a term, one of each code: it starts once for all (R-73).

    Of several events of an older release that do not say which it was, it can only have been the first.
    """
    messages = [entry.message for entry in reversed(accepted)]
    return {
        message.code_ref: message
        for message in messages
        if isinstance(message, LicenseActivated) and message.may_start_term
    }


def _by_code(rows: Iterable[tuple[CodeRef, DeviceId]]) -> Devices:
    devices: dict[CodeRef, list[DeviceId]] = defaultdict(list)
    for code_ref, device_id in sorted(set(rows)):
        devices[code_ref].append(device_id)
    return devices


def _devices_of(
    message: Event, holders: Devices, first: Mapping[CodeRef, LicenseActivated], waiting: Devices
) -> Sequence[DeviceId]:
    if isinstance(message, ForHolders):
        return holders.get(message.code_ref, ())
    # every other verdict names its device
    own = cast("ForDevice", message).device_id
    if not isinstance(message, LicenseActivated) or first.get(message.code_ref) is not message:
        return (own,)
    return (own, *(device_id for device_id in waiting.get(message.code_ref, ()) if device_id != own))
