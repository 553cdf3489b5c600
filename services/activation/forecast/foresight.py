"""Asks the rules of the switch before the day: each device at its time, in the order of these times.

Every foreseen switch changes the codes for those after it, as it will then: two devices that count on one last
seat collide here, and a code that one starts runs out for another. Pure, and nothing of it is kept.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from heapq import heapify, heappop, heappush
from typing import Any, Literal
from uuid import UUID

from services.activation.decider import Activate, Code, decide
from services.activation.decider import evolve as evolve_code
from services.activation.forecast.switchover import Switchover
from shared.messages import (
    ActivationDelayed,
    ActivationRefused,
    CodeEvent,
    CodeRef,
    CodeRejected,
    DeviceId,
    Finding,
    Hold,
    LicenseActivated,
    Reason,
    Trigger,
)
from shared.rules.policy import Policy

ATTEMPTS_MAX = 5
"""A hold ends at a known time: more attempts than this would be a fault of a rule."""
FORETOLD = UUID(int=0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Foreseen:
    """What will come of one device's switch at `switch_at`, if nothing changes.

    `held_until`: an announced purchase or a renewal that is due lets it wait, for `hold`. `ends_at` is the end of the
    new license. `rivals` took the seats before it. A license that was renewed meanwhile `runs_on`.
    """

    row: Switchover
    switch_at: datetime
    outcome: Literal["switches", "fails", "runs_on"]
    reason: Reason | None = None
    findings: tuple[Finding, ...] = ()
    ends_at: datetime | None = None
    hold: Hold | None = None
    held_until: datetime | None = None
    rivals: tuple[DeviceId, ...] = ()


@dataclass(frozen=True, slots=True, order=True)
class _Attempt:
    """An attempt, in the order in which they will be made."""

    at: datetime
    device_id: DeviceId
    number: int = 1
    hold: Hold | None = None


def foresee(
    rows: Sequence[Switchover], codes: Mapping[CodeRef, Code], policy: Policy, *, now: datetime
) -> dict[DeviceId, Foreseen]:
    """Return what will come of the switches of `rows`; one that is overdue comes now.

    `codes` are the reserves and current licenses of the rows, and the prior ones they name, each knowing which of
    the rows' devices hold a seat on it. Whoever competes for a seat before a row must be among the rows.
    """
    by_id = {row.device_id: row for row in rows if row.device_id is not None and row.switch_at is not None}
    agenda = [_Attempt(max(row.switch_at, now), name) for name, row in by_id.items() if row.switch_at is not None]
    heapify(agenda)
    states, seated, foreseen = dict(codes), defaultdict[CodeRef, list[DeviceId]](list), dict[DeviceId, Foreseen]()
    while agenda:
        attempt = heappop(agenda)
        row = by_id[attempt.device_id]
        events = decide(_asked(row, attempt), states, policy)
        for event in events:
            states[event.code_ref or ""] = evolve_code(states.get(event.code_ref or "", Code()), event)
        again = _again(attempt, events[0])
        if again is not None:
            heappush(agenda, again)
            continue
        foreseen[attempt.device_id] = _foreseen(row, attempt, events[0], seated)
    return foreseen


def _asked(row: Switchover, attempt: _Attempt) -> Activate:
    reserve, current = row.reserve, row.license
    trigger: Trigger = "automatic" if reserve and reserve.status == "waits" and attempt.number == 1 else "retry"
    return Activate(
        at=attempt.at,
        trigger=trigger,
        request_id=FORETOLD,
        device_id=attempt.device_id,
        code_ref=reserve.code_ref if reserve else "",
        product=row.product,
        region=row.region,
        product_version=row.product_version,
        vendor=row.vendor,
        current_ref=current.code_ref if current else None,
        current_ends_at=current.over_at if current else None,
        prior_ref=reserve.prior_ref if reserve else None,
        accepts_short_term=reserve.accepts_short_term if reserve else False,
    )


def _again(attempt: _Attempt, event: CodeEvent) -> _Attempt | None:
    if not isinstance(event, ActivationDelayed) or attempt.number == ATTEMPTS_MAX or event.cause == "no_answer":
        return None
    return _Attempt(max(event.retry_at, attempt.at), attempt.device_id, attempt.number + 1, event.cause)


def _foreseen(row: Switchover, attempt: _Attempt, event: CodeEvent, seated: dict[CodeRef, list[DeviceId]]) -> Foreseen:
    told: dict[str, Any] = {
        "row": row,
        "switch_at": row.switch_at,
        "hold": attempt.hold,
        "held_until": attempt.at if attempt.hold else None,
    }
    match event:
        case LicenseActivated():
            seated[event.code_ref].append(attempt.device_id)
            return Foreseen(outcome="switches", ends_at=event.ends_at, **told)
        case ActivationRefused(reason="stale" | "not_expired") | ActivationDelayed():
            return Foreseen(outcome="runs_on", **told)
        case ActivationRefused() | CodeRejected():
            rivals = seated[event.code_ref or ""] if event.reason == "seats_exhausted" else ()
            return Foreseen(outcome="fails", reason=event.reason, findings=event.findings, rivals=tuple(rivals), **told)
        case _:
            raise TypeError(f"{type(event).__name__} answers no attempt")
