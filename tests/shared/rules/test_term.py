"""When a term ends: the dates one would write by hand, and those of an independent calendar library.

`whenever` shares no code with the library that the rules use, nor with the standard library's `datetime`.
"""

from calendar import isleap, monthrange
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from whenever import Instant

from shared.rules.term import CALENDAR_END, CALENDAR_START, earlier_by, end_of

ZONES = ("UTC", "Europe/Berlin", "America/New_York", "Asia/Kathmandu", "Australia/Lord_Howe", "Pacific/Apia")
"""Summer times of an hour and of half an hour, a quarter of an hour, and a day that never was."""

starts = st.datetimes(datetime(1970, 1, 1), datetime(2200, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001


def independently(started: datetime, *, years: int = 0, months: int = 0, days: int = 0) -> datetime:
    """Return the end of a term by the other library, as a calendar in UTC has it."""
    begins = Instant(started).to_tz("UTC")
    return begins.add(years=years, months=months, days=days).to_stdlib().astimezone(UTC)


def noon(day: str) -> datetime:
    return datetime.fromisoformat(f"{day}T12:00:00Z")


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
    assert end_of(noon(started), term) == noon(ends)


@given(started=starts, years=st.integers(0, 99), months=st.integers(0, 999), days=st.integers(0, 9_999))
@example(started=datetime(2028, 2, 29, 23, 59, 59, tzinfo=UTC), years=1, months=0, days=0)
@example(started=datetime(2026, 1, 31, tzinfo=UTC), years=0, months=1, days=1)
@example(started=datetime(1999, 12, 31, tzinfo=UTC), years=0, months=2, days=0)
def test_every_term_ends_where_another_calendar_says(started: datetime, years: int, months: int, days: int) -> None:
    """R-75."""
    term = "P" + (f"{years}Y" if years else "") + (f"{months}M" if months else "") + f"{days}D"
    assert end_of(started, term) == independently(started, years=years, months=months, days=days)


@pytest.mark.parametrize("year", [1970, 1999, 2000, 2026, 2027, 2028, 2096, 2100, 2199])
def test_every_day_of_a_year_ends_where_another_calendar_says(year: int) -> None:
    """R-75: leap years, ordinary ones, and 2100, which is none; every month end among them."""
    first = datetime(year, 1, 1, 12, tzinfo=UTC)
    for day in range(366 if isleap(year) else 365):
        started = first + timedelta(days=day)
        assert end_of(started, "P1Y") == independently(started, years=1)
        assert end_of(started, "P4Y") == independently(started, years=4)
        for months in (1, 2, 6, 11, 13, 24):
            assert end_of(started, f"P{months}M") == independently(started, months=months)


@pytest.mark.parametrize("zone", ZONES)
@pytest.mark.parametrize("term", ["P1D", "P30D", "P365D", "P1M", "P6M", "P1Y"])
def test_daylight_saving_time_moves_no_end(zone: str, term: str) -> None:
    """R-75: an end is the same instant wherever the start was noted, on every day of a year."""
    for day in range(365):
        instant = datetime(2026, 1, 1, 1, 30, tzinfo=UTC) + timedelta(days=day)
        ends = end_of(instant.astimezone(ZoneInfo(zone)), term)
        assert (ends, ends.tzinfo) == (end_of(instant, term), UTC)
        years, months, days = (int(term[1:-1]) if term.endswith(unit) else 0 for unit in "YMD")
        begins = Instant(instant).to_tz(zone).to_tz("UTC")
        assert Instant(ends) == begins.add(years=years, months=months, days=days).to_instant()


def test_a_day_is_24_hours_even_when_clocks_change() -> None:
    """R-12, R-75."""
    started = datetime(2026, 3, 28, 12, tzinfo=ZoneInfo("Europe/Berlin"))
    assert end_of(started, "P1D") - started.astimezone(UTC) == timedelta(days=1)
    assert end_of(started, "P1M").hour == 11  # noon in winter time, though it is summer by then


@given(started=starts, months=st.integers(0, 999))
def test_months_keep_the_day_or_take_the_last_of_the_month(started: datetime, months: int) -> None:
    """R-75."""
    ends = end_of(started, f"P{months}M")
    year, month = divmod(started.year * 12 + started.month - 1 + months, 12)
    day = min(started.day, monthrange(year, month + 1)[1])
    assert ends.date() == date(year, month + 1, day)
    assert ends.timetz() == started.timetz()


@given(started=starts, days=st.integers(0, 9_999), years=st.integers(0, 99))
def test_days_are_whole_and_years_are_twelve_months(started: datetime, days: int, years: int) -> None:
    """R-75."""
    assert end_of(started, f"P{days}D") - started == timedelta(days=days)
    assert end_of(started, f"P{years}Y") == end_of(started, f"P{12 * years}M")


@given(one=starts, other=starts, months=st.integers(0, 200), days=st.integers(0, 100))
def test_a_later_start_never_ends_earlier(one: datetime, other: datetime, months: int, days: int) -> None:
    """R-66, R-92."""
    first, second = sorted((one, other))
    term = f"P{months}M{days}D"
    assert end_of(first, term) <= end_of(second, term)


@given(ends=starts, years=st.integers(0, 50), months=st.integers(0, 500), days=st.integers(0, 5_000))
def test_a_term_is_subtracted_as_another_calendar_does_it(ends: datetime, years: int, months: int, days: int) -> None:
    """R-96."""
    assert earlier_by(ends, f"P{years}Y{months}M{days}D") == independently(
        ends, years=-years, months=-months, days=-days
    )


def test_a_term_beyond_the_calendar_ends_with_the_calendar() -> None:
    """R-75."""
    assert end_of(noon("9990-01-01"), "P99Y") == CALENDAR_END
    assert earlier_by(noon("0050-01-01"), "P99Y") == CALENDAR_START
