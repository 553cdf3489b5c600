"""Why there is a license, or none, and why its dates are what they are. Pure."""

from collections.abc import Iterable, Sequence
from datetime import datetime

from services.device.decider import Device, License, in_force, renewal_due, status, works_until
from services.device.explanation.parts import Answer, Further, Rule, Told, evidence, further, last
from shared.messages import (
    ActivationRefused,
    CodeBlocked,
    CodeRejected,
    CodeUnblocked,
    LicenseActivated,
    LicenseExpired,
    LicenseRemoved,
    LicenseRenewed,
    LicenseShortened,
    PurchaseAnnounced,
    SeatReleased,
)
from shared.rules.checks import moment
from shared.rules.policy import Policy
from shared.rules.renewals import start_of


def license_answer(device: Device, life: Sequence[Told], at: datetime, policy: Policy) -> Answer:
    """Return why there is a license in force, or none (R-04, R-40, R-65, R-105, R-135)."""
    current = device.license
    if current is None:
        return _none(life)
    return Answer(
        about="license",
        sentence=_said_of(current, device, at, policy),
        rules=tuple(_rules_of(current, device, at, policy)),
        evidence=evidence(_about_license(life)),
        change=None if in_force(device, at) else "a renewal bought for it, or another code activated",
        # of a license that is in force and not blocked, its dates say all
        further=() if in_force(device, at) and current.stops_at is None else (Further(code_ref=current.code_ref),),
    )


def _none(life: Sequence[Told]) -> Answer:
    """Why there is no license at all."""
    gone = last(life, SeatReleased, LicenseRemoved)
    tried = last(life, CodeRejected, ActivationRefused)
    if gone is not None:
        what = "was given back" if isinstance(gone.event, LicenseRemoved) else "was taken away by the vendor"
        return Answer(
            about="license",
            sentence=f"There is no license: it {what} at {moment(gone.occurred_at)}.",
            rules=(Rule(rule="R-25, R-84", reason="no_license", passed=False, change="a code added"),),
            evidence=evidence([gone]),
            change="a code added",
            further=further(gone, gone.event.code_ref),
        )
    begin = "no code was ever activated here" if tried or len(life) > 1 else "no code was ever added"
    return Answer(
        about="license",
        sentence=f"There is no license: {begin}.",
        rules=(Rule(rule="R-04", reason="no_license", passed=False, change="a code added"),),
        evidence=evidence(life[:1]),
        change="a code added",
    )


def _said_of(current: License, device: Device, at: datetime, policy: Policy) -> str:
    name, until = f"The license …{current.last_group}", works_until(device, policy)
    match status(device, at, policy):
        case "active" if current.stops_at is not None and current.stops_at < current.ends_at:
            return f"{name} is blocked by the vendor and stops at {moment(current.stops_at)}."
        case "active":
            return f"{name} is in force until {moment(current.ends_at)}."
        case "blocked":
            return f"{name} is blocked by the vendor; it stopped at {moment(current.stops_at)}."
        case "grace" if renewal_due(device, at, policy) is not None:
            ended = moment(current.ends_at)
            return f"{name} ended at {ended} and is about to renew itself; the product works until {moment(until)}."
        case "grace":
            return f"{name} is over since {moment(current.ends_at)}; the product works until {moment(until)}."
        case _:
            return f"{name} is over since {moment(current.over_at)}."


def _rules_of(current: License, device: Device, at: datetime, policy: Policy) -> Iterable[Rule]:
    stopped = current.stops_at is not None and at >= current.stops_at
    yield Rule(
        rule="R-105, R-106",
        reason="code_blocked",
        passed=not stopped,
        change="the code unblocked by its vendor" if stopped else None,
    )
    over, until = at >= current.ends_at, works_until(device, policy)
    later = f"a renewal, or the same question before {moment(current.ends_at)}"
    yield Rule(rule="R-40", reason="term_over", passed=not over, change=later if over else None)
    if over and until is not None and until > current.ends_at:
        worked = at < until
        change = None if worked else f"the same question before {moment(until)}"
        yield Rule(rule="R-65, R-98, R-135", reason="term_over", passed=worked, change=change)


def _about_license(life: Sequence[Told]) -> list[Told]:
    """Return the activation of the license and all that moved or ended it since."""
    begun = [told for told in life if isinstance(told.event, LicenseActivated)][-1:]
    moving = (LicenseRenewed, LicenseShortened, CodeBlocked, CodeUnblocked, PurchaseAnnounced, LicenseExpired)
    since = begun[0].version if begun else 0
    return [*begun, *(told for told in life if told.version > since and isinstance(told.event, moving))]


def term_answer(device: Device, life: Sequence[Told]) -> list[Answer]:
    """Why its dates are what they are (R-66, R-67, R-130)."""
    current, activated = device.license, last(life, LicenseActivated)
    if current is None or activated is None:
        return []
    started, here = current.started_at, current.activated_at
    first_here = isinstance(activated.event, LicenseActivated) and activated.event.may_start_term
    where = "on this device" if first_here else f"on another device; this one followed at {moment(here)}"
    moves = [told for told in _about_license(life) if isinstance(told.event, LicenseRenewed | LicenseShortened)]
    often = "once" if len(moves) == 1 else f"{len(moves):,} times"
    moved = f" Purchases moved its end {often} since.{_renewed(moves)}" if moves else ""
    return [
        Answer(
            about="term",
            sentence=f"Its term counts from the first activation of the code, {moment(started)}, {where}.{moved}",
            rules=(Rule(rule="R-66, R-67", reason="already_activated", passed=True),),
            evidence=evidence(_about_license(life)),
            further=further(activated, current.code_ref),
        )
    ]


def _renewed(moves: Sequence[Told]) -> str:
    """Return from where the last renewal counts that was not refunded (R-130)."""
    events = [told.event for told in moves]
    refunded = {event.order_id for event in events if isinstance(event, LicenseShortened) and event.term is None}
    renewals = [event for event in events if isinstance(event, LicenseRenewed) and event.order_id not in refunded]
    return f" The last renewal counts from {start_of(renewals[-1])}." if renewals else ""
