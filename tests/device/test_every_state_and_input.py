"""Every state of a device and everything that can come to it: the whole table, drawn once.

A row is a state, told by the events of `histories`; a column is an input. A cell names what follows: the
event, or the reason if it is refused, or `–` for nothing. Rows that are over are looked at an hour after
the end. `late` is a license whose end has passed before any timer looked.
"""

import re
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import NamedTuple, get_args

import pytest

from services.device.decider import (
    DECIDER,
    Activate,
    AddCode,
    CodeEvent,
    Command,
    Device,
    DeviceEvent,
    EnrollDevice,
    Expire,
    RecordVerdict,
    RemoveReserve,
    ReportExpiry,
    RetryActivation,
)
from shared.decider import Refused, fold
from shared.messages import (
    ActivationDelayed,
    ActivationRefused,
    CodeRejected,
    LicenseActivated,
    PurchaseRefused,
    RemovalRefused,
)
from tests.device import histories
from tests.scenarios import (
    LATER,
    NEXT_END,
    NOON,
    ORDER,
    A,
    B,
    C,
    D,
    activated,
    announced,
    blocked,
    decided,
    delayed,
    issued,
    last_group,
    refused,
    rejected,
    released,
    renewed,
    state_after,
    unblocked,
    verified,
)

STATES: dict[str, tuple[list[DeviceEvent], datetime]] = {
    "unknown": (histories.UNKNOWN, NOON),
    "unlicensed": (histories.UNLICENSED, NOON),
    "unlicensed, activating": (histories.UNLICENSED_ACTIVATING, NOON),
    "seat released": (histories.SEAT_RELEASED, NOON),
    "active": (histories.ACTIVE, NOON),
    "active, verifying": (histories.VERIFYING, NOON),
    "active, ready": (histories.READY, NOON),
    "active, ready, incoming": (histories.REPLACING, NOON),
    "active, refused": (histories.RENEWED_REFUSED, LATER),
    "active, switched": (histories.SWITCHED, LATER),
    "late": (histories.ACTIVE, LATER),
    "late, ready": (histories.READY, LATER),
    "expired": (histories.EXPIRED, LATER),
    "expired, activating": (histories.ACTIVATING, LATER),
    "… and incoming": (histories.ACTIVATING_REPLACING, LATER),
    "… and incoming is good": (histories.ACTIVATING_REPLACED, LATER),
    "expired, retrying": (histories.RETRYING, LATER),
    "expired, refused": (histories.REFUSED, LATER),
    "expired, ready": (histories.RENEWAL_AWAITED, LATER),
    "expired, verifying": (histories.REJECTED_REPLACING, LATER),
}


class Moment(NamedTuple):
    """A device as an input finds it."""

    device: Device
    now: datetime


def add(code: str, *, replace: bool = False) -> Callable[[Moment], Command]:
    return lambda moment: AddCode(
        device_id=D,
        at=moment.now,
        request_id=ORDER,
        code_ref=code,
        last_group=last_group(code),
        replace=replace,
    )


def says(verdict: CodeEvent) -> Callable[[Moment], Command]:
    return lambda _: RecordVerdict(device_id=D, verdict=verdict)


def answers(verdict: ActivationRefused | ActivationDelayed | LicenseActivated) -> Callable[[Moment], Command]:
    """The verdict on the attempt that runs, or on the last one that ran."""

    def command(moment: Moment) -> Command:
        reserve = moment.device.reserve
        request_id = reserve.attempt_request_id if reserve is not None else None
        return RecordVerdict(device_id=D, verdict=verdict.model_copy(update={"request_id": request_id or ORDER}))

    return command


INPUTS: dict[str, Callable[[Moment], Command]] = {
    "enroll": lambda m: EnrollDevice(device_id=D, at=m.now, request_id=ORDER, product="security", region="DE"),
    "add the current A": add(A),
    "add the reserve B": add(B),
    "add C": add(C),
    "replace by C": add(C, replace=True),
    "remove": lambda m: RemoveReserve(device_id=D, at=m.now, request_id=ORDER),
    "activate now": lambda m: Activate(device_id=D, at=m.now, request_id=ORDER),
    "activate B": lambda m: Activate(device_id=D, at=m.now, request_id=ORDER, code_ref=B),
    "activate C": lambda m: Activate(device_id=D, at=m.now, request_id=ORDER, code_ref=C),
    "end claimed": lambda m: ReportExpiry(device_id=D, at=m.now, request_id=ORDER, ended_at=_end(m)),
    "old end claimed": lambda m: ReportExpiry(device_id=D, at=m.now, request_id=ORDER, ended_at=NOON),
    "expiry timer": lambda m: Expire(device_id=D, at=m.now),
    "retry timer": lambda m: RetryActivation(device_id=D, at=m.now),
    "B verified": says(verified(B)),
    "C verified": says(verified(C)),
    "B rejected": says(rejected(B, "wrong_region")),
    "C rejected": says(rejected(C, "wrong_region")),
    "A activated again": says(activated(A)),
    "B activated": answers(activated(B, at=LATER, ends=NEXT_END, trigger="automatic")),
    "B blocked": answers(refused(B, "code_blocked")),
    "A runs on": answers(refused(B, "stale")),
    "B delayed": answers(delayed(B, until=NEXT_END)),
    "A renewed": says(renewed(A, ends=NEXT_END)),
    "B renewed": says(renewed(B, ends=NEXT_END.replace(year=2030))),
    "A released": says(released(A)),
    "B released": says(released(B)),
    "A left behind": says(released(A, "switched")),
    "life of a code": says(issued(A)),
    "blocked": says(blocked(A)),
    "unblocked": says(unblocked(A)),
    "announced": says(announced(A, until=NEXT_END)),
    "not renewed": says(PurchaseRefused(code_ref=A, order_id="order-1", reason="not_activated")),
}


def outcome(state: str, incoming: str) -> str:
    """What follows in this state from this input, as the table writes it."""
    history, now = STATES[state]
    command = INPUTS[incoming](Moment(state_after(DECIDER, history), now))
    try:
        events = decided(DECIDER, history, command)
    except Refused as refusal:
        return refusal.code
    return " + ".join(_cell(event) for event in events) or "–"


def _cell(event: DeviceEvent) -> str:
    match event:
        case CodeRejected() | ActivationRefused() | RemovalRefused():
            return event.reason
        case _:
            return type(event).__name__


def _end(moment: Moment) -> datetime:
    current = moment.device.license
    return current.ends_at if current is not None else NEXT_END


TABLE = """
state                    enroll          add the current A                add the reserve B
unknown                  DeviceEnrolled  unknown_device                   unknown_device
unlicensed               –               CodeAdded                        CodeAdded
unlicensed, activating   –               reserve_exists                   –
seat released            –               CodeAdded                        CodeAdded
active                   –               same_as_current                  CodeAdded
active, verifying        –               same_as_current                  –
active, ready            –               same_as_current                  –
active, ready, incoming  –               same_as_current                  –
active, refused          –               same_as_current                  –
active, switched         –               CodeAdded                        same_as_current
late                     –               LicenseExpired + CodeAdded       LicenseExpired + CodeAdded
late, ready              –               LicenseExpired + reserve_exists  LicenseExpired
expired                  –               CodeAdded                        CodeAdded
expired, activating      –               reserve_exists                   –
… and incoming           –               reserve_exists                   –
… and incoming is good   –               reserve_exists                   –
expired, retrying        –               reserve_exists                   –
expired, refused         –               reserve_exists                   –
expired, ready           –               reserve_exists                   –
expired, verifying       –               reserve_exists                   reserve_exists

state                    add C                            replace by C
unknown                  unknown_device                   unknown_device
unlicensed               CodeAdded                        CodeAdded
unlicensed, activating   reserve_exists                   reserve_exists
seat released            CodeAdded                        CodeAdded
active                   CodeAdded                        CodeAdded
active, verifying        reserve_exists                   CodeAdded
active, ready            reserve_exists                   CodeAdded
active, ready, incoming  –                                –
active, refused          reserve_exists                   CodeAdded
active, switched         CodeAdded                        CodeAdded
late                     LicenseExpired + CodeAdded       LicenseExpired + CodeAdded
late, ready              LicenseExpired + reserve_exists  LicenseExpired + reserve_exists
expired                  CodeAdded                        CodeAdded
expired, activating      reserve_exists                   reserve_exists
… and incoming           –                                –
… and incoming is good   –                                –
expired, retrying        reserve_exists                   CodeRemoved + CodeAdded
expired, refused         reserve_exists                   CodeRemoved + CodeAdded
expired, ready           reserve_exists                   CodeRemoved + CodeAdded
expired, verifying       –                                –

state                    remove                               activate now
unknown                  unknown_device                       unknown_device
unlicensed               –                                    no_reserve
unlicensed, activating   activation_running                   –
seat released            –                                    no_reserve
active                   –                                    no_reserve
active, verifying        CodeRemoved                          not_expired
active, ready            CodeRemoved                          not_expired
active, ready, incoming  CodeRemoved + CodeRemoved            not_expired
active, refused          CodeRemoved                          not_expired
active, switched         –                                    already_activated
late                     LicenseExpired                       LicenseExpired + no_reserve
late, ready              LicenseExpired + activation_running  LicenseExpired
expired                  –                                    no_reserve
expired, activating      activation_running                   –
… and incoming           activation_running                   –
… and incoming is good   activation_running                   –
expired, retrying        CodeRemoved                          ActivateNow
expired, refused         CodeRemoved                          ActivateNow
expired, ready           CodeRemoved                          ActivateNow
expired, verifying       CodeRemoved                          ActivateNow

state                    activate B                   activate C                   end claimed
unknown                  unknown_device               unknown_device               unknown_device
unlicensed               no_reserve                   no_reserve                   –
unlicensed, activating   –                            stale                        –
seat released            no_reserve                   no_reserve                   –
active                   no_reserve                   no_reserve                   not_expired
active, verifying        not_expired                  not_expired                  not_expired
active, ready            not_expired                  not_expired                  not_expired
active, ready, incoming  not_expired                  not_expired                  not_expired
active, refused          not_expired                  not_expired                  not_expired
active, switched         already_activated            already_activated            not_expired
late                     LicenseExpired + no_reserve  LicenseExpired + no_reserve  LicenseExpired
late, ready              LicenseExpired               LicenseExpired + stale       LicenseExpired
expired                  no_reserve                   no_reserve                   –
expired, activating      –                            stale                        –
… and incoming           –                            stale                        –
… and incoming is good   –                            stale                        –
expired, retrying        ActivateNow                  stale                        –
expired, refused         ActivateNow                  stale                        –
expired, ready           ActivateNow                  stale                        –
expired, verifying       stale                        ActivateNow                  –

state                    old end claimed  expiry timer    retry timer        B verified
unknown                  unknown_device   unknown_device  unknown_device     –
unlicensed               –                –               –                  –
unlicensed, activating   –                –               –                  CodeVerified
seat released            –                –               –                  –
active                   stale            –               –                  –
active, verifying        stale            –               –                  CodeVerified
active, ready            stale            –               –                  –
active, ready, incoming  stale            –               –                  –
active, refused          stale            –               –                  –
active, switched         stale            –               –                  –
late                     stale            LicenseExpired  LicenseExpired     –
late, ready              stale            LicenseExpired  LicenseExpired     –
expired                  –                –               –                  –
expired, activating      –                –               –                  –
… and incoming           –                –               –                  –
… and incoming is good   –                –               –                  –
expired, retrying        –                –               ActivationRetried  –
expired, refused         –                –               –                  –
expired, ready           –                –               –                  –
expired, verifying       –                –               –                  –

state                    C verified                        B rejected                        C rejected
unknown                  –                                 –                                 –
unlicensed               –                                 –                                 –
unlicensed, activating   –                                 wrong_region                      –
seat released            –                                 –                                 –
active                   –                                 –                                 –
active, verifying        –                                 wrong_region                      –
active, ready            –                                 wrong_region                      –
active, ready, incoming  CodeVerified + CodeRemoved        wrong_region                      wrong_region
active, refused          –                                 wrong_region                      –
active, switched         –                                 –                                 –
late                     –                                 –                                 –
late, ready              –                                 wrong_region                      –
expired                  –                                 –                                 –
expired, activating      –                                 wrong_region                      –
… and incoming           CodeVerified                      wrong_region                      wrong_region
… and incoming is good   –                                 wrong_region + ActivationRetried  wrong_region
expired, retrying        –                                 wrong_region                      –
expired, refused         –                                 wrong_region                      –
expired, ready           –                                 wrong_region                      –
expired, verifying       CodeVerified + ActivationRetried  –                                 wrong_region

state                    A activated again  B activated       B blocked
unknown                  –                  –                 –
unlicensed               LicenseActivated   LicenseActivated  –
unlicensed, activating   LicenseActivated   LicenseActivated  code_blocked
seat released            LicenseActivated   LicenseActivated  –
active                   –                  LicenseActivated  –
active, verifying        –                  LicenseActivated  –
active, ready            –                  LicenseActivated  –
active, ready, incoming  –                  LicenseActivated  –
active, refused          LicenseActivated   LicenseActivated  –
active, switched         LicenseActivated   LicenseActivated  –
late                     –                  LicenseActivated  –
late, ready              –                  LicenseActivated  –
expired                  LicenseActivated   LicenseActivated  –
expired, activating      LicenseActivated   LicenseActivated  code_blocked
… and incoming           LicenseActivated   LicenseActivated  code_blocked
… and incoming is good   LicenseActivated   LicenseActivated  code_blocked + CodeRemoved + ActivationRetried
expired, retrying        LicenseActivated   LicenseActivated  –
expired, refused         LicenseActivated   LicenseActivated  –
expired, ready           LicenseActivated   LicenseActivated  –
expired, verifying       LicenseActivated   LicenseActivated  –

state                    A runs on                  B delayed
unknown                  –                          –
unlicensed               –                          –
unlicensed, activating   stale + ActivationRetried  ActivationDelayed
seat released            –                          –
active                   –                          –
active, verifying        –                          –
active, ready            –                          –
active, ready, incoming  –                          –
active, refused          –                          –
active, switched         –                          –
late                     –                          –
late, ready              –                          –
expired                  –                          –
expired, activating      stale                      ActivationDelayed
… and incoming           stale                      ActivationDelayed
… and incoming is good   stale + CodeRemoved        ActivationDelayed + CodeRemoved + ActivationRetried
expired, retrying        –                          –
expired, refused         –                          –
expired, ready           –                          –
expired, verifying       –                          –

state                    A renewed                     B renewed       A released
unknown                  –                             –               –
unlicensed               –                             –               –
unlicensed, activating   –                             –               –
seat released            –                             –               –
active                   LicenseRenewed                –               SeatReleased
active, verifying        LicenseRenewed                –               SeatReleased
active, ready            LicenseRenewed                –               SeatReleased + ActivationRetried
active, ready, incoming  LicenseRenewed                –               SeatReleased + ActivationRetried
active, refused          –                             –               SeatReleased
active, switched         –                             LicenseRenewed  –
late                     LicenseRenewed                –               SeatReleased
late, ready              LicenseRenewed                –               SeatReleased + ActivationRetried
expired                  LicenseRenewed                –               SeatReleased
expired, activating      LicenseRenewed                –               SeatReleased
… and incoming           LicenseRenewed                –               SeatReleased
… and incoming is good   LicenseRenewed + CodeRemoved  –               SeatReleased
expired, retrying        LicenseRenewed                –               SeatReleased
expired, refused         LicenseRenewed                –               SeatReleased
expired, ready           LicenseRenewed                –               SeatReleased + ActivationRetried
expired, verifying       LicenseRenewed                –               SeatReleased

state                    B released    A left behind  life of a code  blocked  unblocked  announced
unknown                  –             –              –               –        –          –
unlicensed               –             –              –               –        –          –
unlicensed, activating   –             –              –               –        –          –
seat released            –             –              –               –        –          –
active                   –             –              –               –        –          –
active, verifying        –             –              –               –        –          –
active, ready            –             –              –               –        –          –
active, ready, incoming  –             –              –               –        –          –
active, refused          –             –              –               –        –          –
active, switched         SeatReleased  –              –               –        –          –
late                     –             –              –               –        –          –
late, ready              –             –              –               –        –          –
expired                  –             –              –               –        –          –
expired, activating      –             –              –               –        –          –
… and incoming           –             –              –               –        –          –
… and incoming is good   –             –              –               –        –          –
expired, retrying        –             –              –               –        –          –
expired, refused         –             –              –               –        –          –
expired, ready           –             –              –               –        –          –
expired, verifying       –             –              –               –        –          –

state                    not renewed
unknown                  –
unlicensed               –
unlicensed, activating   –
seat released            –
active                   –
active, verifying        –
active, ready            –
active, ready, incoming  –
active, refused          –
active, switched         –
late                     –
late, ready              –
expired                  –
expired, activating      –
… and incoming           –
… and incoming is good   –
expired, retrying        –
expired, refused         –
expired, ready           –
expired, verifying       –
"""


def cells(table: str) -> Mapping[tuple[str, str], str]:
    """Read the drawn table: cells are two or more spaces apart, parts of it an empty line."""
    read: dict[tuple[str, str], str] = {}
    for part in table.strip().split("\n\n"):
        header, *rows = ([cell.strip() for cell in re.split(r"\s{2,}", line)] for line in part.splitlines())
        for state, *row in rows:
            for incoming, cell in zip(header[1:], row, strict=True):
                assert (state, incoming) not in read, f"{state} × {incoming} is drawn twice"
                read[state, incoming] = cell
    return read


CELLS = cells(TABLE)


def test_no_cell_is_empty() -> None:
    """Every state meets every input, and every command and verdict is among the inputs."""
    assert set(CELLS) == {(state, incoming) for state in STATES for incoming in INPUTS}
    commands = [command(Moment(Device(), NOON)) for command in INPUTS.values()]
    assert {type(command) for command in commands} == set(get_args(Command.__value__))
    verdicts = {type(command.verdict) for command in commands if isinstance(command, RecordVerdict)}
    assert verdicts == set(get_args(CodeEvent.__value__))


@pytest.mark.parametrize("incoming", INPUTS)
def test_what_follows_in_every_state(incoming: str) -> None:
    """R-36 and all the others: the rules as one table."""
    assert {state: outcome(state, incoming) for state in STATES} == {state: CELLS[state, incoming] for state in STATES}


@pytest.mark.parametrize("incoming", INPUTS)
def test_an_input_that_comes_twice_changes_nothing_more(incoming: str) -> None:
    """R-21, R-32, R-116."""
    for history, now in STATES.values():
        device = state_after(DECIDER, history)
        if device.device_id is None:
            continue
        command = INPUTS[incoming](Moment(device, now))
        once = fold(DECIDER.evolve, decided(DECIDER, history, command), device)
        twice = fold(DECIDER.evolve, DECIDER.decide(command, {D: once}), once)
        assert twice == once
