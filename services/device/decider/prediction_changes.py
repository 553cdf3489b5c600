"""Decides whether other devices or shops have changed the predicted end of a code that waits here (R-73)."""

from datetime import datetime

from services.device.decider.predictions import notices_of
from services.device.decider.state import Device, Reserve
from shared.messages import CodeEvent, LicenseActivated, LicenseRenewed, LicenseShortened, PredictionChanged
from shared.rules.term import end_of


def prediction_changes(device: Device, verdict: CodeEvent, at: datetime) -> list[PredictionChanged]:
    """Return the new predicted end of the waiting code, with its warnings, if the verdict changes them."""
    match verdict:
        case LicenseActivated() if verdict.device_id != device.device_id:
            return _changes(device, verdict, verdict.started_at, at)
        case LicenseRenewed() | LicenseShortened():
            return _changes(device, verdict, None, at)
        case _:
            return []


def _changes(
    device: Device,
    verdict: LicenseActivated | LicenseRenewed | LicenseShortened,
    started_at: datetime | None,
    at: datetime,
) -> list[PredictionChanged]:
    slot = next((slot for slot in device.slots if slot.code_ref == verdict.code_ref), None)
    if device.device_id is None or slot is None or _is_being_verified(slot):
        return []  # the verdict on the Add will say
    event = PredictionChanged(
        device_id=device.device_id,
        code_ref=slot.code_ref,
        predicted_ends_at=verdict.ends_at,
        started_at=started_at or slot.started_at,
        notices=notices_of(slot, verdict.ends_at, _full_term_ends_at(device, slot, at), device.license),
    )
    known = (slot.predicted_ends_at, slot.started_at, slot.notices)
    return [] if known == (event.predicted_ends_at, event.started_at, event.notices) else [event]


def _is_being_verified(slot: Reserve) -> bool:
    return slot.purpose == "reserve" and slot.term is None and slot.rejected is None


def _full_term_ends_at(device: Device, slot: Reserve, at: datetime) -> datetime | None:
    current = device.license
    begins_at = at if current is None or current.expired else current.over_at
    return None if slot.term is None else end_of(begins_at, slot.term)
