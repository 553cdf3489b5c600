"""The tables of a comparison, as they come out of a pipe."""

import pytest

from tests.benchmarks.report import show_turns
from tests.benchmarks.test_figures import results


def printed(capsys: pytest.CaptureFixture[str]) -> list[list[str]]:
    """Return the words of each line."""
    return [line.split() for line in capsys.readouterr().out.splitlines()]


def test_two_builds_and_the_pair_stand_side_by_side_with_our_ratio_to_each(capsys: pytest.CaptureFixture[str]) -> None:
    pair = {"pair, outbox": results(lives_per_second=150)}
    ours = [results(lives_per_second=rate) | {"obvious_pair": pair} for rate in (300, 600)]
    show_turns(ours, "v1", [results(lives_per_second=900)])
    lines = printed(capsys)
    assert "figure ours v1 ours : it pair, outbox ours : it".split() in lines  # noqa: SIM905 - as it is read
    assert "lives/s, all on the same cores 450 900 0.50 150 3.00".split() in lines  # noqa: SIM905 - as it is read


def test_without_the_pair_only_the_builds_are_shown(capsys: pytest.CaptureFixture[str]) -> None:
    show_turns([results()], "v1", [results()])
    assert ["figure", "ours", "v1", "ours", ":", "it"] in printed(capsys)
