"""What the activation service answers to a device: is the code good as a reserve, is it the license now."""

from collections.abc import Mapping
from datetime import datetime

from services.activation.decider.checks import (
    AT_ONCE,
    AT_THE_ADD,
    AT_THE_SWITCH,
    SEATS_EXHAUSTED,
    first_broken,
)
from services.activation.decider.commands import Activate, Question, Verify
from services.activation.decider.policy import POLICY
from services.activation.decider.state import Code
from services.activation.decider.term import end_of
from shared.messages import (
    ActivationDelayed,
    ActivationRefused,
    CodeEvent,
    CodeRejected,
    CodeVerified,
    LicenseActivated,
    Notice,
    Reason,
    SeatReleased,
)

_NOT_ISSUED = Code()


def verify(asked: Verify, codes: Mapping[str, Code]) -> list[CodeEvent]:
    """Return the verdict on the Add, which spends nothing (R-13, R-14)."""
    code = codes.get(asked.code_ref, _NOT_ISSUED)
    if (reason := first_broken(AT_THE_ADD, code, asked)) is not None:
        return [_rejected(asked, reason)]
    full_term_ends_at = end_of(asked.current_ends_at or asked.at, code.term)
    return [
        CodeVerified(
            device_id=asked.device_id,
            code_ref=asked.code_ref,
            request_id=asked.request_id,
            policy_version=POLICY.version,
            last_group=code.last_group,
            term=code.term,
            predicted_ends_at=code.ends_at or full_term_ends_at,
            started_at=code.started_at,
            notices=_notices(code, asked, full_term_ends_at),
        )
    ]


def _notices(code: Code, asked: Verify, full_term_ends_at: datetime) -> tuple[Notice, ...]:
    notices: list[Notice] = []
    if SEATS_EXHAUSTED.broken(code, asked):
        notices.append("seats_exhausted")  # a seat may be free on the day of the switch
    if code.ends_at is not None and code.ends_at < full_term_ends_at:
        notices.append("less_than_full_term")  # the term runs since its first activation
    return tuple(notices)


def activate(asked: Activate, codes: Mapping[str, Code]) -> list[CodeEvent]:
    """Return the license on the device, or why there is none: a refusal spends nothing (R-44, R-51)."""
    code = codes.get(asked.code_ref, _NOT_ISSUED)
    current = _NOT_ISSUED if asked.current_ref is None else codes.get(asked.current_ref, _NOT_ISSUED)
    answer = _immediate if asked.trigger == "immediate" else _switch
    against = answer(asked, code, current)
    return _activated(asked, code, current) if against is None else [against]


def _immediate(asked: Activate, code: Code, current: Code) -> CodeEvent | None:
    """What stands against a code that a person adds while no license is in force (R-04)."""
    if (reason := first_broken(AT_ONCE, code, asked)) is not None:
        return _rejected(asked, reason)
    if asked.current_ref != asked.code_ref:
        return _license_runs_on(asked, current)  # the code is good, so the device keeps it in reserve
    return None


def _switch(asked: Activate, code: Code, current: Code) -> CodeEvent | None:
    """What stands against the reserve: another license that is not over, a purchase, or the code itself."""
    if asked.device_id in code.holders:
        return _refused(asked, "already_activated")
    if (event := _license_runs_on(asked, current) or _held(asked, current)) is not None:
        return event
    reason = first_broken(AT_THE_SWITCH, code, asked)
    return None if reason is None else _refused(asked, reason)


def _license_runs_on(asked: Activate, current: Code) -> CodeEvent | None:
    """The license to be replaced ends later than the device knew, or has not ended (R-33, R-34, R-70)."""
    if current.ends_at is None:
        return None
    if asked.current_ends_at is not None and current.ends_at > asked.current_ends_at:
        return _refused(asked, "stale")
    if asked.at < current.ends_at:
        return _refused(asked, "not_expired").model_copy(update={"available_at": current.ends_at})
    return None


def _held(asked: Activate, current: Code) -> CodeEvent | None:
    """A purchase that is not settled holds the switch, for a time (R-70)."""
    holds = [purchase.hold_until for purchase in current.pending if asked.at < purchase.hold_until]
    if not holds:
        return None
    return ActivationDelayed(
        device_id=asked.device_id,
        code_ref=asked.code_ref,
        request_id=asked.request_id,
        policy_version=POLICY.version,
        trigger=asked.trigger,
        retry_at=max(holds),
        cause="purchase_pending",
    )


def _activated(asked: Activate, code: Code, current: Code) -> list[CodeEvent]:
    """The license, and in the same decision the seat on the code that it replaces given back (R-66, R-87)."""
    switched = asked.device_id in current.holders and current.code_ref != asked.code_ref
    replaced_ref = current.code_ref if switched else None
    license_ = LicenseActivated(
        device_id=asked.device_id,
        code_ref=asked.code_ref,
        request_id=asked.request_id,
        policy_version=POLICY.version,
        last_group=code.last_group,
        trigger=asked.trigger,
        activated_at=asked.at,
        started_at=code.started_at or asked.at,
        ends_at=code.ends_at or end_of(asked.at, code.term),
        replaced_ref=replaced_ref,
    )
    if replaced_ref is None:
        return [license_]
    return [license_, SeatReleased(device_id=asked.device_id, code_ref=replaced_ref, cause="switched")]


def _rejected(asked: Question, reason: Reason) -> CodeRejected:
    return CodeRejected(
        device_id=asked.device_id,
        code_ref=asked.code_ref,
        request_id=asked.request_id,
        policy_version=POLICY.version,
        reason=reason,
    )


def _refused(asked: Activate, reason: Reason) -> ActivationRefused:
    return ActivationRefused(
        device_id=asked.device_id,
        code_ref=asked.code_ref,
        request_id=asked.request_id,
        policy_version=POLICY.version,
        trigger=asked.trigger,
        reason=reason,
    )
