"""What a command prints where there is no terminal."""

import pytest
from typer.testing import CliRunner

from services.cli import app
from services.cli.output import show_rows, told_at_once

ROWS = [{"state": "ok", "do": ""}, {"state": "unreachable", "do": "start it"}]


def test_a_table_ends_no_line_in_blanks(capsys: pytest.CaptureFixture[str]) -> None:
    show_rows(ROWS, ("state", "do"), as_json=False)
    assert capsys.readouterr().out.splitlines() == ["state        do", "ok", "unreachable  start it"]


def test_text_ends_no_line_in_blanks_and_is_not_cut(capsys: pytest.CaptureFixture[str]) -> None:
    words = "word " * 1_000
    with told_at_once() as console:
        console.print(words)
    assert capsys.readouterr().out == f"{words.rstrip()}\n"


def test_the_list_of_reasons_ends_no_line_in_blanks() -> None:
    shown = CliRunner().invoke(app, ["reason", "list"]).stdout.splitlines()
    assert len(shown) > 50
    assert [line for line in shown if line != line.rstrip()] == []
