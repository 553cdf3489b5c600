"""The input of the checks: a question, the codes that it names, the policy, and what follows from all of them."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple

from services.activation.decider.commands import Activate, Question
from services.activation.decider.state import Code
from shared.messages import CodeRef, Hold, Reason, Term
from shared.rules.checks import Check as AnyCheck
from shared.rules.dates import counted
from shared.rules.policy import Policy

_NOT_ISSUED = Code()


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """The input of the checks. `current` is the code of the license in use, `named` the prior one by the user (R-30).

    A code that was never issued, or is not part of the question, is a `Code` without a reference.
    """

    asked: Question
    code: Code
    current: Code
    named: Code
    policy: Policy


class Check(AnyCheck[Case, Reason | Hold]):
    """One rule for a code. If it is broken, the attempt is refused, or held for a while."""


def case_of(asked: Question, codes: Mapping[str, Code], policy: Policy) -> Case:
    """Return the case of a question."""
    return Case(
        asked=asked,
        code=codes.get(asked.code_ref, _NOT_ISSUED),
        current=_of(asked.current_ref, codes),
        named=_of(asked.prior_ref, codes),
        policy=policy,
    )


def _of(code_ref: CodeRef | None, codes: Mapping[str, Code]) -> Code:
    return _NOT_ISSUED if code_ref is None else codes.get(code_ref, _NOT_ISSUED)


def begins_at(case: Case) -> datetime:
    """Return when the code becomes the license: before the request if the device activated it offline (R-77)."""
    earlier = case.asked.activated_at if isinstance(case.asked, Activate) else None
    return case.asked.at if earlier is None else counted(earlier, at=case.asked.at)


def current_ends_at(case: Case) -> datetime | None:
    """Return when the current license is over, according to its code, or else to the device."""
    return case.current.over_at or case.asked.current_ends_at


class Prior(NamedTuple):
    """The prior license that entitles a discounted renewal code to its full term, or why there is none (R-30)."""

    code: Code | None = None
    is_used: bool = False


def prior_of(case: Case) -> Prior:
    """Return the prior license: the current one, else the one that the user names. Each is good for one renewal."""
    candidates = [prior for prior in (case.current, case.named) if _could_be_prior(case.code, prior)]
    good = next((prior for prior in candidates if prior.renewed_by in (None, case.code.code_ref)), None)
    return Prior(good, is_used=bool(candidates))


def _could_be_prior(code: Code, prior: Code) -> bool:
    same = (prior.vendor, prior.product) == (code.vendor, code.product)
    return same and prior.started_at is not None and prior.code_ref != code.code_ref


def needs_prior(case: Case) -> bool:
    """Tell whether this is a discounted code that was never activated: once it is, its term is fixed (R-30)."""
    return case.code.kind == "renewal" and case.code.started_at is None


def is_short(case: Case) -> bool:
    """Tell whether the code is good only for its shorter term, and the user accepts that (R-30)."""
    offered = case.code.short_term is not None and case.asked.accepts_short_term
    return offered and needs_prior(case) and prior_of(case).code is None


def term_of(case: Case) -> Term:
    """Return the term that the code would give in this case."""
    if case.code.short_term is not None and is_short(case):
        return case.code.short_term
    return case.code.term
