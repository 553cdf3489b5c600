"""Parked messages as an operator sees them: listed, viewed, redriven, discarded. No rule may come in here."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Literal

import asyncpg

from shared.calendar import instant
from shared.doors.problems import Problem
from shared.kafka.consumer import Source
from shared.kafka.parking import VALUE_BYTES_MAX, headers_of
from shared.ledger.clock import Clock
from shared.ledger.database import ACQUIRE_TIMEOUT_SECONDS, Pool
from shared.ledger.outbox import Outbox
from shared.reasons import CATALOGUE
from shared.recovery.redrive import OUT_OF_ORDER, NotRedriven, ParkedRecord, discard_one, dry_run_redrive, redrive_one
from shared.rules.codes import MalformedCode, read_code

type State = Literal["waiting", "redriven", "discarded", "all"]

ID_PATTERN = r"^[a-z_.]{1,40}:\d{1,9}:\d{1,18}(:\d{1,4})?$"
"""CONSUMER:PARTITION:OFFSET, plus the ordinal of a later record at that offset, as on the command line."""
AFTER_PATTERN = r"^(\d{1,18}~[a-z_.]{1,40}:\d{1,9}:\d{1,18}(:\d{1,4})?)?$"
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
CODE_LIKE = re.compile(r"(?<![0-9A-Za-z])[0-9A-Za-z]{5}(?:[- ]?[0-9A-Za-z]{5}){3}(?![0-9A-Za-z])")


@dataclass(frozen=True, slots=True, kw_only=True)
class ParkedMessages:
    """The parked messages of one service. `sources` are its consumers by name."""

    pool: Pool
    sources: Mapping[str, Source[Any]]
    outbox: Outbox
    clock: Clock
    on_append: Callable[[], None]

    async def listed(self, *, state: State, after: str, limit: int) -> dict[str, Any]:
        """Return up to `limit` messages, oldest first; `next` continues."""
        async with self.pool.acquire(timeout=ACQUIRE_TIMEOUT_SECONDS) as connection:
            rows = await connection.fetch(LIST, state, *_place(after), limit)
            waiting = await connection.fetchval(WAITING)
        last = _after(rows[-1]) if len(rows) == limit else None
        return {"messages": [self._shown(row) for row in rows], "waiting": waiting, "next": last}

    async def one(self, parked: ParkedRecord) -> dict[str, Any]:
        """Return a message with its content; activation codes in it are masked (R-112). Raises `Problem`."""
        async with self.pool.acquire(timeout=ACQUIRE_TIMEOUT_SECONDS) as connection:
            row = await connection.fetchrow(ONE, parked.consumer, parked.partition, parked.offset, parked.ordinal)
        if row is None:
            raise Problem(404, "not_parked", "no such record is parked")
        headers = [{"name": name, "value": masked(value.decode(errors="replace"))} for name, value in headers_of(row)]
        return {
            **self._shown(row),
            "key": masked((row["key"] or b"").decode(errors="replace")),
            "headers": headers,
            "value": masked(row["value"].decode(errors="replace")),
            "value_bytes": len(row["value"]),
            "value_cut": len(row["value"]) >= VALUE_BYTES_MAX,
        }

    async def foresee_redrive(self, parked: ParkedRecord) -> dict[str, Any]:
        """Return what a redrive would record now. Raises `Problem` with the code with which it would be refused."""
        source = self._source(parked)
        try:
            events = await dry_run_redrive(self.pool, source, parked, outbox=self.outbox, clock=self.clock)
        except NotRedriven as refused:
            raise _problem(refused) from None
        would = [{"type": event.type_name, "stream_id": event.stream_id} for event in events]
        return {"id": str(parked), "would_record": would}

    async def redrive(self, parked: ParkedRecord) -> dict[str, Any]:
        """Handle a message after all and return what was recorded. Raises `Problem`; then the message stays parked."""
        source = self._source(parked)
        try:
            recorded = await redrive_one(self.pool, source, parked, outbox=self.outbox, clock=self.clock)
        except NotRedriven as refused:
            raise _problem(refused) from None
        self.on_append()
        return {"id": str(parked), "recorded": recorded}

    async def discard(self, parked: ParkedRecord, note: str) -> dict[str, Any]:
        """Record that a message will never be handled, and why. Raises `Problem`."""
        try:
            recorded = await discard_one(self.pool, parked, note, outbox=self.outbox, clock=self.clock)
        except NotRedriven as refused:
            raise _problem(refused) from None
        self.on_append()
        return {"id": str(parked), "recorded": recorded}

    def _source(self, parked: ParkedRecord) -> Source[Any]:
        source = self.sources.get(parked.consumer)
        if source is None:
            raise Problem(404, "not_parked", "this service has no such consumer")
        return source

    def _shown(self, row: asyncpg.Record) -> dict[str, Any]:
        source = self.sources.get(row["consumer"])
        projection = bool(source and source.derived)
        return {
            "id": str(ParkedRecord.of(row)),
            "consumer": row["consumer"],
            "topic": row["topic"],
            "partition": row["partition"],
            "offset": row["offset"],
            "reason": row["reason"],
            "explained": _explained(row["reason"]),
            "detail": row["detail"],
            "parked_at": instant(row["parked_at"]),
            "state": _state(row),
            "ended_at": _instant(row["redriven_at"] or row["discarded_at"]),
            "note": row["discard_note"],
            "kept_by_projection": projection,
            # its slice waits for the missing position, even if this record is discarded
            "slice_waits": bool(source and source.ledger and row["reason"] in OUT_OF_ORDER),
        }


def masked(text: str) -> str:
    """Return `text` with all but the last group of every activation code masked."""
    return CODE_LIKE.sub(_last_group, text)


def _last_group(found: re.Match[str]) -> str:
    try:
        return f"•••••-•••••-•••••-{read_code(found[0]).last_group}"
    except MalformedCode:
        return found[0]


def _problem(refused: NotRedriven) -> Problem:
    return Problem(404 if refused.code == "not_parked" else 409, refused.code, refused.detail)


def _explained(reason: str) -> dict[str, str] | None:
    entry = next(iter(CATALOGUE.about(reason)), None)
    return {"meaning": entry.meaning, "what_to_do": entry.what_to_do} if entry else None


def _state(row: asyncpg.Record) -> State:
    if row["discarded_at"]:
        return "discarded"
    return "redriven" if row["redriven_at"] else "waiting"


def _instant(at: datetime | None) -> str | None:
    return instant(at) if at else None


def _after(row: asyncpg.Record) -> str:
    microseconds = (row["parked_at"] - EPOCH) // timedelta(microseconds=1)
    return f"{microseconds}~{ParkedRecord.of(row)}"


def _place(after: str) -> tuple[datetime, str, int, int, int]:
    microseconds, _, parked_id = after.partition("~")
    if not after:
        return EPOCH, "", 0, 0, 0
    parked = ParkedRecord.named(parked_id)
    try:
        parked_at = EPOCH + timedelta(microseconds=int(microseconds))
        return parked_at, parked.consumer, parked.partition, parked.offset, parked.ordinal
    except OverflowError:
        raise Problem(422, "invalid_fields", "`after` is not the `next` of a page") from None


LIST = """
select * from parked
where case $1 when 'waiting' then redriven_at is null and discarded_at is null
              when 'redriven' then redriven_at is not null
              when 'discarded' then discarded_at is not null else true end
    and (parked_at, consumer, partition, "offset", ordinal) > ($2::timestamptz, $3, $4::int, $5::bigint, $6::int)
order by parked_at, consumer, partition, "offset", ordinal limit $7
"""

WAITING = "select count(*) from parked where redriven_at is null and discarded_at is null"

ONE = 'select * from parked where consumer = $1 and partition = $2 and "offset" = $3 and ordinal = $4'
