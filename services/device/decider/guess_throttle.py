"""Throttles guesses at codes: per device, never by locking a code. A good code does not reset the throttle (R-107)."""

from datetime import datetime

from services.device.decider.state import Device
from shared.messages import ActivationRefused, CodeRejected, DeviceEvent, DeviceId, GuessesThrottled
from shared.rules.policy import Policy, delay_after


def throttled(
    device_id: DeviceId, device: Device, fact: DeviceEvent, at: datetime, policy: Policy
) -> list[GuessesThrottled]:
    """Return until when the device must wait after the unknown code in `fact`, which `device` has already counted."""
    counted = [guess for guess in device.guesses if guess > at - policy.guess_window]
    match fact:
        case CodeRejected(reason="unknown_code"):
            beyond = len(counted) - policy.guesses_free
        case ActivationRefused(reason="unknown_code", trigger="offline"):
            beyond = max(1, len(counted) + 1 - policy.guesses_free)  # nobody can have activated an unknown code
        case _:
            return []
    until = at + delay_after(beyond, policy.guess_delays)
    if beyond < 1 or (device.throttled_until is not None and until <= device.throttled_until):
        return []
    return [GuessesThrottled(device_id=device_id, guesses=len(counted), until=until)]
