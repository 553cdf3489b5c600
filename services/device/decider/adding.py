"""What the device service decides about its one reserve slot: a code comes in, a code goes out."""

from typing import Literal

from services.device.decider.answers import in_force
from services.device.decider.commands import AddCode, EnrollDevice, RemoveReserve
from services.device.decider.state import Device, Reserve
from shared.messages import (
    CodeAdded,
    CodeRejected,
    CodeRemoved,
    DeviceEnrolled,
    DeviceEvent,
    DeviceId,
    Reason,
    RemovalRefused,
)

NO_POLICY = 0
"""The policy version of a refusal for which the activation service was not asked."""


def enroll(device: Device, order: EnrollDevice) -> list[DeviceEvent]:
    """Return the enrollment, once."""
    if device.device_id is not None:
        return []
    return [DeviceEnrolled(device_id=order.device_id, product=order.product, region=order.region)]


def add_code(device: Device, order: AddCode) -> list[DeviceEvent]:
    """Return the code added: in reserve while a license is in force, else to be tried at once (R-01, R-04)."""
    slots = [slot for slot in (device.incoming, device.reserve) if slot is not None]
    if any(slot.code_ref == order.code_ref for slot in slots):
        return []
    licensed = in_force(device, order.at)
    if (reason := _reason_against(device, order, licensed)) is not None:
        return [_rejected(order, reason)]
    # while a license is in force the old reserve stays until the new code is known to be good
    freed = [slot for slot in slots if not licensed or slot is device.incoming]
    return [
        *(removed(order.device_id, slot, "replaced") for slot in freed),
        _added(device, order, "reserve" if licensed else "immediate"),
    ]


def remove_reserve(device: Device, order: RemoveReserve) -> list[DeviceEvent]:
    """Return the reserve, and the code that was to replace it, given back (R-24)."""
    if device.reserve is None:
        return []
    if device.reserve.status == "activating":
        code_ref = device.reserve.code_ref
        return [RemovalRefused(device_id=order.device_id, code_ref=code_ref, reason="activation_running")]
    # the incoming code goes first: it would take the empty slot
    slots = (device.incoming, device.reserve)
    return [removed(order.device_id, slot, "removed") for slot in slots if slot is not None]


def removed(device_id: DeviceId, slot: Reserve, cause: Literal["removed", "replaced"]) -> CodeRemoved:
    """Return the fact that the slot gives its code back, unspent (R-20, R-24)."""
    return CodeRemoved(device_id=device_id, code_ref=slot.code_ref, cause=cause)


def _reason_against(device: Device, order: AddCode, licensed: bool) -> Reason | None:
    if licensed and device.license is not None and device.license.code_ref == order.code_ref:
        return "same_as_current"
    if device.reserve is None:
        return None
    replaceable = order.replace and device.reserve.status != "activating"
    return None if replaceable else "reserve_exists"


def _added(device: Device, order: AddCode, purpose: Literal["reserve", "immediate"]) -> CodeAdded:
    current = device.license
    return CodeAdded(
        device_id=order.device_id,
        code_ref=order.code_ref,
        request_id=order.request_id,
        product=device.product,
        region=device.region,
        current_ref=None if current is None else current.code_ref,
        current_ends_at=None if current is None else current.ends_at,
        last_group=order.last_group,
        purpose=purpose,
    )


def _rejected(order: AddCode, reason: Reason) -> CodeRejected:
    return CodeRejected(
        device_id=order.device_id,
        code_ref=order.code_ref,
        request_id=order.request_id,
        policy_version=NO_POLICY,
        reason=reason,
    )
