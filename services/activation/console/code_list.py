"""Lists of codes by status, product, vendor and end. Decides nothing: `status_of` tells a code's status.

A page walks along one index of migration 210 and looks at `LOOKED_AT_MAX` rows at most: a page of a rare kind may be
short, and its cursor goes on behind the last row that was looked at.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Annotated, Any, Literal

from fastapi import Query

from services.activation.console.values import Pill, status_of
from services.activation.decider import Code
from shared.calendar import in_utc
from shared.ledger.database import Pool
from shared.messages import Product, Vendor
from shared.rules.policy import Policy

LOOKED_AT_MAX = 5_000
CHUNK_ROWS = 500

CodeStatus = Literal["never_activated", "in_use", "renewal_due", "expired", "blocked"]
CodeAfter = Annotated[str, Query(max_length=80, pattern=r"^(([0-9TZ:.+-]{0,40}~)?[0-9a-f]{32})?$")]

type Cursor = tuple[str, str]
"""Where a page ended: the end of the last code looked at, if the list is in this order, and its reference."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AskedCodes:
    """What a list is asked for."""

    now: datetime
    status: CodeStatus | None = None
    product: Product | None = None
    vendor: Vendor | None = None
    expiring_before: datetime | None = None


@dataclass(frozen=True, slots=True)
class CodePage:
    """A page of codes with their statuses; `following` is the cursor of the next page."""

    codes: Sequence[tuple[Code, Pill]]
    following: str | None


async def list_codes(pool: Pool, asked: AskedCodes, policy: Policy, *, after: str, limit: int) -> CodePage:
    """Return up to `limit` codes behind the cursor."""
    found: list[tuple[Code, Pill]] = []
    end, _, code_ref = after.partition("~")
    cursor: Cursor = (end, code_ref)
    for _ in range(LOOKED_AT_MAX // CHUNK_ROWS):
        rows = await pool.fetch(*_walk(asked, cursor))
        for row in rows:
            cursor, code = (row["ends_at"] or "", row["code_ref"]), Code.from_json(row["code"])
            status = status_of(code, asked.now, policy)
            if _matches(asked, code, status):
                found.append((code, status))
            if len(found) == limit:
                return CodePage(found, "~".join(cursor))
        if len(rows) < CHUNK_ROWS:
            return CodePage(found, None)
    return CodePage(found, "~".join(cursor))


def _matches(asked: AskedCodes, code: Code, status: Pill) -> bool:
    return (
        code.code_ref is not None
        and asked.status in (None, status.label.lower().replace(" ", "_"))
        and asked.product in (None, code.product)
        and asked.vendor in (None, code.vendor)
        and (asked.expiring_before is None or (code.over_at is not None and code.over_at < asked.expiring_before))
    )


def _walk(asked: AskedCodes, cursor: Cursor) -> tuple[Any, ...]:
    """Return the query along the index that fits best, and its parameters."""
    end, code_ref = cursor
    if asked.status == "never_activated":
        return UNUSED, code_ref, CHUNK_ROWS
    # a block ends licenses before their term does, so those codes are not in the order of their ends
    if asked.status == "blocked":
        return BLOCKED, code_ref, CHUNK_ROWS
    if asked.status is None and asked.expiring_before is None:
        return ALL, code_ref, CHUNK_ROWS
    first = _second(asked.now) if asked.status == "in_use" else ""
    return BY_END, max(end, first), code_ref, _until(asked), CHUNK_ROWS


def _until(asked: AskedCodes) -> str:
    """Return a text behind every end that the list may have, to the second."""
    if asked.status in ("expired", "renewal_due"):
        return _second(asked.now + timedelta(seconds=1))
    # the stop of a blocked code may come long before its end
    return "~"


def _second(at: datetime) -> str:
    return in_utc(at).strftime("%Y-%m-%dT%H:%M:%S")


BY_END = """
select code_ref, view -> 'code' as code, view #>> '{code,ends_at}' as ends_at from code_view
where view #>> '{code,ends_at}' is not null
    and ((view #>> '{code,ends_at}') collate "C", code_ref) > ($1, $2)
    and (view #>> '{code,ends_at}') collate "C" < $3
order by (view #>> '{code,ends_at}') collate "C", code_ref limit $4
"""

UNUSED = """
select code_ref, view -> 'code' as code, null as ends_at from code_view
where view #>> '{code,ends_at}' is null and code_ref > $1 order by code_ref limit $2
"""

BLOCKED = """
select code_ref, view -> 'code' as code, null as ends_at from code_view
where view #>> '{code,blocked}' = 'true' and code_ref > $1 order by code_ref limit $2
"""

ALL = """
select code_ref, view -> 'code' as code, null as ends_at from code_view where code_ref > $1 order by code_ref limit $2
"""
