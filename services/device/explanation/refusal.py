"""Why something was refused, and why Activate now is not available: the rules are looked at again. Pure."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from services.device.decider import (
    ACTIVATE_NOW,
    ADD_CODE,
    REMOVE_LICENSE,
    REMOVE_RESERVE,
    REPORT_OFFLINE,
    AddCode,
    Case,
    Check,
    Click,
    Device,
    RemoveLicense,
    RemoveReserve,
    ReportOfflineActivation,
    looked_at,
)
from services.device.explanation.parts import (
    Answer,
    Rule,
    Told,
    after,
    change_of,
    evidence,
    findings,
    further,
    last,
    meaning,
    rules_of,
)
from shared.messages import ActivationRefused, CodeRejected, LicenseActivated, RemovalRefused
from shared.rules.checks import moment

NO_GROUP = "00000"
"""The last group of a code that was refused is not told."""

type Refusal = CodeRejected | ActivationRefused | RemovalRefused


def refusal_answer(life: Sequence[Told]) -> list[Answer]:
    """Why the last thing was refused that was refused since the license came."""
    activated, refused = last(life, LicenseActivated), last(life, CodeRejected, ActivationRefused, RemovalRefused)
    if refused is None or (activated is not None and refused.version < activated.version):
        return []
    event: Refusal = refused.event
    asked = _asking(life, event)
    rules = findings(event) or _looked_at_here(life, refused)
    what = {"CodeRejected": "The code was not taken", "RemovalRefused": "The removal was refused"}
    said = what.get(type(event).__name__, "The activation was refused")
    device = after(told for told in life if told.version < refused.version)
    return [
        Answer(
            about="refusal",
            sentence=f"{said} at {moment(refused.occurred_at)}: {meaning(event.reason)}",
            rules=rules,
            evidence=evidence([*asked, refused]),
            change=change_of(rules),
            # what no event of this log had asked for, this service refused by itself
            further=further(refused, event.code_ref, device.license) if asked else (),
        )
    ]


def _looked_at_here(life: Sequence[Told], refused: Told) -> tuple[Rule, ...]:
    """Look at this service's own rules again, on the device as it was."""
    before = after(told for told in life if told.version < refused.version)
    event: Refusal = refused.event
    for checks, asked in _orders(event, refused.occurred_at):
        rules = rules_of(looked_at(checks, Case(device=before, asked=asked)))
        if next((rule.reason for rule in rules if not rule.passed), None) == event.reason:
            return rules
    return (Rule(rule="R-19", reason=event.reason, passed=False),)


def _orders(event: Refusal, at: datetime) -> Iterable[tuple[Sequence[Check[Any]], Any]]:
    """Give the orders that may have been refused so, each with the checks that it met."""
    order = {"device_id": event.device_id, "at": at, "request_id": getattr(event, "request_id", UUID(int=0))}
    named = {"code_ref": event.code_ref}
    match event:
        case CodeRejected():
            for when in ("at_end", "now"):
                yield ADD_CODE, AddCode(last_group=NO_GROUP, when=when, **named, **order)
        case ActivationRefused(trigger="offline"):
            reported = {"last_group": NO_GROUP, "activated_at": at}
            yield REPORT_OFFLINE, ReportOfflineActivation(**reported, **named, **order)
        case ActivationRefused():
            yield ACTIVATE_NOW, Click(at=at)
            yield ACTIVATE_NOW, Click(at=at, code_ref=event.code_ref)
        case RemovalRefused():
            yield REMOVE_RESERVE, RemoveReserve(**order)
            yield REMOVE_LICENSE, RemoveLicense(**order)


def _asking(life: Sequence[Told], event: Refusal) -> list[Told]:
    request_id = getattr(event, "request_id", None)
    asked = [told for told in life if getattr(told.event, "request_id", None) == request_id and told.event != event]
    return asked[:1] if request_id is not None else []


def activate_now_answer(device: Device, at: datetime) -> Answer:
    """Return whether Activate now is available, and why not (R-55)."""
    rules = rules_of(looked_at(ACTIVATE_NOW, Case(device=device, asked=Click(at=at))))
    broken = next((rule for rule in rules if not rule.passed), None)
    allowed = "Activate now is available." if broken is None else ""
    reason = "" if broken is None else f"Activate now is not available: {meaning(broken.reason)}"
    return Answer(about="activate_now", sentence=allowed or reason, rules=rules, change=change_of(rules))
