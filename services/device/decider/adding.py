"""Decides about the device's reserve slot: a code is added or removed."""

from typing import Literal

from services.device.decider.activating import current_license, installed, trials_before
from services.device.decider.case import Case
from services.device.decider.checks import ADD_CODE, REMOVE_RESERVE, ends_trial
from services.device.decider.commands import AddCode, RemoveReserve
from services.device.decider.queries import in_force
from services.device.decider.state import Device, Reserve
from shared.messages import CodeAdded, CodeRejected, CodeRemoved, DeviceEvent, DeviceId, RemovalRefused
from shared.rules.checks import findings_of, first_broken
from shared.rules.policy import Policy


def add_code(device: Device, command: AddCode, policy: Policy) -> list[DeviceEvent]:
    """Add the code: to the reserve while a license is in force, else to be tried at once (R-01, R-04, R-26)."""
    if _is_there(device, command):
        return []
    case = Case(device=device, asked=command)
    if (broken := first_broken(ADD_CODE, case)) is not None:
        rejected = CodeRejected(
            device_id=command.device_id,
            code_ref=command.code_ref,
            request_id=command.request_id,
            reason=broken.reason,
            findings=findings_of(ADD_CODE, case),
        )
        return [rejected]
    waits = in_force(device, command.at) and not ends_trial(device, command)
    # while a license is in force, the old reserve stays until the new code is verified
    freed = [slot for slot in device.slots if not waits or slot is device.incoming]
    return [
        *(removed(command.device_id, slot, "replaced") for slot in freed),
        _added(device, command, policy, waits=waits),
    ]


def remove_reserve(device: Device, command: RemoveReserve) -> list[DeviceEvent]:
    """Give back the reserve, and the code that was to replace it (R-24)."""
    if device.reserve is None:
        return []
    if (broken := first_broken(REMOVE_RESERVE, Case(device=device, asked=command))) is not None:
        code_ref = device.reserve.code_ref
        return [RemovalRefused(device_id=command.device_id, code_ref=code_ref, reason=broken.reason)]
    # the incoming code goes first: it would take the empty slot
    return [removed(command.device_id, slot, "removed") for slot in reversed(device.slots)]


def removed(device_id: DeviceId, slot: Reserve, cause: Literal["removed", "replaced"]) -> CodeRemoved:
    """Return the event that gives the slot's code back, unused (R-20, R-24)."""
    return CodeRemoved(device_id=device_id, code_ref=slot.code_ref, cause=cause)


def _is_there(device: Device, command: AddCode) -> bool:
    """Tell whether the code is in a slot already. One that waits for a trial's end can be wanted now (R-21, R-26)."""
    slot = next((slot for slot in device.slots if slot.code_ref == command.code_ref), None)
    if slot is None:
        return False
    wanted_sooner = ends_trial(device, command) and slot.purpose == "reserve" and not slot.awaits
    return not wanted_sooner


def _added(device: Device, command: AddCode, policy: Policy, *, waits: bool) -> CodeAdded:
    return CodeAdded(
        device_id=command.device_id,
        code_ref=command.code_ref,
        request_id=command.request_id,
        last_group=command.last_group,
        purpose="reserve" if waits else "immediate",
        ends_trial=ends_trial(device, command),
        answer_by=None if waits else command.at + policy.answer_patience,
        prior_ref=command.prior_ref,
        accepts_short_term=command.accepts_short_term,
        **installed(device),
        **current_license(device),
        **trials_before(device, command.code_ref),
    )
