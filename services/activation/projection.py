"""What people see of a code, and what the rules read: folds of the code's events.

The folds are pure. Each projection is one value that the live consumer, a rebuild and a verification share
(`shared.projector`).
"""

from datetime import datetime
from operator import attrgetter

from services.activation.decider import NOBODY, Code, CodeEvent, evolve
from services.activation.store import row_of
from shared.ledger.command_handler import Stored
from shared.messages import CodeRef, CodeVerified, DeviceId, LicenseActivated, Reason, SeatReleased
from shared.projector.projection import Projection, Row, view_of
from shared.rules.decider import StateStruct, always

TOPIC = "activation.events.v1"
LAST_EVENTS_MAX = 10
PROMISED_MAX = 100
DEVICE_ID = attrgetter("device_id")


class Holder(StateStruct, frozen=True):
    """A device that holds a seat: since when, and until when its license runs."""

    device_id: DeviceId
    activated_at: datetime
    ends_at: datetime


class LastEvent(StateStruct, frozen=True):
    """One of the last things that happened to a code."""

    type: str
    occurred_at: datetime
    device_id: DeviceId | None = None
    reason: Reason | None = None


class CodeView(StateStruct, frozen=True):
    """One row: the code as the rules see it, and what else is shown.

    `promised` are the last `PROMISED_MAX` devices that had the code verified as a reserve and have not activated it
    since. Whether they still keep it, only their own log knows.
    """

    code: Code = always(Code())
    holders: tuple[Holder, ...] = ()
    promised: tuple[DeviceId, ...] = ()
    last_events: tuple[LastEvent, ...] = ()
    changed_at: datetime | None = None


def project(view: CodeView, event: CodeEvent, /, *, occurred_at: datetime, recorded_at: datetime) -> CodeView:
    """Return the row after `event`."""
    last = LastEvent(
        type=type(event).__name__,
        occurred_at=occurred_at,
        device_id=getattr(event, "device_id", None),
        reason=getattr(event, "reason", None),
    )
    held = _seat_held(view, event)
    return view.but(
        code=_code(view.code, event, held),
        holders=_holders(view.holders, event, held),
        promised=_promised(view, event),
        last_events=(*view.last_events, last)[-LAST_EVENTS_MAX:],
        changed_at=recorded_at,
    )


def _seat_held(view: CodeView, event: CodeEvent) -> frozenset[DeviceId]:
    """Return the event's device if it holds a seat: of thousands of holders, no other matters to a seat."""
    if not isinstance(event, LicenseActivated | SeatReleased) or event.device_id not in map(DEVICE_ID, view.holders):
        return NOBODY
    return frozenset({event.device_id})


def _code(code: Code, event: CodeEvent, held: frozenset[DeviceId]) -> Code:
    # the rules need the holders to count seats, and the view keeps them beside the code
    return evolve(code.but(holders=held), event).but(holders=NOBODY)


def _holders(holders: tuple[Holder, ...], event: CodeEvent, held: frozenset[DeviceId]) -> tuple[Holder, ...]:
    others = tuple(holder for holder in holders if holder.device_id not in held) if held else holders
    match event:
        case LicenseActivated():
            return (*others, Holder(device_id=event.device_id, activated_at=event.activated_at, ends_at=event.ends_at))
        case _:
            return others


def _promised(view: CodeView, event: CodeEvent) -> tuple[DeviceId, ...]:
    match event:
        case CodeVerified():
            others = tuple(device_id for device_id in view.promised if device_id != event.device_id)
            return (*others, event.device_id)[-PROMISED_MAX:]
        case LicenseActivated():
            return tuple(device_id for device_id in view.promised if device_id != event.device_id)
        case _:
            return view.promised


CODE_VIEW = view_of(name="code_view", topic=TOPIC, key="code_ref", initial=CodeView(), fold=project)
"""What people see: one row per code."""


def _evolve(code: Code, event: CodeEvent, /, **_: datetime) -> Code:
    return evolve(code, event)


def _code_rows(code_ref: CodeRef, version: int, code: Code) -> list[Row]:
    return [row_of(code_ref, Stored(version, code))]


def _seat_rows(code_ref: CodeRef, _: int, code: Code) -> list[Row]:
    return [(code_ref, device_id) for device_id in sorted(code.holders)]


def _first_activation_rows(code_ref: CodeRef, _: int, code: Code) -> list[Row]:
    return [] if code.started_at is None else [(code_ref, code.started_at)]


CODE = Projection(name="code", topic=TOPIC, key=("code_ref",), initial=Code(), fold=_evolve, rows=_code_rows)
SEAT = Projection(
    name="seat", topic=TOPIC, key=("code_ref", "device_id"), initial=Code(), fold=_evolve, rows=_seat_rows
)
FIRST_ACTIVATION = Projection(
    name="first_activation", topic=TOPIC, key=("code_ref",), initial=Code(), fold=_evolve, rows=_first_activation_rows
)
"""What the rules read. Written with each event by the command handler, and still folds of the events."""
