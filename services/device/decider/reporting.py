"""What a device tells of itself: that it exists, what is installed, what it did while it was away, that it is there."""

from datetime import datetime

from services.device.decider.activating import installed, license_before, wishes
from services.device.decider.case import Case
from services.device.decider.checks import REMOVE_LICENSE, REPORT_OFFLINE
from services.device.decider.commands import (
    EnrollDevice,
    RecordContact,
    RemoveLicense,
    ReportInstallation,
    ReportOfflineActivation,
)
from services.device.decider.state import Device
from shared.messages import (
    ActivationRefused,
    CloneSuspected,
    DeviceClockObserved,
    DeviceEnrolled,
    DeviceEvent,
    InstallationChanged,
    LicenseRemoved,
    OfflineActivationReported,
    RemovalRefused,
)
from shared.rules.decider import Refused
from shared.rules.looking import findings_of, first_broken
from shared.rules.policy import Policy


def enroll(device: Device, order: EnrollDevice) -> list[DeviceEvent]:
    """Return the enrollment, once. Raises `Refused` if the id is that of another device's product (R-42)."""
    if device.device_id is not None:
        if device.part_of != order.part_of:
            raise Refused("device_exists", f"device {order.device_id} is enrolled as part of another")
        return []
    return [DeviceEnrolled(**order.model_dump(exclude={"at", "request_id"}))]


def report_installation(device: Device, order: ReportInstallation) -> list[DeviceEvent]:
    """Return what is installed now, if it is another product or version: the next check looks at it (R-48)."""
    now = {"product": order.product, "product_version": order.product_version}
    changed = {**installed(device), **now}
    return [] if changed == installed(device) else [InstallationChanged(device_id=order.device_id, **changed)]


def remove_license(device: Device, order: RemoveLicense, policy: Policy) -> list[DeviceEvent]:
    """Return the license given back; what waits in reserve is tried (R-25, R-84)."""
    current, reserve = device.license, device.reserve
    broken = first_broken(REMOVE_LICENSE, Case(device=device, asked=order))
    if broken is not None or current is None:
        reason = "no_license" if broken is None else broken.reason
        code_ref = order.code_ref if current is None else current.code_ref
        return [RemovalRefused(device_id=order.device_id, reason=reason, code_ref=code_ref)]
    said = wishes(reserve)
    if reserve is not None:
        # a discounted renewal that waits still follows the license that goes
        said["prior_ref"] = reserve.prior_ref or current.code_ref
    return [
        LicenseRemoved(
            device_id=order.device_id,
            code_ref=current.code_ref,
            request_id=order.request_id,
            removed_at=_removed_at(order),
            reserve_ref=None if reserve is None else reserve.code_ref,
            cause="removed" if order.removed_at is None else "deactivated_offline",
            answer_by=None if reserve is None else order.at + policy.answer_patience,
            **installed(device),
            **said,
        )
    ]


def _removed_at(order: RemoveLicense) -> datetime:
    # a fast clock on the device removes nothing in the future
    return order.at if order.removed_at is None else min(order.removed_at, order.at)


def report_offline_activation(device: Device, order: ReportOfflineActivation, policy: Policy) -> list[DeviceEvent]:
    """Return what the device did by itself, for the activation service to judge; or why it cannot have (R-77)."""
    same = device.reserve if device.reserve is not None and device.reserve.code_ref == order.code_ref else None
    if same is not None and same.awaits and same.activated_at == order.activated_at:
        return []  # it is being judged
    case = Case(device=device, asked=order)
    if (broken := first_broken(REPORT_OFFLINE, case)) is not None:
        return [
            ActivationRefused(
                device_id=order.device_id,
                reason=broken.reason,
                trigger="offline",
                request_id=order.request_id,
                code_ref=order.code_ref,
                available_at=broken.passes_at,
                findings=findings_of(REPORT_OFFLINE, case),
            )
        ]
    return [
        OfflineActivationReported(
            device_id=order.device_id,
            code_ref=order.code_ref,
            request_id=order.request_id,
            last_group=order.last_group,
            activated_at=order.activated_at,
            answer_by=order.at + policy.answer_patience,
            **installed(device),
            **license_before(device),
            **wishes(same),
        )
    ]


def record_contact(device: Device, order: RecordContact, policy: Policy) -> list[DeviceEvent]:
    """Return what is unusual about a contact: a count that a copy went past, a clock that is off (R-88, R-111)."""
    return [*_clone(device, order), *_clock(device, order, policy)]


def _clone(device: Device, order: RecordContact) -> list[DeviceEvent]:
    if order.last_sequence is None or order.sequence > order.last_sequence:
        return []
    expected = order.last_sequence + 1
    if device.clone_expected == expected:
        return []  # told already: a copy that lags behind says so at every contact
    return [CloneSuspected(device_id=order.device_id, expected=expected, received=order.sequence)]


def _clock(device: Device, order: RecordContact, policy: Policy) -> list[DeviceEvent]:
    if order.device_time is None:
        return []
    offset = order.device_time - order.at
    deviates = abs(offset) > policy.clock_tolerance
    if deviates == device.clock_deviates:
        return []
    seconds = int(offset.total_seconds())
    return [DeviceClockObserved(device_id=order.device_id, offset_seconds=seconds, deviates=deviates)]
