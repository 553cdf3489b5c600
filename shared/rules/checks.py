"""Rules as values: checks that are evaluated in order, where the first broken one is the reason for a refusal.

A decision and its explanation are the same computation: `first_broken` stops at the first broken check, `looked_at`
goes on to the end. Each decider defines its own case. No rule and no I/O may come in here.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple

from shared.calendar import instant
from shared.messages import CHANGE_MAX, Finding, Hold, Reason


@dataclass(frozen=True, slots=True, kw_only=True)
class Check[Case, Word: Reason | Hold]:
    """One rule as a value. `broken` tells whether a case fails it, and `reason` is the word for the refusal.

    `rule` holds the numbers of the rules that it implements. `change` says what would have made the case pass, and
    `passes_at`, if there is one, when it will pass by itself. If a check that `ends` is broken, no further check is
    evaluated: there is nothing more to check, or nothing more may be revealed (R-108).
    """

    reason: Word
    rule: str
    broken: Callable[[Case], bool]
    change: str | Callable[[Case], str]
    passes_at: Callable[[Case], datetime | None] | None = None
    ends: bool = False


class Looked[Case, Word: Reason | Hold](NamedTuple):
    """The result of one check on a case."""

    check: Check[Case, Word]
    case: Case
    passed: bool

    @property
    def reason(self) -> Word:
        """The reason that a broken check gives."""
        return self.check.reason

    @property
    def rule(self) -> str:
        """The numbers of the rules that the check implements."""
        return self.check.rule

    @property
    def change(self) -> str | None:
        """What would have made the case pass, or None if it did."""
        if self.passed:
            return None
        return self.check.change if isinstance(self.check.change, str) else self.check.change(self.case)

    @property
    def passes_at(self) -> datetime | None:
        """When the case will pass by itself, or None if it has passed or never will."""
        return None if self.passed or self.check.passes_at is None else self.check.passes_at(self.case)


def looked_at[Case, Word: Reason | Hold](checks: Sequence[Check[Case, Word]], case: Case) -> list[Looked[Case, Word]]:
    """Return the result of every check that can be evaluated, in the order of the decision."""
    return list(_look(checks, case))


def first_broken[Case, Word: Reason | Hold](
    checks: Sequence[Check[Case, Word]], case: Case
) -> Looked[Case, Word] | None:
    """Return the first check that the case fails, or None. The checks after it are not evaluated."""
    for check in checks:
        if check.broken(case):
            return Looked(check, case, passed=False)
    return None


def findings_of[Case, Word: Reason | Hold](checks: Sequence[Check[Case, Word]], case: Case) -> tuple[Finding, ...]:
    """Return the results as a refusal records them, so that it can be explained from the log alone."""
    return tuple(
        Finding(rule=looked.rule, reason=looked.reason, passed=looked.passed, change=(looked.change or "")[:CHANGE_MAX])
        for looked in _look(checks, case)
    )


def _look[Case, Word: Reason | Hold](checks: Sequence[Check[Case, Word]], case: Case) -> Iterator[Looked[Case, Word]]:
    for check in checks:
        broken = check.broken(case)
        yield Looked(check, case, not broken)
        if broken and check.ends:
            return


def moment(at: datetime | None) -> str:
    """Return a time for use in a sentence (`2027-05-03T10:00:00.000Z`)."""
    return "a known time" if at is None else instant(at)
