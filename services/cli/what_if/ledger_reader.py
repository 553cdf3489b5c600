"""Reads the history for a replay from both ledgers, stream by stream, in read-only transactions.

Devices that ever used the same code form a group, because one of them may have taken the seat that another wanted.
Groups are replayed separately, so memory does not grow with the log.
"""

from collections import defaultdict
from collections.abc import AsyncIterator, Iterable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import asyncpg
from pydantic_core import from_json

from services.cli.failures import CommandFailed, ExitCode
from services.cli.names import ServiceName
from services.cli.what_if.plan import Entry, History, entry_of
from shared.ledger.database import ACQUIRE_TIMEOUT_SECONDS, Connection
from shared.ledger.events import from_row
from shared.messages import CodeRef, DeviceId

STREAMS_AT_ONCE = 1_000
GROUP_STREAMS_MAX = 200_000
"""A larger group does not fit into memory."""
NAMES_A_CODE = ("CodeAdded", "CodeRejected", "OfflineActivationReported")
"""Events that say that a code was used with a device."""
ROWS_AT_ONCE = 10_000


@dataclass(frozen=True, slots=True)
class Group:
    """Devices and codes that are connected with each other, and with no others."""

    devices: Sequence[DeviceId]
    codes: Sequence[CodeRef]


@dataclass(frozen=True, slots=True)
class Ledgers:
    """Both ledgers, open for reading, up to a time."""

    device: Connection
    activation: Connection
    until: datetime

    async def all_groups(self) -> list[Group]:
        """Return all groups of devices and codes. Reads the whole device ledger once."""
        groups = DisjointSets()
        async with self.device.transaction(readonly=True):
            async for row in self.device.cursor("select device_id from device", prefetch=ROWS_AT_ONCE):
                groups.join(("device", row["device_id"]))
            async for row in self.device.cursor(PAIRS, NAMES_A_CODE, self.until, prefetch=ROWS_AT_ONCE):
                for code_ref in _codes_named(row["data"]):
                    groups.join(("device", row["stream_id"]), ("code", code_ref))
        return groups.groups()

    async def knows(self, device_id: DeviceId) -> bool:
        """Whether anything was ever recorded about the device."""
        return bool(await self.device.fetchval(KNOWN, device_id, self.until))

    async def group_of(self, device_id: DeviceId) -> Group:
        """Return the group of a device, searched from stream to stream. Raises `CommandFailed`."""
        found: dict[str, set[str]] = {"device": {device_id}, "code": set()}
        fresh = {device_id}
        while fresh:
            rows = await self.device.fetch(PAIRS_OF, NAMES_A_CODE, self.until, list(fresh))
            codes = {code_ref for row in rows for code_ref in _codes_named(row["data"])} - found["code"]
            found["code"] |= codes
            askers = await self.activation.fetch(ASKERS, list(codes), self.until)
            fresh = {name for row in askers if (name := _device_named(row["data"]))} - found["device"]
            found["device"] |= fresh
            if sum(map(len, found.values())) > GROUP_STREAMS_MAX:
                raise CommandFailed(ExitCode.REFUSED, "too_widely_shared: too many devices share codes with this one")
        return Group(sorted(found["device"]), sorted(found["code"]))

    async def history(self, groups: Iterable[Group]) -> History:
        """Return the streams of some groups. Raises `UnknownEvent` for an event of another release."""
        groups = list(groups)
        return History(
            devices=await self._streams(self.device, [name for group in groups for name in group.devices]),
            codes=await self._streams(self.activation, [name for group in groups for name in group.codes]),
        )

    async def _streams(self, connection: Connection, names: Sequence[str]) -> Mapping[str, Sequence[Entry[Any]]]:
        streams: dict[str, list[Entry[Any]]] = {name: [] for name in names}
        for begin in range(0, len(names), STREAMS_AT_ONCE):
            for row in await connection.fetch(STREAMS, names[begin : begin + STREAMS_AT_ONCE], self.until):
                if (entry := entry_of(from_row(row).event)) is not None:
                    streams[row["stream_id"]].append(entry)
        return streams


class DisjointSets:
    """The connected groups of names that are joined pair by pair (union-find)."""

    def __init__(self) -> None:
        self._parents: dict[tuple[str, str], tuple[str, str]] = {}

    def join(self, *names: tuple[str, str]) -> None:
        """Add names, and merge their groups."""
        roots = [self._root(name) for name in names]
        for root in roots[1:]:
            self._parents[root] = roots[0]

    def _root(self, name: tuple[str, str]) -> tuple[str, str]:
        parents = self._parents
        parents.setdefault(name, name)
        while (parent := parents[name]) != name:
            # path halving: the next search is shorter
            parents[name] = parents[parent]
            name = parents[name]
        return name

    def groups(self) -> list[Group]:
        """Return the groups in the order of the first device of each."""
        groups: dict[tuple[str, str], tuple[list[str], list[str]]] = defaultdict(lambda: ([], []))
        for kind, name in sorted(self._parents):
            groups[self._root((kind, name))][kind == "code"].append(name)
        return [Group(*group) for group in sorted(groups.values())]


def in_batches(groups: Sequence[Group]) -> Iterator[list[Group]]:
    """Yield the groups in batches that are read at once."""
    batch: list[Group] = []
    size = 0
    for group in groups:
        batch.append(group)
        size += len(group.devices) + len(group.codes)
        if size >= STREAMS_AT_ONCE:
            yield batch
            batch, size = [], 0
    if batch:
        yield batch


def _codes_named(data: bytes) -> set[CodeRef]:
    told = from_json(data)
    return {told[name] for name in ("code_ref", "prior_ref") if told.get(name)}


def _device_named(data: bytes) -> DeviceId | None:
    device_id: DeviceId | None = from_json(data).get("device_id")
    return device_id


@asynccontextmanager
async def open_ledgers(urls: Mapping[ServiceName, str], *, until: datetime) -> AsyncIterator[Ledgers]:
    """Yield both ledgers. The server refuses whatever would write."""
    connections = {
        service: await asyncpg.connect(
            url,
            timeout=ACQUIRE_TIMEOUT_SECONDS,
            server_settings={"application_name": "perennial what-if", "default_transaction_read_only": "on"},
        )
        for service, url in urls.items()
    }
    try:
        yield Ledgers(connections["device"], connections["activation"], until)
    finally:
        for connection in connections.values():
            connection.terminate()


KNOWN = "select exists (select from event where stream_id = $1 and recorded_at <= $2)"

PAIRS = "select stream_id, data from event where type = any($1::text[]) and recorded_at <= $2"

PAIRS_OF = """
select data from event where stream_id = any($3::text[]) and type = any($1::text[]) and recorded_at <= $2
"""

ASKERS = "select data from event where stream_id = any($1::text[]) and recorded_at <= $2 and type <> 'CodeIssued'"

STREAMS = """
select * from event where stream_id = any($1::text[]) and recorded_at <= $2 order by stream_id, version
"""
