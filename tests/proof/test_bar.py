"""The progress of a long order: on stderr, with its rate and what is left; a bar for terminals, lines for logs."""

import pytest

from services.cli import bar
from services.cli.bar import Bar


def test_where_no_bar_can_be_drawn_a_line_comes_now_and_then(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bar, "LINE_SECONDS", 0.0)
    with Bar("events", terminal=False) as progress:
        monkeypatch.setattr(progress, "_since", progress._since - 10)
        progress.update(0, 3_000)
        progress.update(1_000, 3_000)
    first, second = capsys.readouterr().err.splitlines()
    assert first == "0 of 3,000 events (0%), 0/s"
    assert second == "1,000 of 3,000 events (33%), 100/s, 20 s left"


def test_an_order_that_is_done_at_once_says_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    with Bar("events", terminal=False) as progress:
        progress.update(5, 5)
    assert capsys.readouterr().err == ""


def test_a_terminal_gets_a_bar_and_stdout_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    with Bar("events", terminal=True) as progress:
        progress.update(1_000, 3_000)
    said = capsys.readouterr()
    assert said.out == ""
    assert "events" in said.err
