"""What an action will do before it is done: the rules themselves are asked, and what they say is thrown away. Pure.

The order is decided on the code as it is, its facts are folded into the code and into what is known of each device,
and the switches that follow are foreseen with the codes before and after. No rule stands here.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from services.activation.console.told import meaning_of, sentence, told_of
from services.activation.decider import BlockCode, Code, CodeEvent, RecordRefund, ReleaseSeat, UnblockCode, decide
from services.activation.decider import evolve as evolve_code
from services.activation.forecast import Foreseen, Switchover, foresee
from services.activation.forecast import evolve as evolve_device
from shared.messages import CodeRef, DeviceId, PurchaseRefused, SeatReleased
from shared.pages import MaskedCode, Text, text
from shared.rules.decider import Refused
from shared.rules.policy import Policy

type Action = BlockCode | UnblockCode | ReleaseSeat | RecordRefund


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """What is known: the codes by reference, and the devices that have the code or wait with it or against them."""

    codes: Mapping[CodeRef, Code]
    rows: Sequence[Switchover]
    now: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Affected:
    """A device whose license or switch comes out otherwise. `until` is the end of its license, if it has one."""

    device_id: DeviceId
    until: datetime | None
    until_then: datetime | None
    follows: Text
    follows_then: Text


@dataclass(frozen=True, slots=True, kw_only=True)
class Preview:
    """What would be recorded, and for whom something changes. `refused` says why nothing would."""

    told: tuple[Text, ...]
    affected: tuple[Affected, ...]
    refused: str | None = None


def preview(action: Action, known: Known, policy: Policy) -> Preview:
    """Return what the action would do now."""
    try:
        events = list(decide(action, known.codes, policy))
    except Refused as refused:
        return Preview(told=(), affected=(), refused=sentence(refused.detail))
    if not events:
        return Preview(told=(), affected=(), refused="Nothing would change: it is so already.")
    for event in events:
        if isinstance(event, PurchaseRefused):
            return Preview(told=(), affected=(), refused=meaning_of(event.reason))
    then = _after(action, events, known)
    told = tuple(told_of(type(event).__name__, event.model_dump(mode="json")) for event in events)
    return Preview(told=told, affected=tuple(_affected(action.code_ref, known, then, policy)))


def _after(action: Action, events: Sequence[CodeEvent], known: Known) -> Known:
    """Return what will be known when the facts are folded into the code and into the devices that have it."""
    code, rows = known.codes[action.code_ref], list(known.rows)
    for event in events:
        code = evolve_code(code, event)
        rows = [_device_after(row, event, action) for row in rows]
    return Known(codes={**known.codes, action.code_ref: code}, rows=rows, now=known.now)


def _device_after(row: Switchover, event: CodeEvent, action: Action) -> Switchover:
    if row.license is None or row.license.code_ref != action.code_ref:
        return row
    if isinstance(event, SeatReleased) and event.device_id != row.device_id:
        return row
    after = evolve_device(row, event)  # type: ignore[arg-type] # these facts stand in both logs
    if isinstance(event, SeatReleased) and after.reserve and not event.keeps_reserve:
        # without a license its device asks for the reserve at once
        return after.but(reserve=after.reserve.but(status="delayed", retry_at=action.at))
    return after


def _affected(code_ref: CodeRef, known: Known, then: Known, policy: Policy) -> Iterable[Affected]:
    before, after = _foreseen(known, policy), _foreseen(then, policy)
    for row, row_then in zip(known.rows, then.rows, strict=True):
        name = row.device_id or ""
        has_it = row.license is not None and row.license.code_ref == code_ref
        follows, follows_then = _told(row, before.get(name)), _told(row_then, after.get(name))
        until, until_then = (each.license.over_at if each.license else None for each in (row, row_then))
        if (has_it and until != until_then) or follows != follows_then:
            yield Affected(
                device_id=name, until=until, until_then=until_then, follows=follows, follows_then=follows_then
            )


def _foreseen(known: Known, policy: Policy) -> Mapping[DeviceId, Foreseen]:
    return foresee(known.rows, known.codes, policy, now=known.now)


def _told(row: Switchover, foreseen: Foreseen | None) -> Text:
    """Return what comes after the license, in a sentence."""
    if row.reserve is None:
        return text("nothing waits")
    code = MaskedCode(row.reserve.last_group)
    if foreseen is None:
        return text("{code} waits", code=code)
    match foreseen.outcome:
        case "switches":
            return text("{code} takes over at {at}", code=code, at=foreseen.switch_at)
        case "fails":
            reason = (foreseen.reason or "").replace("_", " ")
            return text("{code} is refused at {at}: {reason}", code=code, at=foreseen.switch_at, reason=reason)
        case "runs_on":
            return text("{code} waits on", code=code)
