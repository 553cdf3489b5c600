"""Simulates the coming switches with the real rules: each device at its time, in the order of these times.

Every simulated switch changes the codes for the later ones, as it will then: two devices that count on the same last
seat collide here, and the term of a code that one device starts also runs for the others. Who gets a seat is foreseen
only where time decides it; where chance does, `rushes` says that it is contested (R-141). Pure; nothing is stored.
"""

from collections.abc import Mapping, Sequence
from copy import replace
from dataclasses import dataclass
from datetime import datetime
from heapq import heapify, heappop, heappush
from typing import Any, Literal
from uuid import UUID

from services.activation.decider import Activate, Code, decide
from services.activation.decider import evolve as evolve_code
from services.activation.forecast.rushes import Rushes
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
"""A hold ends at a known time: more attempts than this would be a bug in a rule."""
SIMULATED_REQUEST = UUID(int=0)


@dataclass(frozen=True, slots=True, kw_only=True)
class SwitchForecast:
    """The outcome of one device's switch at `switch_at`, if nothing changes.

    An announced purchase or a renewal that is due (`hold`) delays it until `held_until`. `ends_at` is the end of the
    new license. `rivals` are the first of the devices that come before it. `runs_on`: the license was renewed
    meanwhile. `contested`: of `contenders` devices at about the same time only `seats` will get one, and nobody can
    know which; `rivals` are the first of the others (R-141).
    """

    row: Switchover
    switch_at: datetime
    outcome: Literal["switches", "fails", "contested", "runs_on"]
    reason: Reason | None = None
    findings: tuple[Finding, ...] = ()
    ends_at: datetime | None = None
    hold: Hold | None = None
    held_until: datetime | None = None
    rivals: tuple[DeviceId, ...] = ()
    seats: int | None = None
    contenders: int | None = None


@dataclass(frozen=True, slots=True, order=True)
class _Attempt:
    """An attempt. Attempts sort in the order in which they will be made."""

    at: datetime
    device_id: DeviceId
    number: int = 1
    hold: Hold | None = None


def simulate_switches(
    rows: Sequence[Switchover], codes: Mapping[CodeRef, Code], policy: Policy, *, now: datetime
) -> dict[DeviceId, SwitchForecast]:
    """Return the outcome of the switches of `rows`; one that is overdue happens now.

    `codes` are the reserves, current licenses and named prior licenses of the rows, each with the holders of its seats
    among the rows' devices. All devices that compete for a seat before a row must be among the rows.
    """
    by_id = {row.device_id: row for row in rows if row.device_id is not None and row.switch_at is not None}
    agenda = [_Attempt(max(row.switch_at, now), name) for name, row in by_id.items() if row.switch_at is not None]
    heapify(agenda)
    states, rushes, outcomes = dict(codes), Rushes(), dict[DeviceId, SwitchForecast]()
    while agenda:
        attempt = heappop(agenda)
        row = by_id[attempt.device_id]
        events = decide(_command(row, attempt), states, policy)
        rushes.note(attempt.at, attempt.device_id, events[0], states)
        for event in events:
            states[event.code_ref or ""] = evolve_code(states.get(event.code_ref or "", Code()), event)
        following = _next_attempt(attempt, events[0])
        if following is not None:
            heappush(agenda, following)
            continue
        outcomes[attempt.device_id] = _outcome_of(row, attempt, events[0])
    return outcomes | _as_rushed(outcomes, rushes)


def _as_rushed(outcomes: Mapping[DeviceId, SwitchForecast], rushes: Rushes) -> dict[DeviceId, SwitchForecast]:
    """Return the outcomes of those who want a seat that not all can get."""
    rushed = {}
    for place in rushes.places():
        one = outcomes[place.device_id]
        if place.contested:
            one = replace(one, outcome="contested", reason="seats_exhausted", findings=(), ends_at=None)
        rushed[place.device_id] = replace(one, rivals=place.rivals, seats=place.seats, contenders=place.contenders)
    return rushed


def _command(row: Switchover, attempt: _Attempt) -> Activate:
    reserve, current = row.reserve, row.license
    trigger: Trigger = "automatic" if reserve and reserve.status == "waits" and attempt.number == 1 else "retry"
    return Activate(
        at=attempt.at,
        trigger=trigger,
        request_id=SIMULATED_REQUEST,
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
        trials_before=reserve.trials_before if reserve else 0,
    )


def _next_attempt(attempt: _Attempt, event: CodeEvent) -> _Attempt | None:
    if not isinstance(event, ActivationDelayed) or attempt.number == ATTEMPTS_MAX or event.cause == "no_answer":
        return None
    return _Attempt(max(event.retry_at, attempt.at), attempt.device_id, attempt.number + 1, event.cause)


def _outcome_of(row: Switchover, attempt: _Attempt, event: CodeEvent) -> SwitchForecast:
    common: dict[str, Any] = {
        "row": row,
        "switch_at": row.switch_at,
        "hold": attempt.hold,
        "held_until": attempt.at if attempt.hold else None,
    }
    match event:
        case LicenseActivated():
            return SwitchForecast(outcome="switches", ends_at=event.ends_at, **common)
        case ActivationRefused(reason="stale" | "not_expired") | ActivationDelayed():
            return SwitchForecast(outcome="runs_on", **common)
        case ActivationRefused() | CodeRejected():
            return SwitchForecast(outcome="fails", reason=event.reason, findings=event.findings, **common)
        case _:
            raise TypeError(f"{type(event).__name__} answers no attempt")
