"""Prints what `perennial up` and `demo` show while they run: lines for people, or one JSON object per line."""

import json
from time import monotonic
from typing import Any

from rich.text import Text

from services.cli.output import stdout_console, visible

LABEL_CHARACTERS = 11


class Screen:
    """Stdout. Only terminals get colors. Every line is flushed at once, even to a pipe."""

    def __init__(self, *, as_json: bool) -> None:
        self._as_json = as_json
        self._console = stdout_console()
        self._since = monotonic()

    def show(self, kind: str, label: str, text: str, *, style: str = "", **fields: Any) -> None:
        """Print one line: `label` and `text` for people, or `kind` and `fields` as JSON."""
        if self._as_json:
            print(json.dumps({"kind": kind, **fields}), flush=True)
            return
        line = Text(visible(f"{label:<{LABEL_CHARACTERS}} "), style=style)
        self._console.print(line.append(Text(visible(text), style="")), soft_wrap=True)

    def progress(self, what: str) -> None:
        """Print a milestone and how many seconds it took since the last one."""
        since, self._since = self._since, monotonic()
        seconds = round(self._since - since, 1)
        self.show("progress", f"{seconds:.1f} s", what, style="dim", what=what, seconds=seconds)
