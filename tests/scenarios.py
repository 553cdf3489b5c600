"""Given, when, then: a specification test tells one rule in three lines, through the real deciders.

`given` is what both services would find in their ledgers, `when` one command, `then` every event that
follows. A code is one letter: its reference serves as the id of the request that adds it. One device,
`D`, and a current license, `A`, from `START` to `END`, are what a test speaks of when it names nothing.
"""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Literal
from uuid import NAMESPACE_URL, UUID, uuid5

from pydantic import BaseModel

from services.activation.decider import POLICY, commands_for
from services.activation.decider import Command as CodeCommand
from shared.decider import Decider, fold
from shared.messages import (
    ActivateNow,
    ActivationDelayed,
    ActivationRefused,
    ActivationRetried,
    CodeAdded,
    CodeBlocked,
    CodeIssued,
    CodeKind,
    CodeRejected,
    CodeRemoved,
    CodeUnblocked,
    CodeVerified,
    DeviceEnrolled,
    Event,
    LicenseActivated,
    LicenseExpired,
    LicenseRenewed,
    Notice,
    PurchaseAnnounced,
    Reason,
    SeatReleased,
    Trigger,
)

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


def _fields(event: BaseModel) -> str:
    return "\n".join(f"    {name}: {value}" for name, value in event)


def last_group(code: str) -> str:
    """Return the last group of a code: its letter, five times."""
    return code[:5].upper()


def adding(code: str) -> UUID:
    """Return the id of the request that adds the code."""
    return UUID(code)


def expiry(generation: int = 1, device: str = D) -> UUID:
    """Return the id of the attempt that an expiry starts: pinned, it is stored."""
    return uuid5(uuid5(NAMESPACE_URL, "urn:perennial:activation-attempts"), f"{device}/expiry/{generation}")


def retry_after(last: UUID, device: str = D) -> UUID:
    """Return the id of the attempt that follows the attempt `last`: pinned, it is stored."""
    return uuid5(uuid5(NAMESPACE_URL, "urn:perennial:activation-attempts"), f"{device}/retry/{last}")


# --- events, told shortly -------------------------------------------------------------------


def enrolled(device: str = D) -> DeviceEnrolled:
    """The device is known."""
    return DeviceEnrolled(device_id=device, product="security", region="DE")


def added(code: str, *, over: str | None = A, ends: datetime | None = END, device: str = D) -> CodeAdded:
    """The code is added in reserve, over the current license."""
    return CodeAdded(
        device_id=device,
        code_ref=code,
        request_id=adding(code),
        product="security",
        region="DE",
        current_ref=over,
        current_ends_at=ends if over is not None else None,
        last_group=last_group(code),
        purpose="reserve",
    )


def added_at_once(code: str, *, over: str | None = None, ends: datetime | None = END, device: str = D) -> CodeAdded:
    """The code is added without a license in force."""
    return added(code, over=over, ends=ends, device=device).model_copy(update={"purpose": "immediate"})


def removed(code: str, cause: Literal["removed", "replaced"] = "removed") -> CodeRemoved:
    """The code left the slot."""
    return CodeRemoved(device_id=D, code_ref=code, cause=cause)


def expired(
    code: str = A,
    *,
    reserve: str | None = None,
    ended: datetime = END,
    generation: int = 1,
    device: str = D,
) -> LicenseExpired:
    """The license is over."""
    return LicenseExpired(
        device_id=device,
        code_ref=code,
        ended_at=ended,
        generation=generation,
        request_id=expiry(generation, device),
        product="security",
        region="DE",
        reserve_ref=reserve,
    )


def asked_now(code: str, *, over: str | None = A, ends: datetime | None = END, device: str = D) -> ActivateNow:
    """The user asked for the activation."""
    return ActivateNow(
        device_id=device,
        code_ref=code,
        request_id=ORDER,
        product="security",
        region="DE",
        current_ref=over,
        current_ends_at=ends if over is not None else None,
    )


def retried(code: str, *, after: UUID, over: str | None = A, ends: datetime | None = END) -> ActivationRetried:
    """The attempt `after` is followed by another."""
    return ActivationRetried(
        device_id=D,
        code_ref=code,
        request_id=retry_after(after),
        product="security",
        region="DE",
        current_ref=over,
        current_ends_at=ends if over is not None else None,
    )


def verified(
    code: str,
    *,
    ends: datetime = NEXT_END,
    started: datetime | None = None,
    notices: tuple[Notice, ...] = (),
    device: str = D,
) -> CodeVerified:
    """The code is good as a reserve."""
    return CodeVerified(
        device_id=device,
        code_ref=code,
        request_id=adding(code),
        policy_version=POLICY.version,
        last_group=last_group(code),
        term="P1Y",
        predicted_ends_at=ends,
        started_at=started,
        notices=notices,
    )


def rejected(
    code: str, reason: Reason, *, request: UUID | None = None, policy: int = POLICY.version, device: str = D
) -> CodeRejected:
    """The code is not taken."""
    return CodeRejected(
        device_id=device,
        code_ref=code,
        request_id=request or adding(code),
        policy_version=policy,
        reason=reason,
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
) -> LicenseActivated:
    """The code is the device's license."""
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
    code: str, *, until: datetime, trigger: Trigger = "automatic", request: UUID | None = None
) -> ActivationDelayed:
    """The attempt waits for a purchase to be settled."""
    return ActivationDelayed(
        device_id=D,
        code_ref=code,
        request_id=request or expiry(),
        policy_version=POLICY.version,
        trigger=trigger,
        retry_at=until,
        cause="purchase_pending",
    )


def renewed(
    code: str = A,
    *,
    ends: datetime = NEXT_END,
    previous: datetime = END,
    bought: datetime = NOON,
    order: str = "order-1",
    device: str | None = None,
) -> LicenseRenewed:
    """A purchase extends the code's license."""
    return LicenseRenewed(
        code_ref=code,
        order_id=order,
        purchased_at=bought,
        previous_ends_at=previous,
        ends_at=ends,
        device_id=device,
    )


def released(
    code: str = A, cause: Literal["switched", "operator"] = "operator", *, note: str = "", device: str = D
) -> SeatReleased:
    """The device gave its seat back."""
    return SeatReleased(device_id=device, code_ref=code, cause=cause, note=note)


def issued(
    code: str,
    *,
    seats: int = 1,
    term: str = "P1Y",
    kind: CodeKind = "paid",
    product: str = "security",
    regions: tuple[str, ...] = (),
    activate_by: datetime | None = None,
) -> CodeIssued:
    """The code exists."""
    return CodeIssued(
        code_ref=code,
        last_group=last_group(code),
        product=product,
        kind=kind,
        term=term,
        seats=seats,
        regions=regions,
        activate_by=activate_by,
    )


def blocked(code: str) -> CodeBlocked:
    """The code is blocked."""
    return CodeBlocked(code_ref=code, note="lost card")


def unblocked(code: str) -> CodeUnblocked:
    """The code is free again."""
    return CodeUnblocked(code_ref=code, note="found card")


def announced(code: str, *, until: datetime, order: str = "order-1") -> PurchaseAnnounced:
    """A renewal is bought, not settled."""
    return PurchaseAnnounced(code_ref=code, order_id=order, hold_until=until)
