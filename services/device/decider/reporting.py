"""Decides about what a device reports: its enrollment, what is installed, what it did offline, and its contacts."""

from datetime import datetime

from services.device.decider.activating import current_license, installed, renewal_choices, trials_before
from services.device.decider.case import Case
from services.device.decider.checks import REMOVE_LICENSE, REPORT_OFFLINE
from services.device.decider.commands import (
    EnrollDevice,
    RecordContact,
    RecordNewToken,
    RemoveLicense,
    ReportInstallation,
    ReportOfflineActivation,
)
from services.device.decider.state import Device
from shared.messages import (
    ActivationRefused,
    CloneSuspected,
    CloneSuspicionEnded,
    DeviceClockObserved,
    DeviceEnrolled,
    DeviceEvent,
    InstallationChanged,
    LicenseRemoved,
    OfflineActivationReported,
    RemovalRefused,
)
from shared.rules.checks import findings_of, first_broken
from shared.rules.dates import counted
from shared.rules.decider import Refused
from shared.rules.policy import Policy


def enroll(device: Device, command: EnrollDevice) -> list[DeviceEvent]:
    """Enroll the device, once. Raises `Refused` if the id is that of something else (R-42, R-133)."""
    if device.device_id is not None:
        if _identity(device) != _identity(command):
            raise Refused("device_exists", f"device {command.device_id} is enrolled as something else")
        return []
    return [DeviceEnrolled(**command.model_dump(exclude={"at", "request_id"}))]


def _identity(named: Device | EnrollDevice) -> tuple[str | None, ...]:
    # not the version: it changes with every update, and a fleet tool may enroll its devices again as they once were
    return named.part_of, named.vendor, named.product, named.region


def report_installation(device: Device, command: ReportInstallation) -> list[DeviceEvent]:
    """Record another product or version, which the next check takes into account (R-48)."""
    now = {"product": command.product, "product_version": command.product_version}
    changed = {**installed(device), **now}
    return [] if changed == installed(device) else [InstallationChanged(device_id=command.device_id, **changed)]


def remove_license(device: Device, command: RemoveLicense, policy: Policy) -> list[DeviceEvent]:
    """Give the license back; the reserve is then tried (R-25, R-84)."""
    current, reserve = device.license, device.reserve
    broken = first_broken(REMOVE_LICENSE, Case(device=device, asked=command, policy=policy))
    if broken is not None or current is None:
        reason = "no_license" if broken is None else broken.reason
        code_ref = command.code_ref if current is None else current.code_ref
        return [RemovalRefused(device_id=command.device_id, reason=reason, code_ref=code_ref)]
    choices = renewal_choices(reserve)
    if reserve is not None:
        # a waiting discounted renewal still follows the license that is removed
        choices["prior_ref"] = reserve.prior_ref or current.code_ref
    return [
        LicenseRemoved(
            device_id=command.device_id,
            code_ref=current.code_ref,
            request_id=command.request_id,
            removed_at=_removed_at(command),
            reserve_ref=None if reserve is None else reserve.code_ref,
            cause="removed" if command.removed_at is None else "deactivated_offline",
            answer_by=None if reserve is None else command.at + policy.answer_patience,
            **installed(device),
            **choices,
            **trials_before(device, None if reserve is None else reserve.code_ref),
        )
    ]


def _removed_at(command: RemoveLicense) -> datetime:
    # a fast clock on the device must not date a removal in the future
    return command.at if command.removed_at is None else counted(command.removed_at, at=command.at)


def report_offline_activation(device: Device, command: ReportOfflineActivation, policy: Policy) -> list[DeviceEvent]:
    """Record an offline activation for the activation service to judge, or refuse one that is impossible (R-77)."""
    same = device.reserve if device.reserve is not None and device.reserve.code_ref == command.code_ref else None
    if same is not None and same.awaits and same.activated_at == command.activated_at:
        return []  # it is already being judged
    case = Case(device=device, asked=command)
    if (broken := first_broken(REPORT_OFFLINE, case)) is not None:
        return [
            ActivationRefused(
                device_id=command.device_id,
                reason=broken.reason,
                trigger="offline",
                request_id=command.request_id,
                code_ref=command.code_ref,
                available_at=broken.passes_at,
                findings=findings_of(REPORT_OFFLINE, case),
            )
        ]
    return [
        OfflineActivationReported(
            device_id=command.device_id,
            code_ref=command.code_ref,
            request_id=command.request_id,
            last_group=command.last_group,
            activated_at=command.activated_at,
            answer_by=command.at + policy.answer_patience,
            **installed(device),
            **current_license(device),
            **renewal_choices(same),
            **trials_before(device, command.code_ref),
        )
    ]


def record_contact(device: Device, command: RecordContact, policy: Policy) -> list[DeviceEvent]:
    """Record what is unusual about a contact: a sequence that a clone has overtaken, a wrong clock (R-88, R-111)."""
    return [*_clone(device, command, policy), *_clock(device, command, policy)]


def record_new_token(device: Device, command: RecordNewToken) -> list[DeviceEvent]:
    """End the suspicion of a clone, if there is one: only one device gets the new token (R-138)."""
    if device.clone_expected is None:
        return []
    return [CloneSuspicionEnded(device_id=command.device_id, cause="new_token")]


def _clone(device: Device, command: RecordContact, policy: Policy) -> list[DeviceEvent]:
    """Begin or end the suspicion that another device uses the identity (R-88, R-138)."""
    if command.last_sequence is None or command.sequence > command.last_sequence:
        return _counts_on(device, command, policy)
    if _lost_an_answer(command):
        return []
    expected = command.last_sequence + 1
    if device.clone_expected == expected:
        return []  # already recorded: a clone that lags behind shows it at every contact
    return [CloneSuspected(device_id=command.device_id, expected=expected, received=command.sequence)]


def _counts_on(device: Device, command: RecordContact, policy: Policy) -> list[DeviceEvent]:
    # a clone that lags behind breaks the row at each of its contacts
    if device.clone_expected is None or command.counted_on + 1 < policy.clone_sound_contacts:
        return []
    return [CloneSuspicionEnded(device_id=command.device_id, cause="counted_on")]


def _lost_an_answer(command: RecordContact) -> bool:
    """Tell whether the last number came again, for the first time: its answer may have been lost (R-138).

    A clone that counts in step repeats one number after the other, so the second in a row is not passed over.
    """
    last, repeated = command.last_sequence, command.repeated_sequence
    return last is not None and command.sequence == last and (repeated is None or repeated + 1 < last)


def _clock(device: Device, command: RecordContact, policy: Policy) -> list[DeviceEvent]:
    if command.device_time is None:
        return []
    offset = command.device_time - command.at
    deviates = abs(offset) > policy.clock_tolerance
    if deviates == device.clock_deviates:
        return []
    seconds = int(offset.total_seconds())
    return [DeviceClockObserved(device_id=command.device_id, offset_seconds=seconds, deviates=deviates)]
