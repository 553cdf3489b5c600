"""Goes out: a list as a file, CSV or JSON lines, streamed page by page. If a page fails, the download breaks off.

A cell that a spreadsheet would take for a formula gets an apostrophe before it. JSON is in ASCII, so that no reader
cuts a line at one of Unicode's own line ends.
"""

import csv
import io
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from typing import Any, Literal

from fastapi.responses import StreamingResponse

from shared.pages import HEADERS

PAGE_ROWS = 500
FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")

Form = Literal["csv", "jsonl"]
MEDIA_TYPES: Mapping[Form, str] = {"csv": "text/csv; charset=utf-8", "jsonl": "application/jsonl"}

type Row = Mapping[str, Any]
type Page = tuple[Sequence[Row], str | None]
type NextPage = Callable[[str], Awaitable[Page]]
"""Returns the rows behind a cursor, and the next cursor."""


async def exported(name: str, form: Form, columns: Sequence[str], next_page: NextPage) -> StreamingResponse:
    """Return the list as a download. Raises what the first page raises, before anything is sent."""
    first = await next_page("")
    headers = {**HEADERS, "Content-Disposition": f'attachment; filename="{name}.{form}"'}
    return StreamingResponse(_lines(form, columns, first, next_page), headers=headers, media_type=MEDIA_TYPES[form])


async def _lines(form: Form, columns: Sequence[str], page: Page, next_page: NextPage) -> AsyncIterator[str]:
    write = csv_line if form == "csv" else json_line
    if form == "csv":
        yield csv_line(columns, {column: column for column in columns})
    while True:
        rows, following = page
        yield "".join(write(columns, row) for row in rows)
        if following is None:
            return
        page = await next_page(following)


def csv_line(columns: Sequence[str], row: Row) -> str:
    """Return a row as a line of CSV (RFC 4180), whose cells no spreadsheet executes."""
    line = io.StringIO()
    csv.writer(line).writerow([_cell(row.get(column)) for column in columns])
    return line.getvalue()


def json_line(columns: Sequence[str], row: Row) -> str:
    """Return a row as a line of JSON."""
    return json.dumps({column: row.get(column) for column in columns}) + "\n"


def _cell(value: Any) -> str:
    text = "" if value is None else str(value)
    return f"'{text}" if text.startswith(FORMULA) else text
