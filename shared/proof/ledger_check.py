"""Checks a ledger slice by slice: positions, hash chain, stream versions, heads, and signed checkpoints.

A slice is read in chunks: memory holds one chunk and the stream versions of one slice. Nothing is written.
"""

from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass
from typing import Any

from shared.calendar import instant
from shared.ledger.database import Connection
from shared.ledger.hash_chain import GENESIS, chained_hash
from shared.ledger.slices import slice_of
from shared.proof.expectations import ExpectedHeads
from shared.proof.findings import Findings
from shared.proof.merkle import Frontier
from shared.proof.slice_trees import leaf_of

CHUNK_EVENTS = 4_000


@dataclass(frozen=True, slots=True)
class SliceTask:
    """A slice to check: position and hash of its head, its last event, how far it was sent, and its expected heads."""

    number: int
    position: int
    last_position: int
    hash: bytes
    published: int
    expected: ExpectedHeads


async def check_slices(
    connection: Connection, tasks: Sequence[SliceTask], findings: Findings, *, on_checked: Callable[[int], None]
) -> None:
    """Check slices one after the other; `on_checked` is called with the number of events of each chunk."""
    for task in tasks:
        check = SliceCheck(task, findings)
        async for rows in _chunks(connection, task):
            for row in rows:
                check.check(row)
            on_checked(len(rows))
        check.end()


async def _chunks(connection: Connection, task: SliceTask) -> AsyncIterator[list[Any]]:
    position = 0
    while position < task.position and (
        rows := await connection.fetch(CHUNK, task.number, position, task.position, CHUNK_EVENTS)
    ):
        yield rows
        position = rows[-1]["position"]


class SliceCheck:
    """The check of one slice, event by event in the order of positions."""

    def __init__(self, task: SliceTask, findings: Findings) -> None:
        self._task = task
        self._findings = findings
        self._position = 0
        self._hash = GENESIS
        self._versions: dict[str, int] = {}
        self._frontier = Frontier() if task.expected.positions else None
        self._next = 0
        self._trusted = 0

    def check(self, row: Any) -> None:
        """Check the next event, a row of table `event`."""
        self._check_position(row)
        self._check_chain(row)
        self._check_version(row)
        self._position, self._hash = row["position"], row["hash"]
        if self._frontier is not None:
            self._check_expected(row, self._frontier)

    def end(self) -> None:
        """Compare the last event with the slice's head, and with expected heads after it."""
        task = self._task
        if task.last_position > task.position or (self._position, self._hash) != (task.position, task.hash):
            detail = f"its head says {task.position}, its last event is {task.last_position}"
            self._find("wrong_head", detail, task.last_position)
        if task.published > task.position:
            self._find("published_ahead", f"{task.published} are marked as sent", self._position)
        expected = task.expected
        if self._frontier is not None and self._next < len(expected.positions):
            checkpoint = f"the checkpoint of {instant(expected.made_at(self._next))}"
            had = expected.positions[self._next]
            self._find("history_cut", f"it had {had} events in {checkpoint}", self._position + 1)

    def _check_position(self, row: Any) -> None:
        if row["position"] != self._position + 1:
            self._find("position_gap", f"positions {self._position + 1} to {row['position'] - 1}", self._position + 1)
        if slice_of(row["stream_id"]) != self._task.number:
            self._find("wrong_slice", f"stream {row['stream_id']}", row["position"])

    def _check_chain(self, row: Any) -> None:
        previous = row["prev_hash"]
        if previous != self._hash:
            self._find("broken_chain", f"{_name(row)} does not follow the event before it", row["position"])
        hashed = chained_hash(
            previous,
            event_id=str(row["event_id"]),
            type_name=row["type"],
            stream_id=row["stream_id"],
            occurred_at=instant(row["occurred_at"]),
            data=row["data"],
        )
        if hashed != row["hash"]:
            self._find("broken_chain", f"{_name(row)} does not have its recorded hash", row["position"])

    def _check_version(self, row: Any) -> None:
        stream_id, version = row["stream_id"], row["version"]
        before = self._versions.get(stream_id, 0)
        if version != before + 1:
            self._find("version_gap", f"stream {stream_id}: version {version} after {before}", row["position"])
        self._versions[stream_id] = version

    def _check_expected(self, row: Any, frontier: Frontier) -> None:
        leaf = leaf_of(
            row["hash"],
            recorded_at=row["recorded_at"],
            version=row["version"],
            schema_version=row["schema_version"],
            correlation_id=row["correlation_id"],
            causation_id=row["causation_id"],
        )
        frontier.extend([leaf])
        expected = self._task.expected
        if self._next < len(expected.positions) and expected.positions[self._next] <= self._position:
            self._compare(expected, frontier)

    def _compare(self, expected: ExpectedHeads, frontier: Frontier) -> None:
        head = expected.head(self._next)
        if (head.position, head.hash, head.root) == (self._position, self._hash, frontier.root()):
            self._next, self._trusted = self._next + 1, self._position
            return
        part = "an event" if self._hash != head.hash else "an envelope (recorded time, version, ids)"
        where = f"{part} from position {self._trusted + 1} to {head.position} was changed"
        made_at = instant(expected.made_at(self._next))
        self._find("history_rewritten", f"{where} since the checkpoint of {made_at}", self._trusted + 1)
        # nothing after it can match either
        self._frontier = None

    def _find(self, code: str, detail: str, position: int) -> None:
        self._findings.add(code, detail, slice_number=self._task.number, position=position)


def _name(row: Any) -> str:
    return f"{row['type']} {row['event_id']}"


CHUNK = """
select position, stream_id, version, type, schema_version, event_id, occurred_at, recorded_at, correlation_id,
       causation_id, data, prev_hash, hash
from event where slice = $1 and position > $2 and position <= $3 order by position limit $4
"""
