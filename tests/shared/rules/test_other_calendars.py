"""Terms in other calendars: of the libraries that are installed, the table of docs/query.md is counted again.

The rest of the table was seen by hand, with the versions that it names.
"""

import re
from collections.abc import Callable
from datetime import UTC, datetime
from importlib.metadata import version
from typing import Any

import duckdb
import polars
from dateutil.relativedelta import relativedelta
from whenever import Instant

from shared.ledger.database import Connection
from shared.rules.term import end_of
from tests.proof.query_page import PAGE

STARTS = ("2026-01-31T12:00Z", "2028-02-29T12:00Z", "2026-10-31T12:00Z", "2027-01-30T23:30Z")
TERMS = {"P1Y1M": (1, 1, 0), "P1M": (0, 1, 0), "P1Y4M1D": (1, 4, 1)}
ZONES = ("Europe/Berlin", "UTC")

IN_SQL = "'{start}'::timestamptz + interval '{years} years {months} months {days} days'"
BACK_IN_SQL = ", ".join(
    f"extract({unit} from age('{{end}}'::timestamptz, '{{start}}'))" for unit in ("year", "month", "day")
)

type Parts = tuple[int, int, int]
type Ends = Callable[[datetime, Parts], datetime]
type Difference = Callable[[datetime, datetime], Parts]


def counted_in_table(library: str) -> tuple[str, str, str]:
    """Return what the page counts of a library, whose name has the version: in Berlin, in UTC, terms given back."""
    [row] = re.findall(rf"^\| {re.escape(library)} \| (.*?) \| (.*?) \| (.*?) \|", PAGE, re.MULTILINE)
    in_berlin, in_utc, given_back = row
    return in_berlin, in_utc, given_back


def agreeing(ends: Ends) -> str:
    """Count, for each term, the starts after which the library's end is ours."""
    return ", ".join(
        str(sum(ends(started, parts) == end_of(started, term) for started in map(datetime.fromisoformat, STARTS)))
        for term, parts in TERMS.items()
    )


def given_back(difference: Difference) -> str:
    """Count the terms that the library finds between their start and our end."""
    return str(
        sum(
            difference(started, end_of(started, term)) == parts
            for started in map(datetime.fromisoformat, STARTS)
            for term, parts in TERMS.items()
        )
    )


def dateutils_end(started: datetime, parts: Parts) -> datetime:
    years, months, days = parts
    return started + relativedelta(years=years, months=months, days=days)


def dateutils_difference(started: datetime, ends_at: datetime) -> Parts:
    found = relativedelta(ends_at, started)
    return found.years, found.months, found.days


def whenevers_end(started: datetime, parts: Parts) -> datetime:
    years, months, days = parts
    return Instant(started).to_tz("UTC").add(years=years, months=months, days=days).to_stdlib()


def whenevers_difference(started: datetime, ends_at: datetime) -> Parts:
    end, start = Instant(ends_at).to_tz("UTC"), Instant(started).to_tz("UTC")
    found = end.since(start, in_units=["years", "months", "days"])
    return found["years"], found["months"], found["days"]


def polars_end(started: datetime, parts: Parts) -> datetime:
    years, months, days = parts
    [ends_at] = polars.Series([started]).dt.offset_by(f"{years}y{months}mo{days}d")
    assert isinstance(ends_at, datetime)
    return ends_at


def test_dateutil_ends_as_we_do_and_gives_terms_back() -> None:
    """R-75."""
    table = counted_in_table(f"python-dateutil {version('python-dateutil')}")
    assert table == (agreeing(dateutils_end), agreeing(dateutils_end), given_back(dateutils_difference))


def test_whenever_ends_as_we_do_and_gives_terms_back() -> None:
    """R-75."""
    table = counted_in_table(f"whenever {version('whenever')}")
    assert table == (agreeing(whenevers_end), agreeing(whenevers_end), given_back(whenevers_difference))


def test_polars_ends_as_we_do() -> None:
    """R-75."""
    assert counted_in_table(f"Polars {version('polars')}") == (agreeing(polars_end), agreeing(polars_end), "–")


def test_duckdb_ends_as_we_do_only_in_utc() -> None:
    """R-75."""
    with duckdb.connect() as connection:

        def answer(query: str) -> tuple[Any, ...]:
            row = connection.execute(f"select {query}").fetchone()
            assert row is not None
            return row

        def ends(started: datetime, parts: Parts) -> datetime:
            [milliseconds] = answer(f"epoch_ms({in_sql(started, parts)})")
            return datetime.fromtimestamp(milliseconds / 1_000, UTC)

        def difference(started: datetime, ends_at: datetime) -> Parts:
            years, months, days = answer(BACK_IN_SQL.format(start=started.isoformat(), end=ends_at.isoformat()))
            return years, months, days

        counted = []
        for zone in ZONES:
            connection.execute(f"set TimeZone = '{zone}'")
            counted.append(agreeing(ends))
        assert (*counted, given_back(difference)) == counted_in_table(f"DuckDB {version('duckdb')}")


async def test_postgresql_ends_as_we_do_only_in_utc(connection: Connection) -> None:
    """R-75."""
    cases = [(datetime.fromisoformat(start), parts) for start in STARTS for parts in TERMS.values()]
    counted = []
    for zone in ZONES:
        await connection.execute(f"set timezone = '{zone}'")
        ends = {case: await connection.fetchval(f"select {in_sql(*case)}") for case in cases}
        counted.append(agreeing(lambda *case: ends[case]))  # noqa: B023 - asked at once
    found = {}
    for started, term in ((started, term) for started in map(datetime.fromisoformat, STARTS) for term in TERMS):
        ours = end_of(started, term)
        query = BACK_IN_SQL.format(start=started.isoformat(), end=ours.isoformat())
        years, months, days = map(int, await connection.fetchrow(f"select {query}") or ())
        found[started, ours] = (years, months, days)
    table = counted_in_table(f"PostgreSQL {await connection.fetchval('show server_version')}")
    assert (*counted, given_back(lambda *case: found[case])) == table


def in_sql(started: datetime, parts: Parts) -> str:
    years, months, days = parts
    return IN_SQL.format(start=started.isoformat(), years=years, months=months, days=days)
