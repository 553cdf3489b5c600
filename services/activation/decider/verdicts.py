"""Decides the answers to a device: whether a code is good as a reserve, and whether it becomes the license."""

from collections.abc import Mapping
from datetime import datetime
from typing import cast

from services.activation.decider.case import (
    Case,
    begins_at,
    case_of,
    current_ends_at,
    is_short,
    needs_prior,
    prior_of,
    term_of,
)
from services.activation.decider.commands import Activate, Question, Verify
from services.activation.decider.seats import SEATS_EXHAUSTED
from services.activation.decider.state import HOLDERS_NAMED_MAX, Code
from services.activation.decider.switch_checks import LEAVES_THE_CODE_GOOD, checks_for
from shared.messages import (
    ActivationDelayed,
    ActivationRefused,
    CodeEvent,
    CodeRejected,
    CodeVerified,
    EarlierActivationReported,
    Hold,
    LicenseActivated,
    Notice,
    PriorLicenseUsed,
    Reason,
    SeatReleased,
)
from shared.rules.checks import Looked, findings_of, first_broken
from shared.rules.policy import Policy
from shared.rules.term import end_of


def verify(asked: Verify, codes: Mapping[str, Code], policy: Policy) -> list[CodeEvent]:
    """Return the verdict on the Add, which consumes nothing (R-13, R-14)."""
    case = case_of(asked, codes, policy)
    broken = first_broken(checks_for(asked), case)
    if broken is not None:
        return [_explained(_rejected(asked, cast("Reason", broken.reason)), case)]  # an Add is never held
    return [_verified(case)]


def _verified(case: Case) -> CodeVerified:
    asked, code, term = case.asked, case.code, term_of(case)
    full_term_ends_at = end_of(current_ends_at(case) or asked.at, term)
    notices = _notices(case, full_term_ends_at)
    return CodeVerified(
        device_id=asked.device_id,
        code_ref=asked.code_ref,
        request_id=asked.request_id,
        last_group=code.last_group,
        term=term,
        predicted_ends_at=code.ends_at or full_term_ends_at,
        started_at=code.started_at,
        notices=notices,
        kind=code.kind,
        edition=code.edition,
        features=code.features,
        devices_left_out=max(0, case.current.seats_taken - code.seats) if "fewer_seats" in notices else 0,
    )


def _notices(case: Case, full_term_ends_at: datetime) -> tuple[Notice, ...]:
    code, current = case.code, case.current
    follows = current.code_ref is not None
    applies: dict[Notice, bool] = {
        "seats_exhausted": SEATS_EXHAUSTED.broken(case),  # a seat may be free on the day of the switch
        # the term began with the first activation
        "less_than_full_term": code.ends_at is not None and code.ends_at < full_term_ends_at,
        "other_edition": follows and code.edition != current.edition,
        "fewer_features": follows and not set(current.features) <= set(code.features),
        "fewer_seats": follows and code.seats < current.seats,
        "shorter_term": is_short(case),
    }
    return tuple(notice for notice, is_given in applies.items() if is_given)


def activate(asked: Activate, codes: Mapping[str, Code], policy: Policy) -> list[CodeEvent]:
    """Return the device's new license, or why there is none: a refusal consumes nothing (R-44, R-51)."""
    case = case_of(asked, codes, policy)
    broken = first_broken(checks_for(asked), case)
    return _activated(asked, case) if broken is None else [_explained(_failed(asked, broken), case)]


def _activated(asked: Activate, case: Case) -> list[CodeEvent]:
    """Return the license and, in the same decision, the release of the seat on the code it replaces (R-66, R-87)."""
    code, current, began_at = case.code, case.current, begins_at(case)
    switched = asked.device_id in current.holders and current.code_ref != asked.code_ref
    prior = prior_of(case).code if needs_prior(case) else None
    license_ = LicenseActivated(
        device_id=asked.device_id,
        code_ref=asked.code_ref,
        request_id=asked.request_id,
        last_group=code.last_group,
        trigger=asked.trigger,
        activated_at=began_at,
        started_at=code.started_at or began_at,
        ends_at=code.ends_at or end_of(began_at, term_of(case)),
        replaced_ref=current.code_ref if switched else None,
        kind=code.kind,
        edition=code.edition,
        features=code.features,
        grace_days=code.grace_days,
        auto_renews=code.auto_renews,
        prior_ref=prior.code_ref if prior else None,
        starts_term=code.started_at is None,
    )
    return [license_, *_released(license_), *_used(license_), *_reported_late(asked, code, license_)]


def _released(license_: LicenseActivated) -> list[CodeEvent]:
    if license_.replaced_ref is None:
        return []
    return [SeatReleased(device_id=license_.device_id, code_ref=license_.replaced_ref, cause="switched")]


def _used(license_: LicenseActivated) -> list[CodeEvent]:
    """Record that the prior license of a discounted renewal is used, and no longer good for another one (R-30)."""
    if license_.prior_ref is None:
        return []
    return [PriorLicenseUsed(code_ref=license_.prior_ref, renewal_ref=license_.code_ref, device_id=license_.device_id)]


def _reported_late(asked: Activate, code: Code, license_: LicenseActivated) -> list[CodeEvent]:
    """Report an offline activation before the first recorded one; the start never changes (R-66, R-77).

    Attempts that merely overtook each other on the way do not count as such: the order of the log decides (R-71).
    """
    if asked.activated_at is None or license_.activated_at >= license_.started_at:
        return []
    return [
        EarlierActivationReported(
            code_ref=license_.code_ref,
            device_id=license_.device_id,
            activated_at=license_.activated_at,
            started_at=license_.started_at,
            affected=tuple(sorted(code.holders - {license_.device_id}))[:HOLDERS_NAMED_MAX],
        )
    ]


def _failed(asked: Activate, broken: Looked[Case, Reason | Hold]) -> CodeEvent:
    """Return the event for the check that an attempt failed."""
    match broken.reason:
        case "purchase_pending" | "renewal_due" as cause:
            return _delayed(asked, cause, broken.passes_at or asked.at)
        case reason if asked.trigger != "immediate" or reason in LEAVES_THE_CODE_GOOD:
            return _refused(asked, reason, broken.passes_at)
        case reason:
            return _rejected(asked, reason)


def _explained(event: CodeEvent, case: Case) -> CodeEvent:
    """Return a refusal with the results of all checks, so that the device's log explains itself."""
    if not isinstance(event, CodeRejected | ActivationRefused):
        return event
    return event.but(findings=findings_of(checks_for(case.asked), case))


def _delayed(asked: Activate, cause: Hold, retry_at: datetime) -> ActivationDelayed:
    return ActivationDelayed(
        device_id=asked.device_id,
        code_ref=asked.code_ref,
        request_id=asked.request_id,
        trigger=asked.trigger,
        retry_at=retry_at,
        cause=cause,
    )


def _refused(asked: Activate, reason: Reason, available_at: datetime | None) -> ActivationRefused:
    return ActivationRefused(
        device_id=asked.device_id,
        code_ref=asked.code_ref,
        request_id=asked.request_id,
        trigger=asked.trigger,
        reason=reason,
        available_at=available_at,
    )


def _rejected(asked: Question, reason: Reason) -> CodeRejected:
    return CodeRejected(
        device_id=asked.device_id,
        code_ref=asked.code_ref,
        request_id=asked.request_id,
        reason=reason,
        asked_at=asked.at,
    )
