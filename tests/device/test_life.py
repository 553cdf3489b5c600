"""The device's life as periods and marks: what the time line shows, from the events that led to each state."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from uuid import UUID

from services.device.decider import DeviceEvent
from services.device.explanation import Life, Told, life_of
from services.device.window.history import history_of
from shared.pages import plain
from shared.pages.pictures import WIDTH, Span, columns, time_line
from tests.device import histories
from tests.scenarios import END, NEXT_END, NOON, START, A, B, activated, blocked, expired, refused, rejected, renewed

DAY = timedelta(days=1)


def lived(events: Sequence[DeviceEvent], *times: datetime) -> Life:
    """Return the life of these events; the last of them happen at `times`, those before at the start."""
    at = [START] * (len(events) - len(times)) + list(times)
    told = [
        Told(
            event=event,
            event_id=UUID(int=number),
            causation_id=None,
            version=number,
            slice=1,
            position=number,
            occurred_at=moment,
        )
        for number, (event, moment) in enumerate(zip(events, at, strict=True), 1)
    ]
    return life_of(told)


def periods(life: Life, what: str) -> list[tuple[datetime, datetime | None]]:
    return [(period.since, period.until) for period in life.periods if period.what == what]


def test_a_license_lasts_until_its_end_as_known_today() -> None:
    """R-40, R-67."""
    life = lived(histories.ACTIVE)
    (period,) = life.periods
    assert (period.what, period.until) == ("license", END)
    assert lived([*histories.ACTIVE, expired()], END + DAY).periods[0].until == END


def test_a_license_that_a_block_stops_ends_there_and_the_block_is_marked() -> None:
    """R-105."""
    stop = NOON + 8 * DAY
    life = lived([*histories.ACTIVE, blocked(A, stops=stop)], NOON)
    assert [until for _, until in periods(life, "license")] == [stop]
    assert [(mark.what, mark.at) for mark in life.marks] == [("block", NOON)]


def test_a_reserve_waits_until_it_takes_over() -> None:
    """R-31, R-38: one period ends where the next begins."""
    ready = lived(histories.READY)
    assert periods(ready, "reserve") == [(START, None)]
    events = [*histories.READY, expired(reserve=B), activated(B, at=END, ends=NEXT_END, trigger="automatic")]
    life = lived(events, END, END)
    assert periods(life, "reserve") == [(START, END)]
    assert [until for _, until in periods(life, "license")] == [END, NEXT_END]
    assert periods(life, "license")[1][0] == END


def test_a_license_renewed_after_its_end_runs_again_after_a_gap() -> None:
    """R-90."""
    back = END + 10 * DAY
    life = lived([*histories.EXPIRED, renewed(A, ends=back + 365 * DAY)], END, back)
    assert [since for since, _ in periods(life, "license")][1] == back
    assert periods(life, "license")[0][1] == END
    assert [mark.what for mark in life.marks] == ["renewal"]


def test_refusals_are_marked_with_their_reason() -> None:
    """R-19."""
    life = lived([*histories.VERIFYING, rejected(B, "wrong_region")], NOON)
    assert [(mark.what, mark.reason) for mark in life.marks] == [("refusal", "wrong_region")]
    assert periods(life, "reserve") == [(START, NOON)]
    tried = lived([*histories.ACTIVATING, refused(B, "code_blocked")], END)
    assert [mark.reason for mark in tried.marks] == ["code_blocked"]


def test_the_window_shows_the_life_latest_first_and_as_a_picture() -> None:
    shown = history_of(lived([*histories.VERIFYING, rejected(B, "wrong_region")], NOON), now=NOON + DAY)
    assert [row.what for row in shown.rows] == ["Refused", "New code", "License"]
    assert "•••••" in plain(shown.rows[1].about)
    assert shown.line is not None
    assert [lane.name for lane in shown.line.lanes] == ["License", "New code", "Renewals and refusals"]
    assert history_of(lived(histories.UNLICENSED), now=NOON).line is None


def test_a_time_line_is_drawn_to_scale_and_nothing_leaves_it() -> None:
    lanes = [("One", "", [Span(START, START + 5 * DAY)]), ("Two", "", [Span(START + 10 * DAY, START + 10 * DAY)])]
    line = time_line(lanes, now=START + 5 * DAY)
    assert line is not None
    assert line.now_x == WIDTH / 2
    (whole,), (moment,) = (lane.bars for lane in line.lanes)
    assert (whole.x, whole.width) == (0, WIDTH / 2)
    assert moment.width > 0
    assert moment.x + moment.width == WIDTH
    assert time_line([("One", "", [])], now=START) is None


def test_columns_stand_on_one_another_and_the_highest_fills_the_picture() -> None:
    low, high, more = columns([[(1, "calm")], [(2, "calm"), (2, "bad")], [(0, "calm")]])
    assert (low.height, high.height, more.height) == (25, 50, 50)
    assert (high.y, more.y, more.tone) == (50, 0, "bad")
    assert columns([]) == []
