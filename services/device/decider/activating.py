"""When the device service asks for an activation attempt: at the expiry, on Activate now, after a delay.

The id of an attempt that no door asked for is derived from what led to it, so that a timer or a record
that is handled twice says the same thing (R-32, R-116).
"""

from datetime import datetime
from uuid import NAMESPACE_URL, UUID, uuid5

from services.device.decider.adding import NO_POLICY
from services.device.decider.answers import may_activate_now
from services.device.decider.commands import Activate, ReportExpiry, RetryActivation
from services.device.decider.state import Device, Reserve
from shared.messages import ActivateNow, ActivationRefused, ActivationRetried, DeviceEvent, DeviceId, LicenseExpired

_ATTEMPTS = uuid5(NAMESPACE_URL, "urn:perennial:activation-attempts")


def expiry_due(device: Device, at: datetime) -> list[DeviceEvent]:
    """Return the expiry if it is due at `at` and not yet recorded: once, with the true end (R-40, R-43)."""
    current, reserve = device.license, device.reserve
    if device.device_id is None or current is None or current.expired or at < current.ends_at:
        return []
    # a running attempt is not started a second time
    successor = None if reserve is None or reserve.status == "activating" else reserve.code_ref
    return [
        LicenseExpired(
            device_id=device.device_id,
            code_ref=current.code_ref,
            ended_at=current.ends_at,
            generation=current.generation,
            request_id=uuid5(_ATTEMPTS, f"{device.device_id}/expiry/{current.generation}"),
            product=device.product,
            region=device.region,
            reserve_ref=successor,
        )
    ]


def report_expiry(device: Device, order: ReportExpiry) -> list[DeviceEvent]:
    """Return the expiry if the claim is right by server time, else why it is not (R-33, R-34)."""
    current, reserve = device.license, device.reserve
    if current is None or current.expired:
        return []
    stale = order.ended_at != current.ends_at
    if not stale and order.at >= current.ends_at:
        return expiry_due(device, order.at)
    return [
        ActivationRefused(
            device_id=order.device_id,
            reason="stale" if stale else "not_expired",
            trigger="automatic",
            request_id=order.request_id,
            policy_version=NO_POLICY,
            code_ref=None if reserve is None else reserve.code_ref,
            available_at=None if stale else current.ends_at,
        )
    ]


def activate_now(device: Device, order: Activate) -> list[DeviceEvent]:
    """Return the user's attempt, or why there is none; it joins an attempt that is running (R-55, R-60)."""
    answer, reserve = may_activate_now(device, order.at, order.code_ref), device.reserve
    if answer.reason == "activation_running":
        return []
    if answer.reason is None and reserve is not None:
        return [asked(ActivateNow, order.device_id, device, reserve, order.request_id)]
    return [
        ActivationRefused(
            device_id=order.device_id,
            reason=answer.reason or "no_reserve",
            trigger="manual",
            request_id=order.request_id,
            policy_version=NO_POLICY,
            code_ref=order.code_ref if reserve is None else reserve.code_ref,
            available_at=answer.available_at,
        )
    ]


def retry(device: Device, timer: RetryActivation) -> list[DeviceEvent]:
    """Return the next attempt of a delayed activation when it is due (R-49)."""
    reserve = device.reserve
    if reserve is None or reserve.retry_at is None or timer.at < reserve.retry_at:
        return []
    # no license is in force: its renewal would have ended the delay
    return [retried(timer.device_id, device, reserve)]


def retried(device_id: DeviceId, device: Device, reserve: Reserve) -> ActivationRetried:
    """Return the next attempt of the reserve that no door asked for; its id follows from the last one's."""
    last = reserve.attempt_request_id or reserve.added_request_id
    return asked(ActivationRetried, device_id, device, reserve, uuid5(_ATTEMPTS, f"{device_id}/retry/{last}"))


def asked[Request: (ActivateNow, ActivationRetried)](
    request: type[Request], device_id: DeviceId, device: Device, reserve: Reserve, request_id: UUID
) -> Request:
    """Return the request for an attempt of the reserve, with what the recheck needs to know."""
    current = device.license
    return request(
        device_id=device_id,
        code_ref=reserve.code_ref,
        request_id=request_id,
        product=device.product,
        region=device.region,
        current_ref=None if current is None else current.code_ref,
        current_ends_at=None if current is None else current.ends_at,
    )
