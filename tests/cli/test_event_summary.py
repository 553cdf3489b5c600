"""What the history of a device or a code tells people about each event."""

import json
from datetime import UTC, datetime

import pytest

from services.cli.event_summary import summarize
from shared.calendar import instant
from shared.messages import CloneSuspected, CloneSuspicionEnded, DeviceClockObserved, Event, LicenseRenewed, encode
from shared.reference.examples import examples
from tests.scenarios import A, D

BOUGHT, OLD_END, END = (datetime(2027, month, 1, 12, tzinfo=UTC) for month in (1, 3, 4))
AFTER_A_GAP = datetime(2027, 3, 5, 12, tzinfo=UTC)


def told(event: Event) -> str:
    return summarize(type(event).__name__, json.loads(encode(event)))


@pytest.mark.parametrize("event", examples(), ids=lambda event: type(event).__name__)
def test_every_event_tells_its_facts_in_words(event: Event) -> None:
    assert told(event)
    assert "_" not in told(event).replace("store.purchases.v1", "").replace(str(getattr(event, "reason", "")), "")


def test_a_clone_and_a_wrong_clock_are_told_with_what_was_seen() -> None:
    """R-88, R-111, R-138."""
    assert told(CloneSuspected(device_id=D, expected=12, received=7)) == "expected 12 received 7"
    assert told(CloneSuspicionEnded(device_id=D, cause="counted_on")) == "cause counted on"
    slow = DeviceClockObserved(device_id=D, offset_seconds=-86_400, deviates=True)
    assert told(slow) == "clock deviates by -86,400 s"
    right = DeviceClockObserved(device_id=D, offset_seconds=2, deviates=False)
    assert told(right) == "clock is right again, off by +2 s"


def test_a_renewal_tells_from_where_it_counts() -> None:
    """R-92, R-130."""
    in_time = LicenseRenewed(
        device_id=D, code_ref=A, order_id="1", purchased_at=BOUGHT, previous_ends_at=OLD_END, ends_at=END
    )
    assert f"counts from the old end, {instant(OLD_END)} " in told(in_time)
    late = in_time.but(purchased_at=AFTER_A_GAP)
    assert f"counts from its purchase, {instant(AFTER_A_GAP)}, because" in told(late)
    told_late = late.but(anchor_at=END)
    assert f"counts from its arrival, {instant(END)}, because" in told(told_late)


def test_what_is_not_the_event_that_it_is_called_is_told_all_the_same() -> None:
    """R-122: anybody can write to a topic."""
    assert summarize("LicenseRenewed", {"order_id": "1", "ends_at": "soon"}) == "ends soon order id 1"
