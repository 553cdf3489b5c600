"""What docs/query.md says of readers is true: each query runs as it stands, and each trap and its cure are there."""

import asyncio
import shlex
from datetime import timedelta
from pathlib import Path
from typing import Any

import duckdb
import polars
import pytest

from shared.ledger.identity import new_id
from shared.messages import CodeIssued, LicenseRenewed
from shared.reference.examples import examples
from tests.proof.conftest import STREAMS, History, Perennial, answer, events
from tests.proof.query_page import (
    BY_MONTH,
    EXPORTS,
    IN_PSQL,
    OF_BREAKS,
    OF_JSON_LINES,
    OF_TERMS,
    READ_JSON_LINES,
    READ_PARQUET,
)
from tests.shared.records import NOON, packed

DUCKDB_SAMPLE = 20_480
POLARS_SAMPLE = 100
QUOTED = '{"note":"a \\"quoted\\" word"}'
WITH_UMLAUT = '{"note":"Müller"}'


def rows(query: str) -> list[tuple[Any, ...]]:
    """Return what DuckDB answers."""
    with duckdb.connect() as connection:
        return connection.execute(query).fetchall()


@pytest.fixture
def exported(perennial: Perennial, history: History, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> History:
    """A folder with both exports of a log: every event that there is, and texts that readers break on."""
    of_every_kind = [packed(f"of-{type(event).__name__}", 1, event) for event in examples()]
    texts = [packed("pc-1", 1)._replace(data=QUOTED.encode()), packed("pc-1", 2)._replace(data=WITH_UMLAUT.encode())]
    asyncio.run(history.append([*of_every_kind, *texts]))
    monkeypatch.chdir(tmp_path)
    export(perennial)
    return history


def export(perennial: Perennial) -> None:
    for format_ in ("parquet", "jsonl"):
        answer(perennial("log", "export", "--format", format_, "--to", f"events.{format_}", "--force", "--json"))


@pytest.mark.parametrize("line", EXPORTS)
@pytest.mark.usefixtures("history")
def test_an_export_is_written_as_the_page_says(
    perennial: Perennial, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, line: str
) -> None:
    monkeypatch.chdir(tmp_path)
    program, *words = shlex.split(line, comments=True)
    assert program == "perennial"
    told = answer(perennial(*words, "--json"))
    assert rows(f"select count(*) from '{told['file']}'") == [(told["events"],)] == [(13,)]


# --- DuckDB -----------------------------------------------------------------------------------------


@pytest.mark.usefixtures("exported")
def test_events_are_counted_by_month() -> None:
    counted = {(kind, month): count for kind, month, count in rows(BY_MONTH)}
    assert counted["CodeBlocked", "2026-03"] == 13 + 2 + 1
    assert counted["CodeIssued", "2026-03"] == 1


@pytest.mark.usefixtures("exported")
def test_terms_and_ends_are_read_from_the_events() -> None:
    """R-75, R-129: nobody needs to compute an end."""
    told = {stream: (term, ends_at) for stream, term, ends_at in rows(OF_TERMS)}
    [issued] = [event for event in examples() if isinstance(event, CodeIssued)]
    [renewed] = [event for event in examples() if isinstance(event, LicenseRenewed)]
    assert told == {
        "of-CodeIssued": (issued.term, None),
        "of-LicenseRenewed": (renewed.term, renewed.ends_at),
    }


def test_a_whole_export_proves_its_chain_and_a_broken_one_names_the_place(
    perennial: Perennial, exported: History
) -> None:
    """R-127."""
    assert rows(OF_BREAKS) == []
    asyncio.run(exported.tamper("update event set data = data || ' ' where slice = 3 and position = 4"))
    export(perennial)
    assert rows(OF_BREAKS) == [("device", 3, 4)]


@pytest.mark.usefixtures("exported")
@pytest.mark.parametrize("text", [QUOTED, WITH_UMLAUT])
def test_the_bytes_of_an_event_are_encoded_and_never_cast(text: str) -> None:
    """R-127."""
    where = f"from 'events.parquet' where data = '{text}'"
    assert rows(f"select encode(data) {where}") == [(text.encode(),)]
    with pytest.raises(duckdb.ConversionException, match=r"string -> blob|STRING -> BLOB"):
        rows(f"select data::BLOB {where}")


@pytest.mark.usefixtures("exported")
def test_with_named_columns_json_lines_say_what_parquet_says() -> None:
    by_name = rows(OF_JSON_LINES)
    query = "select type, data->>'$.code_ref', causation_id from 'events.parquet' order by ledger, slice, position"
    assert by_name == rows(query)
    guessed = "select any_value(typeof(occurred_at)), any_value(typeof(stream_id)) from 'events.jsonl'"
    assert rows(guessed) == [("TIMESTAMP WITH TIME ZONE", "VARCHAR")]


def test_the_type_of_a_stream_is_guessed_by_what_the_file_holds(
    perennial: Perennial, history: History, tmp_path: Path
) -> None:
    device_id = str(new_id())
    asyncio.run(history.append([packed(device_id)]))
    for stream, kind in ((device_id, "UUID"), (STREAMS[3], "VARCHAR")):
        file = tmp_path / f"{kind}.jsonl"
        answer(perennial("log", "export", "--format", "jsonl", "--device", stream, "--to", file, "--json"))
        assert rows(f"select any_value(typeof(stream_id)) from '{file}'") == [(kind,)]


def test_what_the_first_lines_do_not_have_is_lost_unless_columns_are_named(
    perennial: Perennial, history: History, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first lines of the file, those of slice 3, have no cause and no reason; only the last line has."""
    caused = packed(STREAMS[200], 2)._replace(causation_id=new_id(), data=b'{"reason":"stolen"}')
    first = [event._replace(occurred_at=NOON) for event in events(3, 8, DUCKDB_SAMPLE)]
    asyncio.run(history.append([*first, caused]))
    monkeypatch.chdir(tmp_path)
    export(perennial)
    guessed = "select count(*), count(causation_id), any_value(typeof(causation_id)) from "
    assert rows(f"{guessed} 'events.jsonl'")[0][1:] == (0, '"NULL"')
    assert rows(f"{guessed} read_json('events.jsonl', sample_size = -1)")[0][1:] == (1, "UUID")
    data = "select count(*) from (describe select data.reason from {})"
    with pytest.raises(duckdb.BinderException, match="reason"):
        rows(data.format("'events.jsonl'"))
    assert rows(data.format("read_json('events.jsonl', sample_size = -1)")) == [(1,)]
    assert [row[2] for row in rows(OF_JSON_LINES) if row[2]] == [str(caused.causation_id)]


# --- Polars -----------------------------------------------------------------------------------------


@pytest.mark.usefixtures("exported")
def test_polars_reads_parquet_with_its_types(capsys: pytest.CaptureFixture[str]) -> None:
    frame = run(READ_PARQUET)
    assert "ActivateNow" in capsys.readouterr().out
    assert frame.schema["occurred_at"] == polars.Datetime("ms", "UTC")
    assert frame.schema["causation_id"] == frame.schema["data"] == polars.String


def test_polars_reads_json_lines_only_when_it_looks_at_all_of_them(
    perennial: Perennial, history: History, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    caused = packed(STREAMS[200], 2)._replace(causation_id=new_id(), data=b'{"reason":"stolen"}')
    asyncio.run(history.append([*events(3, 8, POLARS_SAMPLE), caused]))
    monkeypatch.chdir(tmp_path)
    export(perennial)
    with pytest.raises(polars.exceptions.ComputeError, match="got non-null value for NULL-typed column"):
        polars.read_ndjson("events.jsonl")
    frame = run(READ_JSON_LINES)
    assert frame["causation_id"].drop_nulls().to_list() == [str(caused.causation_id)]
    assert frame["data"].struct.field("reason").drop_nulls().to_list() == ["stolen"]
    assert frame.schema["occurred_at"] == polars.String


def run(program: str) -> polars.DataFrame:
    """Run a program of the page, and return the events that it read."""
    names: dict[str, Any] = {}
    exec(program, names)  # it is a page of ours
    frame: polars.DataFrame = names["events"]
    return frame


# --- PostgreSQL -------------------------------------------------------------------------------------


async def test_the_view_of_terms_gives_text_and_recorded_ends(exported: History) -> None:
    """R-75, R-129."""
    async with exported.database.connected() as connection:
        found = await connection.fetch(IN_PSQL)
    told = {row["stream_id"]: (row["type"], row["device_id"], row["term"], row["ends_at"]) for row in found}
    expected = {
        f"of-{name}": (name, device_id, term, ends_at)
        for event in examples()
        for name in [type(event).__name__]
        for device_id, term, ends_at in [[getattr(event, what, None) for what in ("device_id", "term", "ends_at")]]
        if term or ends_at
    }
    assert told == expected
    assert {"CodeIssued", "CodeVerified", "LicenseActivated", "LicenseRenewed"} <= {told[name][0] for name in told}
    assert told["of-CodeIssued"][2] == "P1Y2M3D"


async def test_drivers_make_days_of_an_interval(exported: History) -> None:
    """R-75: why the view gives text. 365 days from 1 January 2028 end on 31 December 2028."""
    async with exported.database.connected() as connection:
        assert await connection.fetchval("select interval 'P1Y'") == timedelta(days=365)
        assert await connection.fetchval("select interval 'P1M'") == timedelta(days=30)
        assert {type(row["term"]) for row in await connection.fetch(IN_PSQL)} == {str, type(None)}
