"""The device service's events are dated by when they happened, not by when they were noticed."""

from datetime import timedelta

import pytest

from services.device.outbox import OUTBOX
from shared.ledger.outbox import Cause
from shared.messages import Event, LicenseRemoved
from tests.scenarios import END, LATER, ORDER, A, D, enrolled, expired

REMOVED_AT = LATER - timedelta(days=2)
REMOVED = LicenseRemoved(
    device_id=D,
    code_ref=A,
    request_id=ORDER,
    product="security",
    region="DE",
    removed_at=REMOVED_AT,
    cause="deactivated_offline",
)


@pytest.mark.parametrize(("event", "occurred_at"), [(expired(), END), (REMOVED, REMOVED_AT), (enrolled(), LATER)])
def test_what_is_noticed_or_reported_late_keeps_its_date(event: Event, occurred_at: object) -> None:
    """R-43, R-114, R-125."""
    cause = Cause(at=LATER, recorded_at=LATER, correlation_id=ORDER)
    packed = OUTBOX.pack(event, stream_id=D, version=1, cause=cause)
    assert (packed.occurred_at, packed.recorded_at) == (occurred_at, LATER)
