"""The tables of state × input of both deciders, formatted to a page's width."""

import importlib
from collections.abc import Iterator, Sequence
from itertools import chain

WIDTH_MAX = 150
"""The maximum width of a row: a table with many inputs is split into parts."""

type Cell = tuple[str, str, str]
"""A state, an input, and the outcome."""


def table_of(service: str) -> list[Cell] | None:
    """Return the table of one decider, or None if its tests define none."""
    for name in (f"tests.{service}.table", f"tests.{service}.test_every_state_and_input"):
        try:
            module = importlib.import_module(name)
        except ModuleNotFoundError as error:
            if error.name != name:
                raise
            continue
        if hasattr(module, "table"):
            return [(state, incoming, outcome) for state, incoming, outcome in module.table()]
    return None


def drawn(cells: Sequence[Cell]) -> Iterator[str]:
    """Return the lines of the table: a row for each state, a column for each input, in as many parts as needed."""
    states = list(dict.fromkeys(state for state, _, _ in cells))
    inputs = list(dict.fromkeys(incoming for _, incoming, _ in cells))
    outcomes = {(state, incoming): outcome for state, incoming, outcome in cells}
    first = ["", *states]
    columns = [[incoming, *(outcomes.get((state, incoming), "?") for state in states)] for incoming in inputs]
    for part in _parts(columns, WIDTH_MAX - _width(first)):
        yield from _lines([first, *part])
        yield ""


def _parts(columns: Sequence[list[str]], width_max: int) -> Iterator[list[list[str]]]:
    """Return the columns in groups that fit side by side, with at least one in each."""
    part: list[list[str]] = []
    for column in columns:
        if part and sum(map(_width, [*part, column])) > width_max:
            yield part
            part = []
        part.append(column)
    if part:
        yield part


def _lines(columns: Sequence[list[str]]) -> Iterator[str]:
    for row in zip(*columns, strict=True):
        padded = (cell.ljust(_width(column)) for cell, column in zip(row, columns, strict=True))
        yield "".join(padded).rstrip()


def _width(column: Sequence[str]) -> int:
    return max(map(len, chain(column))) + 2
