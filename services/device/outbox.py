"""What leaves the device service: its events, under the device's id."""

from datetime import datetime
from uuid import UUID

from shared.messages import Event, LicenseExpired
from shared.outbox import Outbox

TOPIC = "device.events.v1"


def _event_id(event: Event) -> UUID | None:
    """An expiry is named by its license and generation, so that it can be recorded only once (R-32, R-43)."""
    return event.request_id if isinstance(event, LicenseExpired) else None


def _occurred_at(event: Event) -> datetime | None:
    """An expiry happened at the end of the license, however late it was noticed (R-43)."""
    return event.ended_at if isinstance(event, LicenseExpired) else None


OUTBOX = Outbox(source="/perennial/device", topic=TOPIC, event_id=_event_id, occurred_at=_occurred_at)
SANDBOX_OUTBOX = Outbox(source="/perennial/sandbox/device", topic=TOPIC, event_id=_event_id, occurred_at=_occurred_at)
