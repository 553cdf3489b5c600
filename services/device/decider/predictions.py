"""Predicts when a code in a slot will end, from recorded facts alone: no policy, no clock."""

from datetime import datetime
from typing import get_args

from services.device.decider.state import Device, License, Reserve
from shared.messages import Notice
from shared.rules.term import end_of

END_NOTICES: tuple[Notice, ...] = ("less_than_full_term", "not_later_than_current")
"""The notices that depend on the predicted end; the others depend only on the code."""
IN_ORDER: tuple[Notice, ...] = get_args(Notice)


def predicted(device: Device) -> Device:
    """Return the device with the ends of its slots predicted from the current license (R-93)."""
    current = device.license
    if current is None or current.expired:
        return device  # the verdict on the attempt will set the end
    slots = [slot and follows(slot, current) for slot in (device.reserve, device.incoming)]
    return device.but(reserve=slots[0], incoming=slots[1])


def follows(slot: Reserve, current: License) -> Reserve:
    """Return the slot with the end that its code has, or will have if it takes over from `current`."""
    if slot.started_at is None and slot.term is None:
        return slot
    full_term_ends_at = None if slot.term is None else end_of(current.over_at, slot.term)
    ends_at = full_term_ends_at if slot.started_at is None else slot.predicted_ends_at
    return slot.but(predicted_ends_at=ends_at, notices=notices_of(slot, ends_at, full_term_ends_at, current))


def notices_of(
    slot: Reserve, ends_at: datetime | None, full_term_ends_at: datetime | None, current: License | None
) -> tuple[Notice, ...]:
    """Return the slot's notices if its code ends at `ends_at` (R-72, R-73, R-78)."""
    notices = set(slot.notices) - set(END_NOTICES)
    if ends_at is not None and full_term_ends_at is not None and ends_at < full_term_ends_at:
        notices.add("less_than_full_term")
    if ends_at is not None and current is not None and ends_at <= current.over_at:
        notices.add("not_later_than_current")
    return tuple(notice for notice in IN_ORDER if notice in notices)
