"""Why the activation service said what it said of a code: which facts of its life a verdict rests on. Pure.

The door reads those facts, by the index of the code's stream; nothing but `needs` says which.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal
from uuid import UUID

import msgspec
from pydantic import BaseModel, ConfigDict

from services.activation.decider import CodeEvent
from shared.messages import (
    ActivationDelayed,
    ActivationRefused,
    CodeRef,
    CodeRejected,
    CodeVerified,
    DeviceId,
    Finding,
    Hold,
    LicenseActivated,
    LicenseRenewed,
    Reason,
)
from shared.reasons import EXPLAINED_REASONS
from shared.rules.checks import moment
from shared.rules.dates import Written
from shared.rules.renewals import start_of

HOLDERS_MAX = 20
"""How many holders of seats are named; a code may have thousands."""
LAST_MAX = 20


@dataclass(frozen=True, slots=True)
class Need:
    """Facts of the code that a verdict rests on: the first of some types, the last, or who held a seat then."""

    what: str
    types: tuple[str, ...]
    which: Literal["first", "last", "all", "holders"] = "last"


ISSUED = Need("the terms of the code", ("CodeIssued",), "first")
STARTED = Need("the first activation of the code, which began its term", ("LicenseActivated",), "first")
MOVED = Need("what moved its end since", ("LicenseRenewed", "LicenseShortened"), "all")
BLOCKED = Need("the block", ("CodeBlocked", "CodeUnblocked"))
SEATED = Need("the activations that hold its seats", ("LicenseActivated", "SeatReleased"), "holders")
RENEWING = Need("whether it renews itself", ("AutoRenewalChanged",))
ANNOUNCED = Need("the purchase that is awaited", ("PurchaseAnnounced",))
USED = Need("the renewal that it was the prior license of", ("PriorLicenseUsed",))

EVIDENCE: Mapping[Reason, tuple[Need, ...]] = {
    "unknown_code": (ISSUED,),
    "code_blocked": (BLOCKED,),
    "wrong_product": (ISSUED,),
    "wrong_region": (ISSUED,),
    "version_incompatible": (ISSUED,),
    "activate_by_passed": (ISSUED,),
    "trial_not_allowed": (ISSUED,),
    "subscription_not_allowed": (ISSUED,),
    "term_over": (STARTED, MOVED),
    "not_later_than_current": (STARTED, MOVED),
    "seats_exhausted": (ISSUED, SEATED),
    "already_activated": (STARTED, SEATED),
    "no_prior_license": (ISSUED, USED),
    "already_used_for_renewal": (ISSUED, USED),
}
"""The facts behind each reason; where the license before the code decided, its own explanation tells."""

OF_THE_CODE = (ISSUED, STARTED, MOVED, BLOCKED, SEATED, RENEWING, ANNOUNCED, USED)
"""What explains a code as it stands."""


def needs(verdict: CodeEvent | None) -> tuple[Need, ...]:
    """Return what a verdict rests on; without one, what explains the code as it stands."""
    match verdict:
        case None:
            return OF_THE_CODE
        case CodeRejected() | ActivationRefused():
            return EVIDENCE.get(verdict.reason, (STARTED, MOVED, BLOCKED))
        case LicenseActivated() | CodeVerified():
            return (STARTED, MOVED)
        case ActivationDelayed():
            return (ANNOUNCED, RENEWING)
        case _:
            return ()


class Told(BaseModel):
    """An event of the code, and where it stands."""

    model_config = ConfigDict(frozen=True)

    type: str
    event_id: UUID
    version: int
    slice: int
    position: int
    occurred_at: Written
    data: Mapping[str, Any]


class Evidence(BaseModel):
    """Facts, and what they are evidence of. `more` tells that there are further ones."""

    model_config = ConfigDict(frozen=True)

    what: str
    events: tuple[Told, ...]
    more: bool = False


class Rule(BaseModel):
    """A rule that was looked at; `change` is what would have made it pass."""

    model_config = ConfigDict(frozen=True, from_attributes=True)

    rule: str
    reason: Reason | Hold
    passed: bool
    change: str


class Explanation(BaseModel):
    """Why a verdict was given, or how a code came to stand where it stands."""

    model_config = ConfigDict(frozen=True)

    code_ref: CodeRef
    verdict: str
    device_id: DeviceId | None = None
    rules: tuple[Rule, ...] = ()
    change: str | None = None
    evidence: tuple[Evidence, ...] = ()


def explain(code_ref: CodeRef, verdict: CodeEvent | None, evidence: Sequence[Evidence]) -> Explanation:
    """Return the explanation that rests on this evidence."""
    findings: tuple[Finding, ...] = getattr(verdict, "findings", ())
    rules = tuple(map(Rule.model_validate, findings))
    changes = [rule.change for rule in rules if not rule.passed and rule.change]
    return Explanation(
        code_ref=code_ref,
        verdict=_said(verdict, evidence),
        device_id=getattr(verdict, "device_id", None),
        rules=rules,
        change=", and ".join(dict.fromkeys(changes)) or None,
        evidence=tuple(entry for entry in evidence if entry.events),
    )


def _said(  # noqa: PLR0911 - one sentence per verdict
    verdict: CodeEvent | None, evidence: Sequence[Evidence]
) -> str:
    match verdict:
        case CodeRejected():
            return f"The code was not taken: {_meaning(verdict.reason)}"
        case ActivationRefused():
            return f"The activation was refused: {_meaning(verdict.reason)}"
        case ActivationDelayed():
            return f"The activation waits until {moment(verdict.retry_at)}: {verdict.cause.replace('_', ' ')}."
        case CodeVerified():
            return "The code was good as a reserve."
        case LicenseActivated() if verdict.may_start_term:
            return f"The first activation of the code, at {moment(verdict.started_at)}, began its term."
        case LicenseActivated():
            return (
                f"The term began at {moment(verdict.started_at)}, with the first activation of the code"
                f"{_on_device(evidence)}; it is the same on every device."
            )
        case None:
            return _said_of_code(evidence)
        case _:
            return f"{type(verdict).__name__} was recorded."


def _on_device(evidence: Sequence[Evidence]) -> str:
    first = _found(evidence, STARTED)
    return f" on device {first[0].data['device_id']}" if first else ""


def _said_of_code(evidence: Sequence[Evidence]) -> str:
    issued, started, blocked = (_found(evidence, need) for need in (ISSUED, STARTED, BLOCKED))
    if not issued:
        return "No such code was issued."
    if blocked and blocked[-1].type == "CodeBlocked":
        return f"The code is blocked since {moment(blocked[-1].occurred_at)}."
    if not started:
        return "The code was issued and never activated."
    return f"The code is in use since {moment(_begun(started[0]))}{_on_device(evidence)}.{_renewed(evidence)}"


def _begun(started: Told) -> datetime:
    return msgspec.convert(started.data, LicenseActivated).started_at


def _renewed(evidence: Sequence[Evidence]) -> str:
    """Return from where the last renewal counts that was not refunded (R-130)."""
    moves = _found(evidence, MOVED)
    refunded = {
        told.data["order_id"] for told in moves if told.type == "LicenseShortened" and not told.data.get("term")
    }
    renewals = [told.data for told in moves if told.type == "LicenseRenewed" and told.data["order_id"] not in refunded]
    if not renewals:
        return ""
    return f" Its last renewal counts from {start_of(msgspec.convert(renewals[-1], LicenseRenewed))}."


def _found(evidence: Sequence[Evidence], need: Need) -> tuple[Told, ...]:
    return next((entry.events for entry in evidence if entry.what == need.what), ())


def _meaning(reason: Reason) -> str:
    meaning = EXPLAINED_REASONS[reason].meaning
    return meaning[:1].lower() + meaning[1:]
