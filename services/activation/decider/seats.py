"""Decides whether a seat on a code is free for a device (R-47, R-82), and counts the seats that are taken.

A device that holds a seat already needs no other one (R-83).
"""

from services.activation.decider.case import Case, Check
from services.activation.decider.state import Code
from shared.messages import DeviceId


def has_seat_for(code: Code, device_id: DeviceId) -> bool:
    """Tell whether the device holds a seat on the code, or one is free. `code.holders` must know the device."""
    return device_id in code.holders or code.seats_taken < code.seats


def seat_taken(code: Code, device_id: DeviceId) -> Code:
    """Return the code with a seat for the device: one for each device, however often it activates the code."""
    if device_id in code.holders:
        return code
    return code.but(holders=code.holders | {device_id}, seats_taken=code.seats_taken + 1)


def seat_released(code: Code, device_id: DeviceId) -> Code:
    """Return the code without the device's seat."""
    if device_id not in code.holders:
        return code
    return code.but(holders=code.holders - {device_id}, seats_taken=code.seats_taken - 1)


def _has_no_seat(case: Case) -> bool:
    return not has_seat_for(case.code, case.asked.device_id)


def _one_of(seats: int) -> str:
    return "the only seat" if seats == 1 else f"one of the {seats:,} seats"


SEATS_EXHAUSTED = Check(
    reason="seats_exhausted",
    rule="R-45, R-47, R-82",
    broken=_has_no_seat,
    change=lambda case: f"one more seat, or {_one_of(case.code.seats)} released",
)
