"""What a command prints where there is no terminal."""

import json

import pytest
from typer.testing import CliRunner

from services.cli import app
from services.cli.devices import FOR_PROGRAMS
from services.cli.output import show, show_rows, told_at_once

ROWS = [{"state": "ok", "do": ""}, {"state": "unreachable", "do": "start it"}]


def test_a_table_ends_no_line_in_blanks(capsys: pytest.CaptureFixture[str]) -> None:
    show_rows(ROWS, ("state", "do"), as_json=False)
    assert capsys.readouterr().out.splitlines() == ["state        do", "ok", "unreachable  start it"]


def test_people_are_not_shown_how_a_service_keeps_track_and_programs_are(capsys: pytest.CaptureFixture[str]) -> None:
    answer = {"status": "active", "license": {"generation": 3, "kind": "paid"}, "reserve": {"awaits": False}}
    show(answer, as_json=False, hidden=FOR_PROGRAMS)
    assert [line.split() for line in capsys.readouterr().out.splitlines()] == [
        ["status", "active"],
        ["license.kind", "paid"],
    ]
    show(answer, as_json=True, hidden=FOR_PROGRAMS)
    assert json.loads(capsys.readouterr().out) == answer


def test_text_ends_no_line_in_blanks_and_is_not_cut(capsys: pytest.CaptureFixture[str]) -> None:
    words = "word " * 1_000
    with told_at_once() as console:
        console.print(words)
    assert capsys.readouterr().out == f"{words.rstrip()}\n"


def test_the_list_of_reasons_ends_no_line_in_blanks() -> None:
    shown = CliRunner().invoke(app, ["reason", "list"]).stdout.splitlines()
    assert len(shown) > 50
    assert [line for line in shown if line != line.rstrip()] == []
