"""A small HTTP client with keep-alive connections, only for the load generator.

On the same cores, the usual client took more CPU time per request than the API that it measured.
"""

import asyncio
import json
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

# the services close connections after 5 s idle; a request at that moment would fail
IDLE_SECONDS_MAX = 3.0
REQUEST_SECONDS_MAX = 30.0


class Unexpected(Exception):
    """The service returned another status than expected; the message contains the response."""


@dataclass(frozen=True, slots=True)
class Reply:
    """The status, headers with lower-case names, and body of a response."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    def json(self) -> Any:
        """Return the body as JSON."""
        return json.loads(self.body)


@dataclass(slots=True)
class _Connection:
    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    used_at: float = field(default_factory=time.monotonic)


class DoorClient:
    """A client of one service, with one connection per concurrent request."""

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        self._host, self._port = parts.hostname or "", parts.port or 80
        self._idle: list[_Connection] = []

    async def get(self, path: str, headers: Mapping[str, str], *, hoped: tuple[int, ...]) -> Reply:
        """Send a GET request. Raises `Unexpected` unless the status is one of `hoped`."""
        return await self._ask("GET", path, headers, b"", hoped)

    async def post(self, path: str, headers: Mapping[str, str], body: Mapping[str, Any], *, hoped: int) -> Reply:
        """Send a POST request. Raises `Unexpected` unless the status is `hoped`."""
        return await self._ask("POST", path, headers, json.dumps(body).encode(), (hoped,))

    async def close(self) -> None:
        """Close all connections."""
        while self._idle:
            self._idle.pop().writer.close()

    async def _ask(
        self, method: str, path: str, headers: Mapping[str, str], body: bytes, hoped: tuple[int, ...]
    ) -> Reply:
        connection = await self._connection()
        try:
            async with asyncio.timeout(REQUEST_SECONDS_MAX):
                connection.writer.write(_request(method, path, headers, body))
                reply = await _reply(connection.reader)
        except BaseException:
            connection.writer.close()
            raise
        connection.used_at = time.monotonic()
        self._idle.append(connection)
        if reply.status not in hoped:
            raise Unexpected(f"{method} {path}: {reply.status} {reply.body[:500]!r}")
        return reply

    async def _connection(self) -> _Connection:
        while self._idle:
            # take the most recently used one, so that the others time out
            connection = self._idle.pop()
            if time.monotonic() - connection.used_at < IDLE_SECONDS_MAX:
                return connection
            connection.writer.close()
        return _Connection(*await asyncio.open_connection(self._host, self._port))


def _request(method: str, path: str, headers: Mapping[str, str], body: bytes) -> bytes:
    lines = [f"{method} {path} HTTP/1.1", "Host: localhost", *(f"{name}: {value}" for name, value in headers.items())]
    if body:
        lines += ["Content-Type: application/json", f"Content-Length: {len(body)}"]
    return "\r\n".join([*lines, "", ""]).encode() + body


async def _reply(reader: asyncio.StreamReader) -> Reply:
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
    first, *lines = head.rstrip().split("\r\n")
    headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in lines)}
    body = await reader.readexactly(int(headers.get("content-length", 0)))
    return Reply(int(first.split()[1]), headers, body)


@asynccontextmanager
async def door_client(url: str) -> AsyncIterator[DoorClient]:
    """Yield a client of the service at `url`."""
    client = DoorClient(url)
    try:
        yield client
    finally:
        await client.close()
