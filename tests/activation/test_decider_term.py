"""R-75: when a term ends, against the calendar of the standard library."""

from calendar import monthrange
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.activation.decider import end_of


@pytest.mark.parametrize(
    ("started", "term", "ends"),
    [
        ("2026-03-01", "P1Y", "2027-03-01"),
        ("2026-01-31", "P1M", "2026-02-28"),
        ("2028-01-31", "P1M", "2028-02-29"),
        ("2028-02-29", "P1Y", "2029-02-28"),
        ("2028-02-29", "P4Y", "2032-02-29"),
        ("2096-02-29", "P4Y", "2100-02-28"),
        ("2027-02-28", "P1Y", "2028-02-28"),
        ("2026-10-31", "P6M", "2027-04-30"),
        ("2026-12-31", "P2M", "2027-02-28"),
        ("2026-01-30", "P1Y1M1D", "2027-03-01"),
        ("2028-02-28", "P30D", "2028-03-29"),
        ("2026-12-15", "P13M", "2028-01-15"),
    ],
)
def test_a_term_ends_on_this_day(started: str, term: str, ends: str) -> None:
    """R-75."""
    assert end_of(_noon(started), term) == _noon(ends)


def test_summer_time_moves_no_end() -> None:
    """R-75: the same instant of the day in UTC, wherever the start was noted."""
    started = datetime(2026, 3, 28, 12, tzinfo=ZoneInfo("Europe/Berlin"))
    assert end_of(started, "P1D") - started == timedelta(days=1)
    ends = end_of(started, "P1M")
    assert (ends.tzinfo, ends.hour) == (UTC, 11)


@given(
    started=st.datetimes(datetime(1970, 1, 1), datetime(2200, 1, 1), timezones=st.just(UTC)),  # noqa: DTZ001
    months=st.integers(0, 999),
)
def test_months_keep_the_day_or_take_the_last_of_the_month(started: datetime, months: int) -> None:
    """R-75."""
    ends = end_of(started, f"P{months}M")
    year, month = divmod(started.year * 12 + started.month - 1 + months, 12)
    day = min(started.day, monthrange(year, month + 1)[1])
    assert ends.date() == date(year, month + 1, day)
    assert ends.timetz() == started.timetz()


@given(
    started=st.datetimes(datetime(1970, 1, 1), datetime(2200, 1, 1), timezones=st.just(UTC)),  # noqa: DTZ001
    days=st.integers(0, 9999),
    years=st.integers(0, 99),
)
def test_days_are_whole_and_years_are_twelve_months(started: datetime, days: int, years: int) -> None:
    """R-75."""
    assert end_of(started, f"P{days}D") - started == timedelta(days=days)
    assert end_of(started, f"P{years}Y") == end_of(started, f"P{12 * years}M")


def _noon(day: str) -> datetime:
    return datetime.fromisoformat(f"{day}T12:00:00Z")
