"""Previews an action: the rules decide it, and the resulting events are not recorded. Pure.

The command is decided on the current code, its events are applied to the code and to what is known of each device, and
the coming switches are predicted from both snapshots, before and after. No rule here.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from msgspec import to_builtins

from services.activation.console.event_sentences import detail_sentence, meaning_of, sentence_if_done
from services.activation.decider import BlockCode, Code, CodeEvent, RecordRefund, ReleaseSeat, UnblockCode, decide
from services.activation.decider import evolve as evolve_code
from services.activation.forecast import SwitchForecast, Switchover, simulate_switches
from services.activation.forecast import evolve as evolve_device
from shared.messages import CodeRef, DeviceId, PurchaseRefused, SeatReleased
from shared.pages import MaskedCode, Text, text
from shared.rules.decider import Refused
from shared.rules.policy import Policy

type Action = BlockCode | UnblockCode | ReleaseSeat | RecordRefund


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot:
    """The codes by reference, and the devices that hold the code, wait with it, or compete for it."""

    codes: Mapping[CodeRef, Code]
    rows: Sequence[Switchover]
    now: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Affected:
    """A device whose license or switch would change. `until` is the end of its license, if it has one."""

    device_id: DeviceId
    until: datetime | None
    until_then: datetime | None
    follows: Text
    follows_then: Text


@dataclass(frozen=True, slots=True, kw_only=True)
class Preview:
    """What would be recorded, and which devices it would affect. `refused` says why nothing would happen."""

    events: tuple[Text, ...]
    affected: tuple[Affected, ...]
    refused: str | None = None


def preview(action: Action, snapshot: Snapshot, policy: Policy) -> Preview:
    """Return what the action would do now."""
    try:
        events = list(decide(action, snapshot.codes, policy))
    except Refused as refused:
        return Preview(events=(), affected=(), refused=detail_sentence(refused.detail))
    if not events:
        return Preview(events=(), affected=(), refused="Nothing would change: this is already the case.")
    for event in events:
        if isinstance(event, PurchaseRefused):
            return Preview(events=(), affected=(), refused=meaning_of(event.reason))
    after = _after(action, events, snapshot)
    sentences = tuple(sentence_if_done(type(event).__name__, to_builtins(event)) for event in events)
    return Preview(events=sentences, affected=tuple(_affected(action.code_ref, snapshot, after, policy)))


def _after(action: Action, events: Sequence[CodeEvent], before: Snapshot) -> Snapshot:
    """Return the snapshot after the events are applied to the code and to the devices that have it."""
    code, rows = before.codes[action.code_ref], list(before.rows)
    for event in events:
        code = evolve_code(code, event)
        rows = [_device_after(row, event, action) for row in rows]
    return Snapshot(codes={**before.codes, action.code_ref: code}, rows=rows, now=before.now)


def _device_after(row: Switchover, event: CodeEvent, action: Action) -> Switchover:
    if row.license is None or row.license.code_ref != action.code_ref:
        return row
    if isinstance(event, SeatReleased) and event.device_id != row.device_id:
        return row
    after = evolve_device(row, event)  # type: ignore[arg-type] # these events are in both logs
    if isinstance(event, SeatReleased) and after.reserve and not event.keeps_reserve:
        # without a license the device asks for its reserve immediately
        return after.but(reserve=after.reserve.but(status="delayed", retry_at=action.at))
    return after


def _affected(code_ref: CodeRef, before: Snapshot, after: Snapshot, policy: Policy) -> Iterable[Affected]:
    switches, switches_then = _foreseen(before, policy), _foreseen(after, policy)
    for row, row_then in zip(before.rows, after.rows, strict=True):
        name = row.device_id or ""
        has_it = row.license is not None and row.license.code_ref == code_ref
        follows, follows_then = _follows(row, switches.get(name)), _follows(row_then, switches_then.get(name))
        until, until_then = (each.license.over_at if each.license else None for each in (row, row_then))
        if (has_it and until != until_then) or follows != follows_then:
            yield Affected(
                device_id=name, until=until, until_then=until_then, follows=follows, follows_then=follows_then
            )


def _foreseen(snapshot: Snapshot, policy: Policy) -> Mapping[DeviceId, SwitchForecast]:
    return simulate_switches(snapshot.rows, snapshot.codes, policy, now=snapshot.now)


def _follows(row: Switchover, foreseen: SwitchForecast | None) -> Text:
    """Return what follows the license, in a few words."""
    if row.reserve is None:
        return text("no code in reserve")
    code = MaskedCode(row.reserve.last_group)
    if foreseen is None:
        return text("{code} is in reserve", code=code)
    match foreseen.outcome:
        case "switches":
            return text("{code} takes over on {at}", code=code, at=foreseen.switch_at)
        case "fails":
            reason = (foreseen.reason or "").replace("_", " ")
            return text("{code} is refused on {at}: {reason}", code=code, at=foreseen.switch_at, reason=reason)
        case "contested":
            chance = f"{foreseen.seats:,} of {foreseen.contenders:,} will get it"
            return text("{code} is contested on {at}: {chance}", code=code, at=foreseen.switch_at, chance=chance)
        case "runs_on":
            return text("{code} stays in reserve", code=code)
