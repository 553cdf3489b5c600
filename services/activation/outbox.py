"""How the activation service's events go out: keyed by the code's reference."""

from datetime import datetime
from uuid import UUID

from shared.ledger.outbox import Outbox
from shared.messages import Event

TOPIC = "activation.events.v1"


def _event_id(_: Event) -> UUID | None:
    return None


def _occurred_at(_: Event) -> datetime | None:
    return None


OUTBOX = Outbox(source="/perennial/activation", topic=TOPIC, event_id=_event_id, occurred_at=_occurred_at)
SANDBOX_OUTBOX = Outbox(
    source="/perennial/sandbox/activation", topic=TOPIC, event_id=_event_id, occurred_at=_occurred_at
)
