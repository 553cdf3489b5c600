"""Is a ledger whole? Positions 1 to n in every slice, an unbroken chain of hashes, versions 1 to n in every stream.

The hash and the slice are computed here by other means than the services use, so that one mistake is not made twice.
"""

from collections.abc import Mapping
from hashlib import sha256

from aiokafka.partitioner import murmur2

from shared.ledger.database import Connection
from shared.ledger.events import RecordedEvent
from tests.journeys.checker.findings import Finding, Name, ServiceName

NO_EVENT = bytes(32)
SLICE_COUNT = 256


def slice_of_key(key: bytes) -> int:
    """Return the slice of a stream id: what Kafka's default partitioner computes, for 256 partitions."""
    return int((murmur2(key) & 0x7FFFFFFF) % SLICE_COUNT)


def hash_of(entry: RecordedEvent, previous: bytes) -> bytes:
    """Return SHA-256 of the previous hash, then id, type, stream and time on a line each, then the body."""
    event = entry.event
    milliseconds = event.occurred_at.isoformat(timespec="milliseconds").replace("+00:00", "Z")
    lines = [str(event.event_id), event.type_name, event.stream_id, milliseconds, ""]
    return sha256(previous + "\n".join(lines).encode() + event.data).digest()


class Chain:
    """One ledger's slices and streams, seen by slice and position."""

    def __init__(self, service: ServiceName) -> None:
        self.service = service
        self.heads: dict[int, tuple[int, bytes]] = {}
        self.versions: dict[str, int] = {}
        self.findings: list[Finding] = []

    def see(self, entry: RecordedEvent) -> None:
        """Look at the next event."""
        event = entry.event
        position, previous = self.heads.get(event.slice_number, (0, NO_EVENT))
        if entry.position != position + 1:
            self._find("position_gap_in_ledger", entry, f"position {position + 1} is missing")
        if (entry.prev_hash, entry.hash) != (previous, hash_of(entry, previous)):
            self._find("broken_chain", entry, f"{event.type_name} {event.event_id}")
        if event.slice_number != slice_of_key(event.stream_id.encode()):
            self._find("wrong_slice", entry, f"stream {event.stream_id} belongs to another slice")
        version = self.versions.get(event.stream_id, 0)
        if event.version != version + 1:
            self._find("version_gap", entry, f"stream {event.stream_id}: version {event.version} after {version}")
        self.heads[event.slice_number] = (entry.position, entry.hash)
        self.versions[event.stream_id] = event.version

    def _find(self, name: Name, entry: RecordedEvent, detail: str) -> None:
        where = f"slice {entry.event.slice_number} position {entry.position}"
        self.findings.append(Finding(name=name, ledger=self.service, where=where, detail=detail))

    async def check_heads(self, ledger: Connection) -> None:
        """Compare the heads, and how far the relay says it sent, with the last events."""
        rows = await ledger.fetch(
            "select slice, h.position, h.hash, p.position as published"
            " from slice_head h join slice_published p using (slice) order by slice"
        )
        for row in rows:
            position, last_hash = self.heads.get(row["slice"], (0, NO_EVENT))
            where = f"slice {row['slice']} position {position}"
            if (row["position"], row["hash"]) != (position, last_hash):
                detail = f"the head says {row['position']}"
                self.findings.append(Finding(name="wrong_head", ledger=self.service, where=where, detail=detail))
            if row["published"] != position:
                detail = f"published up to {row['published']}"
                self.findings.append(Finding(name="not_published", ledger=self.service, where=where, detail=detail))

    async def check_consumer(self, ledger: Connection, service: ServiceName, consumer: str) -> list[Finding]:
        """Return where `consumer`, whose vector is in `service`'s ledger, is not at the end of this ledger."""
        rows = await ledger.fetch("select slice, position, hash from inbound_slice where consumer = $1", consumer)
        vector: Mapping[int, tuple[int, bytes]] = {row["slice"]: (row["position"], row["hash"]) for row in rows}
        return [
            Finding(
                name="not_consumed",
                ledger=service,
                where=f"slice {number} position {head[0]}",
                detail=f"{consumer} is at position {vector.get(number, (0, NO_EVENT))[0]}",
            )
            for number, head in sorted(self.heads.items())
            if vector.get(number, (0, NO_EVENT)) != head
        ]
