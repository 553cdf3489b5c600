"""Given, when, then: a specification test tells one rule in three lines, through the real deciders.

`given` is what both services would find in their ledgers, `when` one command, `then` every event that
follows. A code is one letter: its reference serves as the id of the request that adds it. One device,
`D`, and a current license, `A`, from `START` to `END`, are what a test speaks of when it names nothing.
"""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Literal
from uuid import NAMESPACE_URL, UUID, uuid5

from msgspec.structs import asdict

from services.activation.decider import POLICY, commands_for
from services.activation.decider import Command as CodeCommand
from shared.messages import (
    ActivateNow,
    ActivationDelayed,
    ActivationRefused,
    ActivationRetried,
    AutoRenewalChanged,
    CloneSuspected,
    CodeAdded,
    CodeBlocked,
    CodeIssued,
    CodeKind,
    CodeRejected,
    CodeRemoved,
    CodeUnblocked,
    CodeVerified,
    CustomerErased,
    DeviceEnrolled,
    EarlierActivationReported,
    Event,
    GuessesThrottled,
    LicenseActivated,
    LicenseExpired,
    LicenseRemoved,
    LicenseRenewed,
    LicenseShortened,
    Notice,
    OfflineActivationReported,
    PredictionChanged,
    PriorLicenseUsed,
    PurchaseAnnounced,
    PurchaseCancelled,
    PurchaseRefused,
    Reason,
    RegionCorrected,
    RemovalRefused,
    SeatReleased,
    Trigger,
    VerificationRepeated,
)
from shared.rules.decider import Decider, fold

D, OTHER = "device-1", "device-2"
A, B, C = "a" * 32, "b" * 32, "c" * 32

START = datetime(2026, 3, 1, 12, tzinfo=UTC)
END = datetime(2027, 3, 1, 12, tzinfo=UTC)
NEXT_END = datetime(2028, 3, 1, 12, tzinfo=UTC)
"""Where a license that starts at `END` ends; also where a renewal of the current one ends."""
NOON = datetime(2026, 9, 1, 12, tzinfo=UTC)
"""A time at which the current license is in force."""
LATER = END + timedelta(hours=1)
"""A time at which it is over."""
MILLISECOND = timedelta(milliseconds=1)
ORDER = UUID(int=1)
"""The id of the order that a door hands in, if the test does not care."""


def scenario[Command, State, Given: Event](
    decider: Decider[Command, State, Given], *, given: Sequence[Given], when: Command, then: Sequence[Event]
) -> None:
    """Assert that after `given`, the command `when` makes exactly the events `then`."""
    events = decided(decider, given, when)
    assert _text(events) == _text(then)


def decided[Command, State, Given: Event](
    decider: Decider[Command, State, Given], given: Sequence[Given], when: Command
) -> Sequence[Given]:
    """Return the events that the command makes after `given`."""
    states = {
        stream: fold(decider.evolve, [event for event in given if decider.stream_of(event) == stream], decider.initial)
        for stream in decider.streams(when)
    }
    return decider.decide(when, states)


def state_after[Command, State, Given: Event](decider: Decider[Command, State, Given], given: Sequence[Given]) -> State:
    """Return the state of the one stream of `given`."""
    return fold(decider.evolve, given, decider.initial)


def on(event: Event, at: datetime) -> CodeCommand:
    """Return what a device's event, recorded at `at`, asks of the activation service."""
    (command,) = commands_for(event, at)
    return command


def _text(events: Sequence[Event]) -> str:
    """Line by line, so that a difference is read at once."""
    return "\n".join(f"{type(event).__name__}\n{_fields(event)}" for event in events)


def _fields(event: Event) -> str:
    # why a refusal was one is the subject of tests of its own
    return "\n".join(f"    {name}: {value}" for name, value in asdict(event).items() if name != "findings")


def last_group(code: str) -> str:
    """Return the last group of a code: its letter, five times."""
    return code[:5].upper()


def adding(code: str) -> UUID:
    """Return the id of the request that adds the code."""
    return UUID(code)


def expiry(generation: int = 1, device: str = D) -> UUID:
    """Return the id of the attempt that an expiry starts: pinned, it is stored."""
    return uuid5(uuid5(NAMESPACE_URL, "urn:perennial:activation-attempts"), f"{device}/expiry/{generation}")


def again(code: str, device: str = D) -> UUID:
    """Return the id of the request that verifies the code once more: pinned, it is stored."""
    return uuid5(uuid5(NAMESPACE_URL, "urn:perennial:activation-attempts"), f"{device}/again/{adding(code)}")


def retry_after(last: UUID, device: str = D) -> UUID:
    """Return the id of the attempt that follows the attempt `last`: pinned, it is stored."""
    return uuid5(uuid5(NAMESPACE_URL, "urn:perennial:activation-attempts"), f"{device}/retry/{last}")


# --- events, told shortly -------------------------------------------------------------------


def enrolled(device: str = D) -> DeviceEnrolled:
    """The device is known."""
    return DeviceEnrolled(policy_version=POLICY.version, device_id=device, product="security", region="DE")


def added(
    code: str,
    *,
    over: str | None = A,
    ends: datetime | None = END,
    version: str | None = None,
    prior: str | None = None,
    device: str = D,
) -> CodeAdded:
    """The code is added in reserve, over the current license."""
    return CodeAdded(
        policy_version=POLICY.version,
        device_id=device,
        code_ref=code,
        request_id=adding(code),
        product="security",
        region="DE",
        current_ref=over,
        current_ends_at=ends if over is not None else None,
        last_group=last_group(code),
        purpose="reserve",
        product_version=version,
        prior_ref=prior,
    )


def added_at_once(
    code: str,
    *,
    over: str | None = None,
    ends: datetime | None = END,
    at: datetime | None = None,
    ends_trial: bool = False,
    device: str = D,
) -> CodeAdded:
    """The code is added without a license in force, or in place of a trial."""
    at = at or (NOON if over is None else LATER)
    return added(code, over=over, ends=ends, device=device).but(
        purpose="immediate", answer_by=at + POLICY.answer_patience, ends_trial=ends_trial
    )


def removed(code: str, cause: Literal["removed", "replaced"] = "removed") -> CodeRemoved:
    """The code left the slot."""
    return CodeRemoved(policy_version=POLICY.version, device_id=D, code_ref=code, cause=cause)


def expired(
    code: str = A,
    *,
    reserve: str | None = None,
    ended: datetime = END,
    generation: int = 1,
    cause: Literal["term_over", "blocked"] = "term_over",
    at: datetime | None = None,
    device: str = D,
) -> LicenseExpired:
    """The license is over: noticed at once, or at `at`."""
    return LicenseExpired(
        policy_version=POLICY.version,
        cause=cause,
        answer_by=(at or ended) + POLICY.answer_patience if reserve is not None else None,
        device_id=device,
        code_ref=code,
        ended_at=ended,
        generation=generation,
        request_id=expiry(generation, device),
        product="security",
        region="DE",
        reserve_ref=reserve,
    )


def asked_now(
    code: str,
    *,
    over: str | None = A,
    ends: datetime | None = END,
    at: datetime = LATER,
    again: datetime | None = None,
    request: UUID = ORDER,
    device: str = D,
) -> ActivateNow:
    """The user asked for the activation, and may ask once more at `again`: at once after the first time."""
    return ActivateNow(
        policy_version=POLICY.version,
        answer_by=at + POLICY.answer_patience,
        again_at=again or at,
        device_id=device,
        code_ref=code,
        request_id=request,
        product="security",
        region="DE",
        current_ref=over,
        current_ends_at=ends if over is not None else None,
    )


def corrected(region: str, *, previous: str = "DE", note: str = "") -> RegionCorrected:
    """The device is in `region`."""
    return RegionCorrected(
        policy_version=POLICY.version, device_id=D, region=region, previous_region=previous, note=note
    )


def asked_again(
    code: str, *, region: str = "FR", over: str | None = A, verified_before: bool = False, device: str = D
) -> VerificationRepeated:
    """The waiting code is verified again, for another region."""
    return VerificationRepeated(
        policy_version=POLICY.version,
        device_id=device,
        code_ref=code,
        request_id=again(code),
        product="security",
        region=region,
        current_ref=over,
        current_ends_at=END if over is not None else None,
        verified_before=verified_before,
    )


def retried(
    code: str,
    *,
    after: UUID,
    over: str | None = A,
    ends: datetime | None = END,
    at: datetime = LATER,
    prior: str | None = None,
    ends_trial: bool = False,
) -> ActivationRetried:
    """The attempt `after` is followed by another."""
    return ActivationRetried(
        policy_version=POLICY.version,
        answer_by=at + POLICY.answer_patience,
        prior_ref=prior,
        ends_trial=ends_trial,
        device_id=D,
        code_ref=code,
        request_id=retry_after(after),
        product="security",
        region="DE",
        current_ref=over,
        current_ends_at=ends if over is not None else None,
    )


def given_back(
    code: str = A,
    *,
    reserve: str | None = None,
    at: datetime = NOON,
    prior: str | None = A,
    request: UUID = ORDER,
    device: str = D,
) -> LicenseRemoved:
    """The device gave its license back; the reserve, which may follow it, is tried."""
    return LicenseRemoved(
        policy_version=POLICY.version,
        device_id=device,
        code_ref=code,
        request_id=request,
        product="security",
        region="DE",
        removed_at=at,
        reserve_ref=reserve,
        answer_by=None if reserve is None else at + POLICY.answer_patience,
        prior_ref=None if reserve is None else prior,
    )


def reported(
    code: str,
    *,
    activated: datetime,
    at: datetime = LATER,
    over: str | None = A,
    ends: datetime | None = END,
    request: UUID = ORDER,
) -> OfflineActivationReported:
    """The device tells at `at` that it activated the code by itself."""
    return OfflineActivationReported(
        policy_version=POLICY.version,
        device_id=D,
        code_ref=code,
        request_id=request,
        product="security",
        region="DE",
        current_ref=over,
        current_ends_at=ends if over is not None else None,
        last_group=last_group(code),
        activated_at=activated,
        answer_by=at + POLICY.answer_patience,
    )


def foreseen(
    code: str, *, ends: datetime, started: datetime | None = None, notices: tuple[Notice, ...] = ()
) -> PredictionChanged:
    """The code that waits will end at another time than was told."""
    return PredictionChanged(
        policy_version=POLICY.version,
        device_id=D,
        code_ref=code,
        predicted_ends_at=ends,
        started_at=started,
        notices=notices,
    )


def throttled(*, until: datetime, guesses: int = 6) -> GuessesThrottled:
    """There were too many unknown codes."""
    return GuessesThrottled(policy_version=POLICY.version, device_id=D, guesses=guesses, until=until)


def suspected(*, expected: int, received: int) -> CloneSuspected:
    """The device counted otherwise than was due."""
    return CloneSuspected(policy_version=POLICY.version, device_id=D, expected=expected, received=received)


def unremovable(reason: Reason, code: str | None = None) -> RemovalRefused:
    """What the user would take away stays."""
    return RemovalRefused(policy_version=POLICY.version, device_id=D, reason=reason, code_ref=code)


def verified(
    code: str,
    *,
    ends: datetime = NEXT_END,
    started: datetime | None = None,
    notices: tuple[Notice, ...] = (),
    device: str = D,
    **more: Any,
) -> CodeVerified:
    """The code is good as a reserve. `more` are its kind, edition, features …"""
    return CodeVerified(
        device_id=device,
        code_ref=code,
        request_id=adding(code),
        policy_version=POLICY.version,
        last_group=last_group(code),
        **{"term": "P1Y", **more},
        predicted_ends_at=ends,
        started_at=started,
        notices=notices,
    )


def rejected(
    code: str,
    reason: Reason,
    *,
    request: UUID | None = None,
    policy: int = POLICY.version,
    asked: datetime | None = None,
    device: str = D,
) -> CodeRejected:
    """The code is not taken; the activation service says when it was asked."""
    return CodeRejected(
        device_id=device,
        code_ref=code,
        request_id=request or adding(code),
        policy_version=policy,
        reason=reason,
        asked_at=asked,
    )


def activated(
    code: str = A,
    *,
    at: datetime = START,
    ends: datetime = END,
    started: datetime | None = None,
    trigger: Trigger = "immediate",
    request: UUID | None = None,
    replaced: str | None = None,
    device: str = D,
    **more: Any,
) -> LicenseActivated:
    """The code is the device's license. `more` are its kind, edition, features …"""
    return LicenseActivated(
        device_id=device,
        code_ref=code,
        request_id=request or adding(code),
        policy_version=POLICY.version,
        last_group=last_group(code),
        trigger=trigger,
        activated_at=at,
        started_at=started or at,
        ends_at=ends,
        replaced_ref=replaced,
        **{"starts_term": started is None, **more},
    )


def refused(
    code: str | None,
    reason: Reason,
    *,
    trigger: Trigger = "automatic",
    request: UUID | None = None,
    available: datetime | None = None,
    policy: int = POLICY.version,
    device: str = D,
) -> ActivationRefused:
    """The attempt came to nothing."""
    return ActivationRefused(
        device_id=device,
        code_ref=code,
        request_id=request or expiry(device=device),
        policy_version=policy,
        trigger=trigger,
        reason=reason,
        available_at=available,
    )


def delayed(
    code: str,
    *,
    until: datetime,
    trigger: Trigger = "automatic",
    request: UUID | None = None,
    cause: Literal["purchase_pending", "renewal_due", "no_answer"] = "purchase_pending",
) -> ActivationDelayed:
    """The attempt waits, as for a purchase to be settled."""
    return ActivationDelayed(
        device_id=D,
        code_ref=code,
        request_id=request or expiry(),
        policy_version=POLICY.version,
        trigger=trigger,
        retry_at=until,
        cause=cause,
    )


def renewed(
    code: str = A,
    *,
    ends: datetime = NEXT_END,
    previous: datetime = END,
    bought: datetime = NOON,
    order: str = "order-1",
    term: str = "P1Y",
    anchor: datetime | None = START,
    device: str | None = None,
) -> LicenseRenewed:
    """A purchase extends the code's license, counted from its first activation."""
    return LicenseRenewed(
        policy_version=POLICY.version,
        code_ref=code,
        order_id=order,
        purchased_at=bought,
        previous_ends_at=previous,
        ends_at=ends,
        term=term,
        anchor_at=anchor,
        device_id=device,
    )


def shortened(
    code: str = A,
    *,
    ends: datetime = END,
    previous: datetime = NEXT_END,
    order: str = "order-1",
    term: str | None = None,
    anchor: datetime | None = START,
    device: str | None = None,
) -> LicenseShortened:
    """A purchase is paid back."""
    return LicenseShortened(
        policy_version=POLICY.version,
        code_ref=code,
        order_id=order,
        previous_ends_at=previous,
        ends_at=ends,
        note="changed his mind",
        term=term,
        anchor_at=anchor,
        device_id=device,
    )


def released(
    code: str = A,
    cause: Literal["switched", "operator", "removed"] = "operator",
    *,
    note: str = "",
    keeps_reserve: bool = False,
    device: str = D,
) -> SeatReleased:
    """The device gave its seat back."""
    return SeatReleased(
        policy_version=POLICY.version,
        device_id=device,
        code_ref=code,
        cause=cause,
        note=note,
        keeps_reserve=keeps_reserve,
    )


def issued(
    code: str,
    *,
    seats: int = 1,
    term: str = "P1Y",
    kind: CodeKind = "paid",
    product: str = "security",
    regions: tuple[str, ...] = (),
    activate_by: datetime | None = None,
    **more: Any,
) -> CodeIssued:
    """The code exists."""
    return CodeIssued(
        policy_version=POLICY.version,
        code_ref=code,
        last_group=last_group(code),
        product=product,
        kind=kind,
        term=term,
        seats=seats,
        regions=regions,
        activate_by=activate_by,
        **more,
    )


def blocked(code: str, *, stops: datetime | None = None, device: str | None = None) -> CodeBlocked:
    """The code is blocked."""
    return CodeBlocked(policy_version=POLICY.version, code_ref=code, note="lost card", stops_at=stops, device_id=device)


def unblocked(code: str, *, device: str | None = None) -> CodeUnblocked:
    """The code is free again."""
    return CodeUnblocked(policy_version=POLICY.version, code_ref=code, note="found card", device_id=device)


def announced(code: str, *, until: datetime, order: str = "order-1", device: str | None = None) -> PurchaseAnnounced:
    """A renewal is bought, not settled."""
    return PurchaseAnnounced(
        policy_version=POLICY.version, code_ref=code, order_id=order, hold_until=until, device_id=device
    )


def cancelled(code: str, *, order: str = "order-1", device: str | None = None) -> PurchaseCancelled:
    """The announced renewal will not be paid."""
    return PurchaseCancelled(
        policy_version=POLICY.version, code_ref=code, order_id=order, note="card refused", device_id=device
    )


def not_bought(
    code: str,
    reason: Reason,
    *,
    what: Literal["purchase", "refund", "cancellation"] = "purchase",
    order: str = "order-1",
) -> PurchaseRefused:
    """What a shop told changes nothing."""
    return PurchaseRefused(policy_version=POLICY.version, code_ref=code, order_id=order, reason=reason, what=what)


def too_early(
    code: str, what: Literal["refund", "cancellation"], *, order: str = "order-1", term: str | None = None
) -> PurchaseRefused:
    """What a shop told came before its purchase: it counts as soon as that comes."""
    note = "changed his mind" if what == "refund" else ""
    return not_bought(code, "unknown_order", what=what, order=order).but(awaits_purchase=True, note=note, term=term)


def renews_itself(code: str, *, on: bool = True, device: str | None = None) -> AutoRenewalChanged:
    """The subscription goes on by itself, or does so no more."""
    return AutoRenewalChanged(policy_version=POLICY.version, code_ref=code, auto_renews=on, device_id=device)


def followed(prior: str, by: str, *, device: str = D) -> PriorLicenseUsed:
    """The license was the prior one of a discounted renewal code."""
    return PriorLicenseUsed(policy_version=POLICY.version, code_ref=prior, renewal_ref=by, device_id=device)


def told_late(
    code: str, *, at: datetime, started: datetime, affected: tuple[str, ...] = (), device: str = D
) -> EarlierActivationReported:
    """The code was activated before its first recorded activation."""
    return EarlierActivationReported(
        policy_version=POLICY.version,
        code_ref=code,
        device_id=device,
        activated_at=at,
        started_at=started,
        affected=affected,
    )


def forgotten(code: str) -> CustomerErased:
    """Nobody can read any more whose code it is."""
    return CustomerErased(policy_version=POLICY.version, code_ref=code)
