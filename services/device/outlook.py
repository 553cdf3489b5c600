"""What will become of the code in reserve at the switch, as things stand: what the window says of it (R-141).

The activation service decides then, and its forecast foresees that by its own rules. Here the device service tells what
it knows itself: what each code allows, a fold of the activation service's log, and which devices have it or wait with
it. Pure; decides nothing.
"""

from copy import replace
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from services.device.decider import Device, Reserve, takes_over_at
from shared.messages import (
    ACTIVATION_EVENTS,
    CodeBlocked,
    CodeIssued,
    CodeUnblocked,
    Product,
    ProductVersion,
    Reason,
    Region,
)
from shared.projector.projection import view_of
from shared.rules.decider import StateStruct, always
from shared.rules.term import end_of
from shared.rules.versions import is_within

TOPIC = "activation.events.v1"


class CodeTerms(StateStruct, frozen=True):
    """What a code allows. Without `seats` it was never issued."""

    product: Product = always("")
    seats: int = 0
    regions: tuple[Region, ...] = ()
    version_min: ProductVersion | None = None
    version_max: ProductVersion | None = None
    activate_by: datetime | None = None
    blocked: bool = False


def fold(terms: CodeTerms, event: Any, /, *, occurred_at: datetime, recorded_at: datetime) -> CodeTerms:
    """Return the terms after an event of the code."""
    del occurred_at, recorded_at  # terms depend on what the events say, not on when they came
    match event:
        case CodeIssued():
            return CodeTerms(
                product=event.product,
                seats=event.seats,
                regions=event.regions,
                version_min=event.version_min,
                version_max=event.version_max,
                activate_by=event.activate_by,
            )
        case CodeBlocked() | CodeUnblocked():
            return terms.but(blocked=isinstance(event, CodeBlocked))
        case _:
            return terms


_VIEW = view_of(name="code_terms", topic=TOPIC, key="code_ref", initial=CodeTerms(), fold=fold)
CODE_TERMS = replace(
    _VIEW,
    ignored=frozenset(
        {*_VIEW.ignored, *(event.__name__ for event in ACTIVATION_EVENTS)}
        - {"CodeIssued", "CodeBlocked", "CodeUnblocked"}
    ),
)
"""The projection: one row per code. It reads only three kinds of events, none of which a switch causes."""


@dataclass(frozen=True, slots=True)
class Demand:
    """How many other devices have the code, and how many will want it before this device or together with it.

    `first_at` is when the first of those that wait with it will want it.
    """

    seated: int
    earlier: int
    together: int
    first_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Outlook:
    """The code in reserve will be refused at `at` for `reason`, or, if `contenders`, `seats` of them will get it."""

    at: datetime
    reason: Reason
    seats: int = 0
    contenders: int = 0


def switch_at(device: Device) -> datetime | None:
    """Return when a verified code in reserve will be tried; None if it will not, or an answer is awaited."""
    reserve = device.reserve
    if reserve is None or reserve.held or reserve.status not in ("ready", "retrying"):
        return None
    return reserve.retry_at if reserve.status == "retrying" else takes_over_at(device)


def outlook_of(device: Device, at: datetime, terms: CodeTerms, demand: Demand) -> Outlook | None:
    """Return why the switch at `at` will fail, or may, as things stand; None if nothing is in its way."""
    reason = _broken(device, at, terms, demand)
    if reason is not None:
        return Outlook(at=at, reason=reason)
    free = terms.seats - demand.seated - demand.earlier
    if demand.together < free:
        return None
    contenders = demand.together + 1 if free > 0 else 0
    return Outlook(at=at, reason="seats_exhausted", seats=max(free, 0), contenders=contenders)


def _ends_at(reserve: Reserve, at: datetime, demand: Demand) -> datetime | None:
    """Return when a term ends that has begun, or that another device will begin before `at` (R-66, R-67)."""
    if reserve.started_at is not None:
        return reserve.predicted_ends_at
    if reserve.term is None or demand.first_at is None or demand.first_at > at:
        return None
    return end_of(demand.first_at, reserve.term)


def _broken(device: Device, at: datetime, terms: CodeTerms, demand: Demand) -> Reason | None:
    """Return the first thing but seats that is in the way, in the order in which the activation service looks."""
    reserve = device.reserve
    ends_at = _ends_at(reserve, at, demand) if reserve is not None else None
    # an earlier device will begin the term in time for all
    begin_at = min(at, demand.first_at or at)
    started = reserve is not None and reserve.started_at is not None
    broken: dict[Reason, bool] = {
        "code_blocked": terms.blocked,
        "wrong_product": terms.product != device.product,
        "version_incompatible": not is_within(device.product_version, terms.version_min, terms.version_max),
        "wrong_region": bool(terms.regions) and device.region not in terms.regions,
        "activate_by_passed": not started and terms.activate_by is not None and begin_at > terms.activate_by,
        "term_over": ends_at is not None and at >= ends_at,
    }
    return next((reason for reason, is_so in broken.items() if is_so), None)
