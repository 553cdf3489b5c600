"""Reads header fields as HTTP means them: blanks around a value are not part of it, and the lines of a list are one.

RFC 9110, 5.3 and 5.5. Servers and proxies hand values over as they were sent. No rule may come in here.
"""

import re
from collections.abc import Iterable

from starlette.types import ASGIApp, Receive, Scope, Send

BLANKS = b" \t"
LISTS = frozenset({b"accept-language", b"if-match", b"if-none-match", b"prefer"})
"""The fields that we read whose value is a list: it may be spread over several lines."""
QUOTED = re.compile(r'"((?:[ !#-\[\]-~]|\\["\\])*)"')
"""A string of structured fields (RFC 9651, 3.3.3)."""

type Fields = list[tuple[bytes, bytes]]


class HeaderFields:
    """The middleware that does it, for every header of every request."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] == "http":
            scope = {**scope, "headers": read_fields(scope["headers"])}
        await self.app(scope, receive, send)


def read_fields(sent: Iterable[tuple[bytes, bytes]]) -> Fields:
    """Return the fields of a request with their values as HTTP means them."""
    fields = [(name, value.strip(BLANKS)) for name, value in sent]
    for name in LISTS:
        lines = [value for each, value in fields if each == name]
        if len(lines) > 1:
            fields = [field for field in fields if field[0] != name]
            fields.append((name, b", ".join(lines)))
    return fields


def unquoted(value: str) -> str:
    """Return what a quoted string says; any other value is returned as it is."""
    quoted = QUOTED.fullmatch(value)
    return re.sub(r"\\(.)", r"\1", quoted[1]) if quoted else value
