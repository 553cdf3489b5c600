"""Decides about the correction of a device's region, and of which waiting codes it may change the verdict (R-137)."""

from uuid import uuid5

from services.device.decider.activating import (
    ATTEMPTS,
    current_license,
    installed,
    next_attempt,
    renewal_choices,
    trials_before,
)
from services.device.decider.commands import CorrectRegion
from services.device.decider.evolve import evolve
from services.device.decider.queries import in_force
from services.device.decider.state import Device, Reserve
from shared.messages import DeviceEvent, RegionCorrected, VerificationRepeated
from shared.rules.policy import Policy


def correct_region(device: Device, command: CorrectRegion, policy: Policy) -> list[DeviceEvent]:
    """Correct the region, and have the waiting codes looked at again: their verdicts were about another one."""
    if command.region == device.region:
        return []
    corrected = RegionCorrected(
        device_id=command.device_id, region=command.region, previous_region=device.region, note=command.note
    )
    after = evolve(device, corrected)
    return [corrected, *(fact for slot in after.slots for fact in _looked_at_again(after, slot, command, policy))]


def _looked_at_again(device: Device, slot: Reserve, command: CorrectRegion, policy: Policy) -> list[DeviceEvent]:
    runs = in_force(device, command.at)
    if (slot.awaits and (slot.ends_trial or not runs)) or (_failed_there(slot) and not runs):
        # the answer to an attempt from the other region no longer counts; what activates the code does
        return [next_attempt(device, slot, command.at, policy)]
    if slot.status == "retrying" or (slot.status == "refused" and not runs):
        return []  # the next attempt tells, or the region was not the reason
    return [_verification(device, slot, command)]


def _failed_there(slot: Reserve) -> bool:
    return slot.status == "refused" and slot.reason == "wrong_region" and not slot.held


def _verification(device: Device, slot: Reserve, command: CorrectRegion) -> VerificationRepeated:
    return VerificationRepeated(
        device_id=command.device_id,
        code_ref=slot.code_ref,
        # derived from the last one's, as those of attempts are
        request_id=uuid5(ATTEMPTS, f"{command.device_id}/again/{slot.added_request_id}"),
        verified_before=slot.term is not None,
        **installed(device),
        **current_license(device),
        **renewal_choices(slot),
        **trials_before(device, slot.code_ref),
    )
