"""Every state of a code and everything that can be asked of it: the whole table, drawn once.

A row is a state of the code `B`, told by its events; a column is an input, an hour after the device's
current license `A` ended. A cell names what follows: the event, or the reason if it is refused, or `–`.
"""

import re
from collections.abc import Mapping
from datetime import timedelta
from typing import get_args

import pytest

from services.activation.decider import (
    DECIDER,
    Activate,
    BlockCode,
    Code,
    CodeEvent,
    Command,
    IssueCode,
    RecordPurchase,
    ReleaseSeat,
    UnblockCode,
)
from shared.decider import Refused, fold
from shared.messages import ActivationRefused, CodeRejected, PurchaseRefused, Trigger
from tests.scenarios import (
    END,
    LATER,
    MILLISECOND,
    NEXT_END,
    NOON,
    OTHER,
    A,
    B,
    D,
    activated,
    added,
    added_at_once,
    announced,
    asked_now,
    blocked,
    decided,
    expired,
    expiry,
    issued,
    last_group,
    on,
    renewed,
    retried,
)

CURRENT: list[CodeEvent] = [issued(A), activated(A)]

STATES: dict[str, list[CodeEvent]] = {
    "unknown": [],
    "unused": [issued(B)],
    "blocked": [issued(B), blocked(B)],
    "other product": [issued(B, product="backup")],
    "other region": [issued(B, regions=("FR",))],
    "too late to start": [issued(B, activate_by=NOON)],
    "trial": [issued(B, kind="trial")],
    "subscription": [issued(B, kind="subscription")],
    "in use elsewhere": [issued(B, seats=2), activated(B, ends=NEXT_END, device=OTHER)],
    "no seat free": [issued(B), activated(B, ends=NEXT_END, device=OTHER)],
    "in use here": [issued(B), activated(B, ends=NEXT_END)],
    "in use here, blocked": [issued(B), activated(B, ends=NEXT_END), blocked(B)],
    "over": [issued(B, seats=2), activated(B, device=OTHER)],
    "over, here": [issued(B), activated(B)],
    "purchase announced": [issued(B), activated(B), announced(B, until=NEXT_END)],
    "renewed": [issued(B), activated(B), renewed(B)],
}


def buys(*, settled: bool) -> Command:
    return RecordPurchase(code_ref=B, at=LATER, order_id="order-1", settled=settled, purchased_at=NOON)


ISSUE = IssueCode(code_ref=B, at=LATER, last_group=last_group(B), product="security", kind="paid", term="P1Y", seats=1)

INPUTS: dict[str, tuple[list[CodeEvent], Command]] = {
    "issue": (CURRENT, ISSUE),
    "verify": (CURRENT, on(added(B), LATER)),
    "immediate": (CURRENT, on(added_at_once(B, over=A), LATER)),
    "automatic": (CURRENT, on(expired(reserve=B), LATER)),
    "manual": (CURRENT, on(asked_now(B), LATER)),
    "retry": (CURRENT, on(retried(B, after=expiry()), LATER)),
    "automatic, A unknown": ([], on(expired(reserve=B), LATER)),
    "automatic, early": (CURRENT, on(expired(reserve=B), END - MILLISECOND)),
    "automatic, A renewed": ([*CURRENT, renewed(A)], on(expired(reserve=B), LATER)),
    "immediate, A renewed": ([*CURRENT, renewed(A)], on(added_at_once(B, over=A), LATER)),
    "automatic, A announced": (
        [*CURRENT, announced(A, until=LATER + timedelta(days=1))],
        on(expired(reserve=B), LATER),
    ),
    "purchase announced": ([], buys(settled=False)),
    "purchase settled": ([], buys(settled=True)),
    "block": ([], BlockCode(code_ref=B, at=LATER, note="lost card")),
    "unblock": ([], UnblockCode(code_ref=B, at=LATER, note="found card")),
    "release": ([], ReleaseSeat(code_ref=B, at=LATER, device_id=D, note="stolen")),
}


def outcome(state: str, incoming: str) -> str:
    """What follows in this state from this input, as the table writes it."""
    given, command = INPUTS[incoming]
    try:
        events = decided(DECIDER, [*given, *STATES[state]], command)
    except Refused as refusal:
        return refusal.code
    return " + ".join(_cell(event) for event in events) or "–"


def _cell(event: CodeEvent) -> str:
    match event:
        case CodeRejected() | ActivationRefused() | PurchaseRefused():
            return event.reason
        case _:
            return type(event).__name__


TABLE = """
state                 issue       verify                    immediate
unknown               CodeIssued  unknown_code              unknown_code
unused                –           CodeVerified              LicenseActivated + SeatReleased
blocked               –           code_blocked              code_blocked
other product         –           wrong_product             wrong_product
other region          –           wrong_region              wrong_region
too late to start     –           activate_by_passed        activate_by_passed
trial                 –           trial_not_allowed         LicenseActivated + SeatReleased
subscription          –           subscription_not_allowed  LicenseActivated + SeatReleased
in use elsewhere      –           CodeVerified              LicenseActivated + SeatReleased
no seat free          –           CodeVerified              seats_exhausted
in use here           –           CodeVerified              LicenseActivated + SeatReleased
in use here, blocked  –           code_blocked              code_blocked
over                  –           term_over                 term_over
over, here            –           term_over                 term_over
purchase announced    –           term_over                 term_over
renewed               –           CodeVerified              LicenseActivated + SeatReleased

state                 automatic                        manual
unknown               unknown_code                     unknown_code
unused                LicenseActivated + SeatReleased  LicenseActivated + SeatReleased
blocked               code_blocked                     code_blocked
other product         wrong_product                    wrong_product
other region          wrong_region                     wrong_region
too late to start     activate_by_passed               activate_by_passed
trial                 trial_not_allowed                trial_not_allowed
subscription          subscription_not_allowed         subscription_not_allowed
in use elsewhere      LicenseActivated + SeatReleased  LicenseActivated + SeatReleased
no seat free          seats_exhausted                  seats_exhausted
in use here           already_activated                already_activated
in use here, blocked  already_activated                already_activated
over                  term_over                        term_over
over, here            already_activated                already_activated
purchase announced    already_activated                already_activated
renewed               already_activated                already_activated

state                 retry                            automatic, A unknown      automatic, early
unknown               unknown_code                     unknown_code              not_expired
unused                LicenseActivated + SeatReleased  LicenseActivated          not_expired
blocked               code_blocked                     code_blocked              not_expired
other product         wrong_product                    wrong_product             not_expired
other region          wrong_region                     wrong_region              not_expired
too late to start     activate_by_passed               activate_by_passed        not_expired
trial                 trial_not_allowed                trial_not_allowed         not_expired
subscription          subscription_not_allowed         subscription_not_allowed  not_expired
in use elsewhere      LicenseActivated + SeatReleased  LicenseActivated          not_expired
no seat free          seats_exhausted                  seats_exhausted           not_expired
in use here           already_activated                already_activated         already_activated
in use here, blocked  already_activated                already_activated         already_activated
over                  term_over                        term_over                 not_expired
over, here            already_activated                already_activated         already_activated
purchase announced    already_activated                already_activated         already_activated
renewed               already_activated                already_activated         already_activated

state                 automatic, A renewed  immediate, A renewed  automatic, A announced  purchase announced
unknown               stale                 unknown_code          ActivationDelayed       unknown_code
unused                stale                 stale                 ActivationDelayed       not_activated
blocked               stale                 code_blocked          ActivationDelayed       not_activated
other product         stale                 wrong_product         ActivationDelayed       not_activated
other region          stale                 wrong_region          ActivationDelayed       not_activated
too late to start     stale                 activate_by_passed    ActivationDelayed       not_activated
trial                 stale                 stale                 ActivationDelayed       not_activated
subscription          stale                 stale                 ActivationDelayed       not_activated
in use elsewhere      stale                 stale                 ActivationDelayed       PurchaseAnnounced
no seat free          stale                 seats_exhausted       ActivationDelayed       PurchaseAnnounced
in use here           already_activated     stale                 already_activated       PurchaseAnnounced
in use here, blocked  already_activated     code_blocked          already_activated       PurchaseAnnounced
over                  stale                 term_over             ActivationDelayed       PurchaseAnnounced
over, here            already_activated     term_over             already_activated       PurchaseAnnounced
purchase announced    already_activated     term_over             already_activated       –
renewed               already_activated     stale                 already_activated       –

state                 purchase settled  block         unblock        release
unknown               unknown_code      unknown_code  unknown_code   unknown_code
unused                not_activated     CodeBlocked   –              not_a_holder
blocked               not_activated     –             CodeUnblocked  not_a_holder
other product         not_activated     CodeBlocked   –              not_a_holder
other region          not_activated     CodeBlocked   –              not_a_holder
too late to start     not_activated     CodeBlocked   –              not_a_holder
trial                 not_activated     CodeBlocked   –              not_a_holder
subscription          not_activated     CodeBlocked   –              not_a_holder
in use elsewhere      LicenseRenewed    CodeBlocked   –              not_a_holder
no seat free          LicenseRenewed    CodeBlocked   –              not_a_holder
in use here           LicenseRenewed    CodeBlocked   –              SeatReleased
in use here, blocked  LicenseRenewed    –             CodeUnblocked  SeatReleased
over                  LicenseRenewed    CodeBlocked   –              not_a_holder
over, here            LicenseRenewed    CodeBlocked   –              SeatReleased
purchase announced    LicenseRenewed    CodeBlocked   –              SeatReleased
renewed               –                 CodeBlocked   –              SeatReleased
"""


def cells(table: str) -> Mapping[tuple[str, str], str]:
    """Read the drawn table: cells are two or more spaces apart, parts of it an empty line."""
    read: dict[tuple[str, str], str] = {}
    for part in table.strip().split("\n\n"):
        header, *rows = (re.split(r"\s{2,}", line) for line in part.splitlines())
        for state, *row in rows:
            for incoming, cell in zip(header[1:], row, strict=True):
                assert (state, incoming) not in read, f"{state} × {incoming} is drawn twice"
                read[state, incoming] = cell
    return read


CELLS = cells(TABLE)


def test_no_cell_is_empty() -> None:
    """Every state meets every input, and every command and trigger is among the inputs."""
    assert set(CELLS) == {(state, incoming) for state in STATES for incoming in INPUTS}
    commands = [command for _, command in INPUTS.values()]
    assert {type(command) for command in commands} == set(get_args(Command.__value__))
    triggers = {command.trigger for command in commands if isinstance(command, Activate)}
    assert triggers == set(get_args(Trigger))


@pytest.mark.parametrize("incoming", INPUTS)
def test_what_follows_in_every_state(incoming: str) -> None:
    """R-45, R-51 and all the others: the rules as one table."""
    assert {state: outcome(state, incoming) for state in STATES} == {state: CELLS[state, incoming] for state in STATES}


@pytest.mark.parametrize("incoming", INPUTS)
def test_an_input_that_comes_twice_changes_nothing_more(incoming: str) -> None:
    """R-32, R-83, R-95, R-116."""
    given, command = INPUTS[incoming]
    for state, history in STATES.items():
        if CELLS[state, incoming] in ("unknown_code", "not_a_holder"):
            continue
        before = [*given, *history]
        once = [*before, *decided(DECIDER, before, command)]
        try:
            twice = [*once, *decided(DECIDER, once, command)]
        except Refused:
            continue
        assert _codes(twice, command) == _codes(once, command), state


def _codes(events: list[CodeEvent], command: Command) -> dict[str, Code]:
    streams = DECIDER.streams(command)
    return {
        stream: fold(DECIDER.evolve, [event for event in events if event.code_ref == stream], Code())
        for stream in streams
    }
