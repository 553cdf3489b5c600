"""What an explanation is made of, and the words it is told in. Pure."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any, Literal
from uuid import UUID

from pydantic import BaseModel, ConfigDict

from services.device.decider import Device, DeviceEvent, License, Looked, evolve
from shared.messages import CodeRef, Finding, Hold, LastGroup, OrderId, Reason
from shared.reasons import EXPLAINED_REASONS
from shared.rules.dates import Written

ABOUT_ANOTHER_CODE = ("stale", "not_expired", "subscription_active", "no_prior_license", "already_used_for_renewal")
"""Reasons for which the license before the code speaks too."""


class Part(BaseModel):
    """A part of an explanation."""

    model_config = ConfigDict(frozen=True)


class Told(Part):
    """An event of the device, and where it stands."""

    event: Any
    event_id: UUID
    causation_id: UUID | None
    version: int
    slice: int
    position: int
    occurred_at: datetime


class Evidence(Part):
    """A fact that an answer rests on: an event of this device's log."""

    type: str
    event_id: UUID
    version: int
    slice: int
    position: int
    occurred_at: Written


class Rule(Part):
    """A rule that was looked at; `change` is what would have made it pass."""

    rule: str
    reason: Reason | Hold
    passed: bool
    change: str | None = None


class Further(Part):
    """Where the activation service tells more: of a code, or of one event of its life."""

    code_ref: CodeRef
    event_id: UUID | None = None


class Answer(Part):
    """One answer: in a sentence, with its rules, its evidence, and what would have changed it."""

    about: Literal["license", "term", "switch", "refusal", "activate_now"]
    sentence: str
    rules: tuple[Rule, ...] = ()
    evidence: tuple[Evidence, ...] = ()
    change: str | None = None
    further: tuple[Further, ...] = ()


class Period(Part):
    """A time in which a code was the device's license, or waited in reserve; without `until` it still waits."""

    what: Literal["license", "reserve"]
    code_ref: CodeRef
    last_group: LastGroup
    since: Written
    until: Written | None = None


class Mark(Part):
    """Something that happened to the license at one moment."""

    what: Literal["refusal", "renewal", "refund", "block", "unblock"]
    at: Written
    reason: Reason | None = None
    order_id: OrderId | None = None


class Life(Part):
    """The device's life in short: its latest periods and marks, oldest first. `cut`: there were others before."""

    periods: tuple[Period, ...]
    marks: tuple[Mark, ...]
    cut: bool


class Explanation(Part):
    """Why the device stands where it stands, at a time."""

    status: str
    verdict: str
    answers: tuple[Answer, ...]
    life: Life


def after(life: Iterable[Told]) -> Device:
    """Return the device after these events."""
    device = Device()
    for told in life:
        device = evolve(device, told.event)
    return device


def findings(event: Any) -> tuple[Rule, ...]:
    """Return what the activation service looked at, as its refusal brought it."""
    found: tuple[Finding, ...] = getattr(event, "findings", ())
    return tuple(Rule(rule=one.rule, reason=one.reason, passed=one.passed, change=one.change or None) for one in found)


def rules_of(looked: Iterable[Looked[Any, Reason]]) -> tuple[Rule, ...]:
    """Return this service's own rules as they came out."""
    return tuple(Rule(rule=one.rule, reason=one.reason, passed=one.passed, change=one.change) for one in looked)


def change_of(rules: Sequence[Rule]) -> str | None:
    """Return what would have changed the verdict: all that was broken, not only what was told."""
    changes = [rule.change for rule in rules if not rule.passed and rule.change]
    return ", and ".join(dict.fromkeys(changes)) or None


def further(told: Told, code_ref: CodeRef | None, before: License | None = None) -> tuple[Further, ...]:
    """Return where the activation service tells more: of its own event, and of the license before."""
    links = [Further(code_ref=code_ref, event_id=told.causation_id)] if code_ref and told.causation_id else []
    if before is not None and getattr(told.event, "reason", None) in ABOUT_ANOTHER_CODE:
        links.append(Further(code_ref=before.code_ref))
    return tuple(links)


def evidence(told: Iterable[Told]) -> tuple[Evidence, ...]:
    """Return the facts as evidence."""
    return tuple(
        Evidence(type=type(one.event).__name__, **one.model_dump(include=Evidence.model_fields.keys() - {"type"}))
        for one in told
    )


def _not_in(some: Sequence[Told], others: Sequence[Told]) -> list[Told]:
    return [told for told in some if told not in others]


def last(life: Sequence[Told], *types: type[DeviceEvent], code_ref: CodeRef | None = None) -> Told | None:
    """Return the last event of these types, about that code if one is named."""

    def wanted(told: Told) -> bool:
        return isinstance(told.event, types) and code_ref in (None, getattr(told.event, "code_ref", None))

    return next((told for told in reversed(life) if wanted(told)), None)


def meaning(reason: str | None) -> str:
    """Return what a reason means, as the end of a sentence."""
    entry = EXPLAINED_REASONS.get(reason)  # type: ignore[call-overload] # a hold is no reason
    return entry.meaning[:1].lower() + entry.meaning[1:] if entry else "its reason is not known."
