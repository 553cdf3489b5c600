"""What the device service decides about its one reserve slot: a code comes in, a code goes out."""

from typing import Literal

from services.device.decider.activating import installed, license_before
from services.device.decider.answers import in_force
from services.device.decider.case import Case
from services.device.decider.checks import ADD_CODE, REMOVE_RESERVE, ends_trial
from services.device.decider.commands import AddCode, RemoveReserve
from services.device.decider.state import Device, Reserve
from shared.messages import CodeAdded, CodeRejected, CodeRemoved, DeviceEvent, DeviceId, RemovalRefused
from shared.rules.looking import findings_of, first_broken
from shared.rules.policy import Policy


def add_code(device: Device, order: AddCode, policy: Policy) -> list[DeviceEvent]:
    """Return the code added: in reserve while a license is in force, else to be tried at once (R-01, R-04, R-26)."""
    if _is_there(device, order):
        return []
    case = Case(device=device, asked=order)
    if (broken := first_broken(ADD_CODE, case)) is not None:
        rejected = CodeRejected(
            device_id=order.device_id,
            code_ref=order.code_ref,
            request_id=order.request_id,
            reason=broken.reason,
            findings=findings_of(ADD_CODE, case),
        )
        return [rejected]
    waits = in_force(device, order.at) and not ends_trial(device, order)
    # while a license is in force the old reserve stays until the new code is known to be good
    freed = [slot for slot in device.slots if not waits or slot is device.incoming]
    return [
        *(removed(order.device_id, slot, "replaced") for slot in freed),
        _added(device, order, policy, waits=waits),
    ]


def remove_reserve(device: Device, order: RemoveReserve) -> list[DeviceEvent]:
    """Return the reserve, and the code that was to replace it, given back (R-24)."""
    if device.reserve is None:
        return []
    if (broken := first_broken(REMOVE_RESERVE, Case(device=device, asked=order))) is not None:
        code_ref = device.reserve.code_ref
        return [RemovalRefused(device_id=order.device_id, code_ref=code_ref, reason=broken.reason)]
    # the incoming code goes first: it would take the empty slot
    return [removed(order.device_id, slot, "removed") for slot in reversed(device.slots)]


def removed(device_id: DeviceId, slot: Reserve, cause: Literal["removed", "replaced"]) -> CodeRemoved:
    """Return the fact that the slot gives its code back, unspent (R-20, R-24)."""
    return CodeRemoved(device_id=device_id, code_ref=slot.code_ref, cause=cause)


def _is_there(device: Device, order: AddCode) -> bool:
    """Whether the code was added before; one that waits for the end of a trial may still be wanted now (R-21, R-26)."""
    there = next((slot for slot in device.slots if slot.code_ref == order.code_ref), None)
    if there is None:
        return False
    hurries = ends_trial(device, order) and there.purpose == "reserve" and not there.awaits
    return not hurries


def _added(device: Device, order: AddCode, policy: Policy, *, waits: bool) -> CodeAdded:
    return CodeAdded(
        device_id=order.device_id,
        code_ref=order.code_ref,
        request_id=order.request_id,
        last_group=order.last_group,
        purpose="reserve" if waits else "immediate",
        ends_trial=ends_trial(device, order),
        answer_by=None if waits else order.at + policy.answer_patience,
        prior_ref=order.prior_ref,
        accepts_short_term=order.accepts_short_term,
        **installed(device),
        **license_before(device),
    )
