"""How a time is told, and from where a renewal counts."""

from datetime import UTC, datetime, timedelta, timezone

import pytest

from shared.calendar import instant
from shared.messages import LicenseRenewed
from shared.rules.decider import StateStruct
from shared.rules.renewals import start_of
from tests.scenarios import NOON, A, D

END = NOON + timedelta(days=30)


class Kept(StateStruct, frozen=True):
    at: datetime
    more: tuple[datetime, ...] = ()


@pytest.mark.parametrize(
    ("at", "told"),
    [
        (datetime(2027, 3, 1, 12, tzinfo=UTC), "2027-03-01T12:00:00.000Z"),
        (datetime(2027, 3, 1, 12, 0, 0, 250_999, tzinfo=UTC), "2027-03-01T12:00:00.250Z"),
        (datetime(2027, 3, 1, 12, tzinfo=timezone(timedelta(hours=1))), "2027-03-01T11:00:00.000Z"),
    ],
)
def test_a_state_tells_its_times_in_the_one_spelling(at: datetime, told: str) -> None:
    """R-144."""
    assert Kept(at=at, more=(at,)).to_dict() == {"at": told, "more": [told]}
    assert instant(at) == told


@pytest.mark.parametrize(
    ("purchased_at", "anchor_at", "start"),
    [
        (NOON, None, f"the old end, {instant(END)}"),
        (NOON, NOON - timedelta(days=60), f"the old end, {instant(END)}"),
        (END, END, f"the old end, {instant(END)}"),
        (END + timedelta(days=1), None, f"its purchase, {instant(END + timedelta(days=1))}, because"),
        (NOON, END + timedelta(days=2), f"its arrival, {instant(END + timedelta(days=2))}, because"),
    ],
)
def test_a_renewal_says_from_where_it_counts(purchased_at: datetime, anchor_at: datetime | None, start: str) -> None:
    """R-92, R-129, R-130."""
    renewed = LicenseRenewed(
        device_id=D,
        code_ref=A,
        order_id="1",
        purchased_at=purchased_at,
        previous_ends_at=END,
        ends_at=END + timedelta(days=60),
        anchor_at=anchor_at,
    )
    assert start_of(renewed).startswith(start)
