"""How a command answers: data on stdout, for people or as JSON; talk on stderr."""

import json
import os
import sys
from collections.abc import Mapping, Sequence
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

PIPE_CHARACTERS = 10_000
AsJson = Annotated[bool, typer.Option("--json", help="Answer in JSON, one object per line.")]


def say(line: str) -> None:
    """Tell the person something that is not data."""
    typer.echo(line, err=True)


def show(answer: Mapping[str, Any], *, as_json: bool) -> None:
    """Show one thing."""
    if as_json:
        typer.echo(json.dumps(answer))
        return
    for name, value in _flat(answer):
        typer.echo(f"{name:<28} {value}")


def show_rows(rows: Sequence[Mapping[str, Any]], columns: Sequence[str], *, as_json: bool) -> None:
    """Show many things: whole in JSON, their `columns` in a table for people."""
    if as_json:
        for row in rows:
            typer.echo(json.dumps(row))
        return
    table = Table(*columns, box=None, header_style="bold", pad_edge=False)
    for row in rows:
        table.add_row(*(Text(_plain(row.get(column))) for column in columns))
    console = stdout_console()
    console.print(table, soft_wrap=not console.is_terminal)


def stdout_console() -> Console:
    """Return what prints tables and sentences: as wide as the terminal, and in colours only there, unless NO_COLOR."""
    terminal = sys.stdout.isatty()
    return Console(
        highlight=False,
        # a pipe has no width: nothing is cut for it
        width=None if terminal else PIPE_CHARACTERS,
        force_terminal=terminal,
        # without any system not even bold is left
        color_system=None if os.environ.get("NO_COLOR") else "auto",
    )


def _flat(answer: Mapping[str, Any], prefix: str = "") -> Sequence[tuple[str, str]]:
    lines: list[tuple[str, str]] = []
    for name, value in answer.items():
        if isinstance(value, Mapping):
            lines += _flat(value, f"{prefix}{name}.")
        else:
            lines.append((prefix + name, _plain(value)))
    return lines


def _plain(value: Any) -> str:
    if value is None:
        return "-"
    return value if isinstance(value, str) else json.dumps(value)
