"""The vendor's own numbers, such as notice periods and limits: one named, versioned value that both services use.

Every event names the version it was decided under. A change is a new version, never an edit: old events name the old
one, and a replay under another policy shows what would have been different. No rule may come in here.
"""

from collections.abc import Sequence
from datetime import timedelta
from typing import Annotated

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from shared.messages import CodeKind, Event


def _no_bare_number(value: object) -> object:
    # 8 would be read as seconds where days were meant
    if isinstance(value, int | float):
        raise ValueError("a span is an ISO 8601 duration such as P8D or PT5M")  # noqa: TRY004 - pydantic's own protocol
    return value


Span = Annotated[timedelta, BeforeValidator(_no_bare_number), Field(ge=timedelta(0), le=timedelta(days=3_650))]
Delays = Annotated[tuple[Span, ...], Field(min_length=1, max_length=20)]
"""How long to wait after the first, the second … failure; the last one applies to all that follow."""

CONTACTS_MAX = 1_000
"""The most contacts in a row that a policy can ask for."""


class Policy(BaseModel):
    """One version of the vendor's policy. A misspelled name is an error; spans are ISO 8601 durations (`P8D`)."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str = Field(min_length=1, max_length=64)
    version: int = Field(ge=1)

    settlement_hold: Span = timedelta(days=3)
    """How long an announced purchase that is not settled holds the switch and protects the device (R-70, R-98)."""
    auto_renewal_hold: Span = timedelta(days=1)
    """How long after its end a subscription that renews itself is waited for (R-27, R-70, R-135).

    The switch waits, the device is protected, and a renewal counts from the old end.
    """
    block_notice: Span = timedelta(days=8)
    """How long a blocked license keeps working (R-105)."""
    refund_notice: Span = timedelta(days=14)
    """How long a license keeps working, at least, after a refund (R-96)."""
    reserve_kinds: tuple[CodeKind, ...] = ("paid", "renewal")
    """Which kinds of code may wait in reserve (R-26)."""
    trials_max: int = Field(default=1, ge=0, le=100)
    """How many trials of a product a device gets (R-136)."""
    answer_patience: Span = timedelta(minutes=1)
    """How long an attempt may stay unanswered before it counts as delayed (R-49)."""
    retry_delays: Delays = tuple(timedelta(minutes=minutes) for minutes in (1, 5, 30, 120, 360))
    """The backoff of unanswered attempts (R-49)."""
    manual_delays: Delays = tuple(timedelta(seconds=seconds) for seconds in (0, 10, 60, 300, 900))
    """How long Activate now is unavailable after each manual attempt of the same reserve (R-64)."""
    guesses_free: int = Field(default=5, ge=1, le=100)
    """How many unknown codes within `guess_window` have no consequence (R-107)."""
    guess_window: Span = timedelta(hours=1)
    guess_delays: Delays = tuple(timedelta(minutes=minutes) for minutes in (1, 5, 15, 60))
    """How long the device must wait after each unknown code beyond the free ones (R-107)."""
    offline_report_max: Span = timedelta(days=30)
    """How late an offline activation may be reported (R-77)."""
    clock_tolerance: Span = timedelta(minutes=5)
    """How far a clock may be off before it is noticed (R-111), or a date from outside lie ahead and count (R-131)."""
    clone_sound_contacts: int = Field(default=5, ge=1, le=CONTACTS_MAX)
    """How many contacts in a row must count on until a device is no longer suspected to have a clone (R-138)."""


POLICY = Policy(name="standard", version=1)
"""The default policy."""


def delay_after(failures: int, delays: Sequence[timedelta]) -> timedelta:
    """Return how long to wait after this many failures; zero before the first."""
    return timedelta(0) if failures < 1 else delays[min(failures, len(delays)) - 1]


def decided_by[Fact: Event](policy: Policy, facts: Sequence[Fact]) -> list[Fact]:
    """Return the facts with the policy version that decided them; a fact from the other service keeps its own."""
    return [fact if fact.policy_version else fact.but(policy_version=policy.version) for fact in facts]
