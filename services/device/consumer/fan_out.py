"""Finds the devices that the events of a batch concern: those they name, and those with the code (R-73, R-91).

Each device decides for itself whether an event is news to it. A transaction is bounded in orders, not only in records:
an event about a whole code is told to a large fleet in parts. No rule may come in here.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from itertools import accumulate
from typing import cast

from services.device.store import devices_on, devices_waiting, devices_waiting_for_start
from shared.kafka.consumer import BatchTooLarge
from shared.kafka.inbox import Accepted
from shared.ledger.database import Connection
from shared.messages import CodeRef, DeviceId, Event, ForDevice, ForHolders, LicenseActivated

ORDERS_MAX = 2_000
"""How many devices one transaction tells of events, each device counted once per event."""

type Devices = Mapping[CodeRef, Sequence[DeviceId]]
type Concerned = Sequence[tuple[Accepted[Event], Sequence[DeviceId]]]


async def next_part(connection: Connection, concerned: Concerned, orders_max: int) -> tuple[Concerned, bool]:
    """Return what one transaction is to tell, and whether more of it is left for the next.

    Of several events that are too much together, raises `BatchTooLarge`. A single one is told to the next `orders_max`
    devices; the transaction also writes how far it has come, so that each device is told once.
    """
    left = await _left(connection, concerned)
    if sum(len(devices) for _, devices in left) <= orders_max:
        return left, False
    if len(left) > 1:
        raise BatchTooLarge(_last_that_fits(left, orders_max).record)
    [(entry, devices)] = left
    part = sorted(devices)[:orders_max]
    await connection.execute(NOTE, entry.envelope.event_id, part[-1])
    return [(entry, part)], True


async def _left(connection: Connection, concerned: Concerned) -> Concerned:
    """Return the events with the devices that earlier transactions have not told."""
    shared = [entry.envelope.event_id for entry, devices in concerned if len(devices) > 1]
    rows = await connection.fetch(TAKE, shared) if shared else ()
    begun = {row["event_id"]: row["told_up_to"] for row in rows}
    return [(entry, _after(begun.get(entry.envelope.event_id), devices)) for entry, devices in concerned]


def _after(told_up_to: DeviceId | None, devices: Sequence[DeviceId]) -> Sequence[DeviceId]:
    return devices if told_up_to is None else [device_id for device_id in devices if device_id > told_up_to]


def _last_that_fits(concerned: Concerned, orders_max: int) -> Accepted[Event]:
    """Return the last event that fits together with all before it; the first one in any case."""
    totals = accumulate(len(devices) for _, devices in concerned)
    count = max(1, sum(total <= orders_max for total in totals))
    return concerned[count - 1][0]


async def devices_concerned(connection: Connection, accepted: Sequence[Accepted[Event]]) -> Concerned:
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


TAKE = "delete from fan_out where event_id = any($1::text[]) returning event_id, told_up_to"

NOTE = "insert into fan_out (event_id, told_up_to) values ($1, $2)"
