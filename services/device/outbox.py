"""How the device service's events go out: keyed by the device's id."""

from datetime import datetime
from uuid import UUID

from shared.ledger.outbox import Outbox
from shared.messages import Event, LicenseExpired, LicenseRemoved

TOPIC = "device.events.v1"


def _event_id(event: Event) -> UUID | None:
    """Return an expiry's id, derived from license and generation, so that it is recorded only once (R-32, R-43)."""
    return event.request_id if isinstance(event, LicenseExpired) else None


def _occurred_at(event: Event) -> datetime | None:
    """Return the true date of what a timer noticed or a device reported late (R-43, R-114, R-125)."""
    match event:
        case LicenseExpired():
            return event.ended_at
        case LicenseRemoved():
            return event.removed_at
        case _:
            return None


OUTBOX = Outbox(source="/perennial/device", topic=TOPIC, event_id=_event_id, occurred_at=_occurred_at)
SANDBOX_OUTBOX = Outbox(source="/perennial/sandbox/device", topic=TOPIC, event_id=_event_id, occurred_at=_occurred_at)
