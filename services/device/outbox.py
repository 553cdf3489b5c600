"""What leaves the device service: its events, under the device's id."""

from datetime import datetime
from uuid import UUID

from shared.ledger.outbox import Outbox
from shared.messages import Event, LicenseExpired, LicenseRemoved

TOPIC = "device.events.v1"


def _event_id(event: Event) -> UUID | None:
    """An expiry is named by its license and generation, so that it can be recorded only once (R-32, R-43)."""
    return event.request_id if isinstance(event, LicenseExpired) else None


def _occurred_at(event: Event) -> datetime | None:
    """What a timer noticed or a device told late happened when it did (R-43, R-114, R-125)."""
    match event:
        case LicenseExpired():
            return event.ended_at
        case LicenseRemoved():
            return event.removed_at
        case _:
            return None


OUTBOX = Outbox(source="/perennial/device", topic=TOPIC, event_id=_event_id, occurred_at=_occurred_at)
SANDBOX_OUTBOX = Outbox(source="/perennial/sandbox/device", topic=TOPIC, event_id=_event_id, occurred_at=_occurred_at)
