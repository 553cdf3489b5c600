"""How a command prints: data to stdout, for people or as JSON; messages to stderr.

Much of what is printed was written by others. For people, what a terminal would obey is printed as escapes; in JSON, it
always is. Only this module, `screen` and `why` print.
"""

import json
import os
import re
import sys
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

PIPE_CHARACTERS = 10_000
FILLING = re.compile(r" +$", re.MULTILINE)
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON, one object per line.")]


def say(line: str) -> None:
    """Print a message to stderr, because it is not data."""
    typer.echo(visible(line), err=True)


def tell(line: str) -> None:
    """Print a line of data for people."""
    typer.echo(visible(line))


def visible(text: str) -> str:
    """Return the text with everything in it that is not printed as escapes: `\\x1b` begins an order to the terminal.

    Direction marks such as `\\u202e` are among them, because they change the order in which people read the rest.
    """
    if text.isprintable():
        return text
    return "".join(each if each.isprintable() else each.encode("unicode_escape").decode() for each in text)


def all_visible(value: Any) -> Any:
    """Return a JSON value with all texts in it `visible`."""
    match value:
        case str():
            return visible(value)
        case list():
            return [all_visible(each) for each in value]
        case dict():
            return {name: all_visible(each) for name, each in value.items()}
        case _:
            return value


def plural(count: int, noun: str) -> str:
    """Return a count with its noun, such as `1 code` or `2,000 codes`."""
    return f"{count:,} {noun}{'' if count == 1 else 's'}"


def show(answer: Mapping[str, Any], *, as_json: bool, hidden: Collection[str] = ()) -> None:
    """Print one object. The fields named `hidden`, at whatever depth, are for programs only."""
    if as_json:
        typer.echo(json.dumps(answer))
        return
    for name, value in _flat(answer, hidden):
        tell(f"{name:<28} {value}")


def show_document(document: Mapping[str, Any]) -> None:
    """Print a JSON document that is kept as a file."""
    typer.echo(json.dumps(document, indent=2))


def show_rows(
    rows: Sequence[Mapping[str, Any]],
    columns: Sequence[str],
    *,
    as_json: bool,
    headings: Mapping[str, str] | None = None,
) -> None:
    """Print many objects: whole as JSON, or as a table of `columns`; `headings` renames some of these."""
    if as_json:
        for row in rows:
            typer.echo(json.dumps(row))
        return
    names = [(headings or {}).get(column, column) for column in columns]
    table = Table(*names, box=None, header_style="bold", pad_edge=False)
    for row in rows:
        table.add_row(*(Text(visible(_plain(row.get(column)))) for column in columns))
    with told_at_once() as console:
        console.print(table, soft_wrap=not console.is_terminal)


@contextmanager
def told_at_once() -> Iterator[Console]:
    """Yield a console. What it prints is told at the end, without the blanks with which tables fill their lines."""
    console = stdout_console()
    with console.capture() as captured:
        yield console
    sys.stdout.write(FILLING.sub("", captured.get()))


def stdout_console() -> Console:
    """Return the console for tables and text: as wide as the terminal, in color only there and without NO_COLOR."""
    terminal = sys.stdout.isatty()
    return Console(
        highlight=False,
        # a pipe has no width, so nothing is wrapped or cut
        width=None if terminal else PIPE_CHARACTERS,
        force_terminal=terminal,
        # without a color system there is no bold text either
        color_system=None if os.environ.get("NO_COLOR") else "auto",
    )


def _flat(answer: Mapping[str, Any], hidden: Collection[str], prefix: str = "") -> Sequence[tuple[str, str]]:
    lines: list[tuple[str, str]] = []
    for name, value in answer.items():
        if name in hidden:
            continue
        if isinstance(value, Mapping):
            lines += _flat(value, hidden, f"{prefix}{name}.")
        else:
            lines.append((prefix + name, _plain(value)))
    return lines


def _plain(value: Any) -> str:
    if value is None:
        return "-"
    return value if isinstance(value, str) else json.dumps(value)
